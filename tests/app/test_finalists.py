"""Everything that asks for the best trial of a study with finalists has one answer."""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from pipeline.app.browse import list_studies, show_study
from pipeline.app.doctor import examine
from pipeline.app.retraining.confirm import Candidates
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.study import Study
from pipeline.app.use import load_model
from pipeline.app.workspace import Workspace
from pipeline.cli.render.studies import result_lines
from pipeline.cli.render.trials import trials_lines
from pipeline.config import Finalist
from pipeline.tracking.reader import read_rows, read_trial
from pipeline.tracking.store import tracking_uri
from pipeline.trial import Best, find_best
from tests.app.sick import copied
from tests.app.studies import check_ledgers_agree, searched, table, trial_runs

pytestmark = pytest.mark.slow

SEARCH: dict[str, Any] = {"trials": 13, "finalists": 2, "stopping": "none", "sampler": "gp"}


def asked(home: Path, **search: Any) -> Study:
    """The small study with two finalists: seven trials of the search, and six of theirs."""
    return searched(home, **SEARCH | search)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the study run to its end; nobody may change it."""
    home = tmp_path_factory.mktemp("finalists") / "home"
    asked(home).run(workers=2)
    return home


@pytest.fixture
def home(trained: Path, tmp_path: Path) -> Path:
    """A copy of the home."""
    return copied(trained, tmp_path / "home")


def workspace(home: Path) -> Workspace:
    """A home with its embedded stores."""
    return Workspace(home=home, tracking_uri=None)


def best_of(home: Path) -> Best:
    """The best trial of the study in a home."""
    best = show_study(workspace(home), "small").best
    assert best is not None
    return best


def test_last_trials_train_two_settings_again_on_new_seeds_as_one(trained: Path) -> None:
    rows = show_study(workspace(trained), "small").trials
    assert [row.finalist is not None for row in rows] == [False] * 7 + [True] * 6
    for first in (7, 10):
        same = rows[first : first + 3]
        assert all(row.params == same[0].params for row in same)
        assert len({row.weights_sha256 for row in same}) == 3
    records = [read_trial(tracking_uri(trained), "small", n).record for n in range(7, 13)]
    assert [record.trial.finalist for record in records] == [row.finalist for row in rows[7:]]
    assert {record.facts.stack_size for record in records if record.facts} <= {3, 6}
    check_ledgers_agree(trained, 13)


def test_best_is_the_finalist_of_the_lowest_mean_whoever_asks(trained: Path) -> None:
    best = best_of(trained)
    rows = show_study(workspace(trained), "small").trials
    means = {first: fmean(row.value or 9.0 for row in rows[first : first + 3]) for first in (7, 10)}
    assert best.value == min(means.values())
    assert best.number >= 7
    in_mlflow = find_best(read_rows(tracking_uri(trained), "small"))
    assert in_mlflow is not None
    assert in_mlflow.as_json() == best.as_json()
    assert read_trial(tracking_uri(trained), "small", "best").record.trial.number == best.number
    listed = list_studies(workspace(trained))
    assert [one["best"] for one in listed] == [best.as_json()]
    chosen = Candidates.read(workspace(trained), "small", top=9).trials
    assert chosen[0].record.trial.number == best.number
    settings = [str(sorted(one.record.trial.params.items())) for one in chosen]
    assert len(set(settings)) == len(settings)


def test_network_of_the_best_trial_is_the_one_that_is_loaded_and_reproduced(home: Path) -> None:
    best = best_of(home)
    answer = reproduce(workspace(home), "small", trial="best")
    assert (answer.number, answer.comparison.verdict.value) == (best.number, "identical")
    assert answer.comparison.weights_again == best.trial.weights_sha256
    assert load_model("small", workspace=workspace(home)).training is False


def test_result_and_table_say_which_setting_was_trained_again(trained: Path) -> None:
    result, best = show_study(workspace(trained), "small"), best_of(trained)
    finalist = best.finalists[0]
    seconds = {"total": 1.0}
    shown = "\n".join(
        result_lines(type(result)(study="small", trials=result.trials, seconds=seconds))
    )
    numbers = ", ".join(str(trial.number) for trial in finalist.trials)
    words = f"best: setting of trial {finalist.setting_of}, mean val_loss {best.value:.4f} over 3 "
    assert words in shown
    assert f"trained again as {numbers}" in shown
    assert shown.count(f"setting of trial {best.finalists[0].setting_of},") == 1
    assert f"then the setting of trial {best.finalists[1].setting_of}, mean val_loss " in shown
    head, *lines = trials_lines(result.trials, {}, 200)
    column = head.split().index("of")
    assert len(lines) == 13
    assert [line.split()[column] for line in lines[7:]] == [
        str(row.finalist.setting_of) for row in result.trials if row.finalist
    ]
    told = [row.as_json()["finalist_of"] for row in result.trials]
    assert told == [None] * 7 + [one.finalist.setting_of for one in result.trials if one.finalist]
    assert json.loads(json.dumps(result.as_json()))["best"] == best.as_json()


def test_doctor_finds_nothing_and_mends_a_run_that_lost_its_mark(home: Path) -> None:
    assert examine(workspace(home)).is_healthy
    before = table(home)
    client, run = MlflowClient(tracking_uri(home)), trial_runs(home)[8]
    client.delete_tag(run.info.run_id, "finalist_of")
    found = examine(workspace(home), fix=True).findings
    assert [(one.kind.value, one.trial, one.is_fixed) for one in found] == [
        ("state-differs", 8, True)
    ]
    assert table(home) == before
    mark = show_study(workspace(home), "small").trials[8].finalist
    assert isinstance(mark, Finalist)
    assert client.get_run(run.info.run_id).data.tags["finalist_of"] == str(mark.setting_of)
    assert examine(workspace(home)).is_healthy


def test_study_that_goes_on_has_other_finalists(home: Path) -> None:
    before = table(home)
    result = asked(home, trials=22).run(workers=1)
    assert table(home)[:13] == before
    assert [row.number for row in result.trials if row.finalist] == [
        *range(7, 13),
        *range(16, 22),
    ]
    assert result.best is not None
    assert result.best.number >= 16
    check_ledgers_agree(home, 22)


def test_settled_study_is_finished_in_both_ledgers(tmp_path: Path) -> None:
    space = {"depth": 1, "width": 16, "dropout": {"choices": [0.0, 0.1]}, "batch_size": 64}
    study = asked(tmp_path / "home", trials=40, block=2, until="settled", finalists=1)
    config = study.config.model_validate(
        study.config.document
        | {"space": space | {"learning_rate": 0.003}, "trials": [], "training": {"epochs": 2}}
    )
    study = Study(config=config, workspace=study.workspace)
    result = study.run(workers=2)
    assert result.settled is not None
    assert len(result.trials) == result.settled.n_trials == result.settled.at + 3 < 40
    assert result.as_json()["settled"]["at"] == result.settled.at
    assert show_study(study.workspace, "small").settled == result.settled
    again = study.run(workers=1)
    assert (again.trials, again.settled) == (result.trials, result.settled)
    assert examine(study.workspace).is_healthy
    check_ledgers_agree(tmp_path / "home", len(result.trials))
