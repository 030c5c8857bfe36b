"""A study of the highest accuracy: every place that compares, shows or stores follows it."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from pipeline.app.browse import list_studies, show_study
from pipeline.app.doctor import examine
from pipeline.app.placement.placement import Placement
from pipeline.app.retraining.confirm import Candidates
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.workspace import Workspace
from pipeline.cli.render.retrainings import confirmed_lines
from pipeline.cli.render.studies import result_lines
from pipeline.errors import BadInputError
from pipeline.search.storage.opening import open_storage
from pipeline.tracking.client import connect
from pipeline.tracking.store import tracking_uri
from tests.app.planted import train_here
from tests.app.studies import PRUNED_TOO, points, study_in, trial_runs

pytestmark = pytest.mark.slow

HIGHEST = {"metric": "val_accuracy", "direction": "maximize"}
SEARCH = PRUNED_TOO["search"] | {"trials": 22, "sampler": "gp", "finalists": 2}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A home in which the study was run."""
    home = tmp_path_factory.mktemp("highest")
    result = study_in(home, objective=HIGHEST, search=SEARCH).run(workers=2)
    said = "\n".join(result_lines(result))
    assert "mean val_accuracy 0." in said
    assert "val_loss" not in said
    html = result._repr_html_()
    values = [row.value for row in result.trials if row.value is not None]
    assert html.index(f"{max(values):.6f}"[:6]) < html.index(f"{sorted(values)[-8]:.6f}"[:6])
    return Workspace(home=home, tracking_uri=None)


def test_values_are_the_highest_accuracies_in_both_ledgers(workspace: Workspace) -> None:
    rows = show_study(workspace, "small").trials
    complete = 0
    for row, run in zip(rows, trial_runs(workspace.home), strict=True):
        curve = points(workspace.home, run, "val_accuracy")
        best = max(score for _, score in curve)
        first = next(epoch for epoch, score in curve if score == best)
        assert points(workspace.home, run, "best_val_accuracy") == [(0, best)]
        assert (row.best_epoch, run.data.metrics["best_epoch"]) == (first, first)
        assert "best_val_loss" not in run.data.metrics
        if row.state == "COMPLETE":
            complete += 1
            assert row.value == best
        if row.state == "PRUNED":
            assert row.cause is not None
            assert row.cause.startswith("asha: highest val_accuracy ")
    assert 0 < complete < len(rows)


def test_best_is_the_highest_mean_of_the_finalists(workspace: Workspace) -> None:
    result = study_in(workspace.home, objective=HIGHEST, search=SEARCH).run(workers=1)
    assert result.best is not None
    means = [one.mean for one in result.best.finalists if one.mean is not None]
    assert result.best.value == max(means)
    assert means == sorted(means, reverse=True)
    assert list_studies(workspace)[0]["best"]["value"] == max(means)


def test_optunas_own_tools_read_it(workspace: Workspace) -> None:
    storage = open_storage(None, workspace.home / "optuna.journal", to_write=False)
    assert storage is not None
    found = optuna.load_study(study_name="small", storage=storage)
    assert (found.direction.name, found.metric_names) == ("MAXIMIZE", ["val_accuracy"])
    values = [row.value for row in show_study(workspace, "small").trials if row.value is not None]
    assert found.best_value == max(values)


def test_doctor_finds_nothing(workspace: Workspace) -> None:
    assert examine(workspace).is_healthy


def test_doctor_finds_a_best_score_that_is_gone(workspace: Workspace) -> None:
    run = next(one for one in trial_runs(workspace.home) if "best_val_accuracy" in one.data.metrics)
    client = connect(tracking_uri(workspace.home))
    client.set_tag(run.info.run_id, "objective", "minimize val_accuracy")
    found = examine(workspace)
    said = "objective: Optuna says maximize val_accuracy, MLflow minimize val_accuracy"
    assert [finding.what for finding in found.findings] == [said]
    client.set_tag(run.info.run_id, "objective", "maximize val_accuracy")
    assert examine(workspace).is_healthy


def test_reproduction_is_identical_from_the_record_alone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_here(monkeypatch)
    answer = reproduce(workspace, "small", trial="best")
    assert answer.comparison.verdict == "identical", answer.comparison


def test_confirm_calls_the_highest_mean_the_winner(workspace: Workspace) -> None:
    confirmed = Candidates.read(workspace, "small", top=3).confirm(
        seeds=2, placement=Placement(workers=2)
    )
    means = [one.value.mean for one in confirmed.answer.candidates if one.value.mean is not None]
    assert means == sorted(means, reverse=True)
    assert confirmed.answer.winner == confirmed.answer.candidates[0].number
    said = "\n".join(confirmed_lines(confirmed))
    assert "val_accuracy" in said
    assert "cannot be told apart from the highest mean" in said


def test_another_objective_is_another_study(workspace: Workspace) -> None:
    lowest = study_in(workspace.home, search=SEARCH)
    with pytest.raises(BadInputError, match=r"objective\.metric: 'val_accuracy' → not set"):
        lowest.run(workers=1)


def test_own_tags_are_only_where_the_objective_is_not_the_usual(tmp_path: Path) -> None:
    search: dict[str, Any] = PRUNED_TOO["search"] | {"trials": 2}
    study_in(tmp_path, search=search).run(workers=1)
    assert all("objective" not in run.data.tags for run in trial_runs(tmp_path))
