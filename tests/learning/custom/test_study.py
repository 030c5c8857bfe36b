"""A whole study of a user's own module and data, through the real engine and both ledgers."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.app.browse import show_study
from pipeline.app.doctor import examine
from pipeline.app.first_batch import first_params
from pipeline.app.inputs import prepare_trial
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.config import check_study
from pipeline.errors import BadInputError, WorkFailedError
from tests.app.studies import check_ledgers_agree, table
from tests.learning.custom.trials import MODULES, own_trial

N_TRIALS = 5


def study_in(home: Path, *, model: str = "Plain", objective: Any = None, **space: Any) -> Study:
    """A small study of ``modules.py``."""
    given = {
        "name": "own",
        "data": {"class_path": f"{MODULES}.Blobs"},
        "model": {"class_path": f"{MODULES}.{model}"},
        "space": {
            "n_inputs": 8,
            "hidden": {"choices": [4, 16]},
            "dropout": {"low": 0.0, "high": 0.6},
            "batch_size": {"choices": [20, 30]},
        }
        | space,
        "training": {"epochs": 2, "device": "cpu"},
        "search": {"trials": N_TRIALS, "stopping": "median", "block": 2},
    } | ({"objective": objective} if objective else {})
    return Study(
        config=check_study(given, "own.yaml"), workspace=Workspace(home=home, tracking_uri=None)
    )


@pytest.mark.slow
def test_a_study_of_an_own_module_is_a_function_and_its_best_trial_is_reproduced(
    tmp_path: Path,
) -> None:
    for n_workers in (1, 2):
        home = tmp_path / str(n_workers)
        result = study_in(home).run(workers=n_workers)
        assert result.counts["failed"] == 0, [row.cause for row in result.trials]
        check_ledgers_agree(home, N_TRIALS, "own")
    assert table(tmp_path / "1", "own") == table(tmp_path / "2", "own")
    again = reproduce(Workspace(home=tmp_path / "1", tracking_uri=None), "own")
    assert again.comparison.verdict.value == "identical", again.comparison.first_difference


@pytest.mark.slow
@pytest.mark.parametrize(
    "objective",
    [{"metric": "val/loss"}, {"metric": "val/acc", "direction": "maximize"}],
    ids=["loss", "accuracy"],
)
def test_an_own_metric_decides(tmp_path: Path, objective: dict[str, str]) -> None:
    for n_workers in (1, 2):
        home = tmp_path / str(n_workers)
        result = study_in(home, model="OtherNames", objective=objective).run(workers=n_workers)
        assert result.counts["failed"] == 0, [row.cause for row in result.trials]
        check_ledgers_agree(home, N_TRIALS, "own")
    assert table(tmp_path / "1", "own") == table(tmp_path / "2", "own")
    curves = result.to_dataframe(curves=True)
    rows = [row for row in result.trials if row.value is not None]
    choose = max if "direction" in objective else min
    for row in rows:
        scores = curves.loc[curves["number"] == row.number, objective["metric"]]
        assert row.value == choose(scores)
    assert result.best is not None
    assert result.best.value == choose(row.value for row in rows if row.value is not None)
    assert curves["train_loss_no_dropout"].notna().all() == ("direction" not in objective)
    assert examine(result.workspace).is_healthy
    again = reproduce(result.workspace, "own")
    assert again.comparison.verdict.value == "identical", again.comparison.first_difference


def test_a_metric_that_is_not_logged_is_refused_with_those_that_are(tmp_path: Path) -> None:
    objective = {"metric": "val_f1", "direction": "maximize"}
    with pytest.raises(BadInputError, match="val_f1 was not logged") as caught:
        study_in(tmp_path / "home", model="OtherNames", objective=objective).run(workers=1)
    assert "(logged was train_accuracy, val/acc, val/loss)" in str(caught.value)
    assert not list(tmp_path.rglob("mlflow.db"))


@pytest.mark.parametrize(
    ("model", "space", "said"),
    [
        ("NotThere", {}, "NotThere is not in its module"),
        ("Plain", {"hiden": 3}, "space.hiden: not an argument of"),
    ],
    ids=["class", "space"],
)
def test_a_study_that_does_not_fit_its_class_writes_nothing(
    tmp_path: Path, model: str, space: dict[str, Any], said: str
) -> None:
    home = tmp_path / "home"
    with pytest.raises(BadInputError, match="study: ") as caught:
        study_in(home, model=model, **space).run(workers=1)
    assert said in str(caught.value)
    assert not home.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("Silent", "val_loss was not logged by the end of epoch 1 (logged was train_accuracy)"),
        ("Leaving", "SystemExit: enough, in tests.learning.custom.modules:"),
        ("Deadly", "worker"),
    ],
)
def test_a_class_that_fails_on_its_first_batch_is_refused_and_writes_nothing(
    tmp_path: Path, model: str, said: str
) -> None:
    home = tmp_path / "home"
    with pytest.raises(
        BadInputError, match=r"study: model.class_path: .* on its first batch"
    ) as on:
        study_in(home, model=model).run(workers=1)
    told = str(on.value)
    assert said in told
    if model == "Leaving":
        assert 'sys.exit("enough")' in told, "the end of the traceback"
    assert "(with batch_size 30, dropout 0.3, hidden 4, n_inputs 8)" in told
    assert not list(home.rglob("mlflow.db")) + list(home.rglob("optuna.journal"))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["Diverging", "Raising"])
def test_a_class_that_fails_later_is_recorded_and_its_study_goes_on(
    tmp_path: Path, model: str
) -> None:
    study = study_in(tmp_path, model=model, hidden=4, dropout=0.1, batch_size=20)
    with pytest.raises(WorkFailedError, match="5 in a row, failed for one cause: "):
        study.run(workers=1)
    logs = list((tmp_path / "artifacts").rglob("worker.log"))
    assert len(logs) == (5 if model == "Raising" else 0)
    assert all("ZeroDivisionError" in log.read_text() for log in logs)
    assert examine(study.workspace).is_healthy
    assert [row.state.name for row in show_study(study.workspace, "own").trials] == ["FAIL"] * 5


def test_the_first_setting_is_the_study_file_s_or_the_usual_one(tmp_path: Path) -> None:
    usual = first_params(study_in(tmp_path).config)
    assert usual == {"n_inputs": 8, "hidden": 4, "dropout": 0.3, "batch_size": 30}
    fixed = study_in(tmp_path).config.model_copy(update={"trials": ({"hidden": 16},)})
    assert first_params(fixed) == usual | {"hidden": 16}


def test_a_trial_whose_class_is_gone_is_not_trained_again(tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path / "home", tracking_uri=None)
    with pytest.raises(BadInputError, match=r"run 3: model\.class_path: .*Gone"):
        prepare_trial(own_trial("Gone"), workspace, where="run 3")
    assert not workspace.home.exists()
