"""What a script or a notebook does with a study: run, look, load, confirm, reproduce."""

from pathlib import Path
from typing import Any

import pytest
import torch

import pipeline
from pipeline import Study, StudyResult, Workspace
from pipeline.errors import BadInputError
from pipeline.trial import TrialRow, TrialState

pytestmark = pytest.mark.slow

N_TRIALS, EPOCHS = 3, 2


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study, not run yet."""
    home = tmp_path_factory.mktemp("python")
    return Study(
        name="mine",
        data={"name": "digits", "test": 0.3},
        model={"name": "mlp"},
        space={
            "depth": {"low": 1, "high": 2},
            "width": 8,
            "dropout": {"low": 0.0, "high": 0.5, "per_layer": True},
            "batch_size": 64,
            "learning_rate": 1.0e-2,
        },
        training={"epochs": EPOCHS},
        search={"trials": N_TRIALS, "sampler": "random", "stopping": "none"},
        trials=[{"depth": 1}, {"depth": 2}],
        workspace=Workspace(home=home / "home", tracking_uri=None),
    )


@pytest.fixture(scope="module")
def result(study: Study) -> StudyResult:
    """The study, run."""
    return study.run(workers=1)


def test_the_table_is_a_data_frame(result: StudyResult) -> None:
    table = result.to_dataframe()
    assert list(table["number"]) == list(range(N_TRIALS))
    assert list(table["value"]) == [row.value for row in result.trials]
    assert list(table["state"]) == ["COMPLETE"] * N_TRIALS
    assert list(table["params_depth"][:2]) == [1, 2]
    assert table["params_dropout_2"].isna()[0]
    assert table["params_dropout_2"][1] == result.trials[1].params["dropout_2"]
    assert list(table.columns[:4]) == ["number", "state", "value", "best_epoch"]


def test_every_epoch_is_a_row_of_the_curves(result: StudyResult) -> None:
    curves = result.to_dataframe(curves=True)
    assert list(curves["number"]) == [n for n in range(N_TRIALS) for _ in range(EPOCHS)]
    assert list(curves["epoch"]) == [1, 2] * N_TRIALS
    losses = [loss for row in result.trials for loss in row.scores]
    assert list(curves["val_loss"]) == losses
    assert {"train_loss", "val_accuracy", "generalization_gap"} <= set(curves.columns)


def test_the_best_network_is_loaded_from_result_study_or_name(
    study: Study, result: StudyResult
) -> None:
    assert result.best is not None
    images = torch.rand(4, 64)
    network = result.best.load_model()
    assert not network.training
    assert network(images).shape == (4, 10)
    by_name = pipeline.load_model("mine", workspace=study.workspace)
    by_number = study.load_model(result.best.number)
    assert torch.equal(network(images), by_name(images))
    assert torch.equal(network(images), by_number(images))


def test_a_notebook_shows_the_best_trials_first(result: StudyResult) -> None:
    html = result._repr_html_()
    assert "study mine: 3 complete, 0 pruned, 0 failed" in html
    values = sorted(row.value for row in result.trials if row.value is not None)
    assert html.index(f"{values[0]:.6f}"[:7]) < html.index(f"{values[1]:.6f}"[:7])
    assert "params_depth" in html


def test_a_notebook_runs_nothing_that_a_parameter_says() -> None:
    params: dict[str, Any] = {"net": "<script>alert(1)</script>"}
    row = TrialRow(
        number=0,
        state=TrialState.COMPLETE,
        value=0.5,
        best_epoch=1,
        params=params,
        run_id=None,
        weights_sha256=None,
        cause=None,
    )
    html = StudyResult(study="<b>", trials=[row])._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html
    assert StudyResult(study="empty", trials=[])._repr_html_() == (
        "<p>study empty has no trial yet</p>"
    )


def test_a_study_is_shown_reproduced_refitted_and_confirmed(
    study: Study, result: StudyResult
) -> None:
    assert study.show().trials == result.trials
    assert study.reproduce(trial=1).as_json()["verdict"] == "identical"
    assert study.refit(trial=0).number == 0
    confirmed = study.confirm(top=2, seeds=2, workers=1)
    assert {one["number"] for one in confirmed.as_json()["candidates"]} >= {0, 1}


def test_what_is_not_there_is_told_as_the_command_line_tells_it(study: Study) -> None:
    with pytest.raises(BadInputError, match="trial: got 99, expected"):
        study.load_model(99)
    nowhere = Workspace(home=Path("/nonexistent/home"), tracking_uri=None)
    with pytest.raises(BadInputError):
        pipeline.load_model("mine", workspace=nowhere)
    with pytest.raises(BadInputError):
        StudyResult(study="mine", trials=[], workspace=nowhere).to_dataframe(curves=True)
