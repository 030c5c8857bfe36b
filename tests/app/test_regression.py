"""Numbers to predict, from end to end: the diabetes set of scikit-learn as a user's own npz."""

import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow.tracking import MlflowClient
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score

from pipeline import load_model
from pipeline.app.placement.placement import Placement
from pipeline.app.retraining.confirm import Candidates
from pipeline.app.retraining.confirmed import ConfirmedStudy
from pipeline.app.retraining.refit import refit
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.cli.render.retrainings import confirmed_table
from pipeline.errors import BadInputError
from pipeline.tracking.store import tracking_uri
from tests.app.studies import check_ledgers_agree, run_command, study_in, table, trial_runs

pytestmark = pytest.mark.slow

STUDY: dict[str, Any] = {
    "name": "diabetes",
    "space": {
        "depth": 1,
        "width": {"choices": [16, 32]},
        "dropout": {"low": 0.0, "high": 0.4},
        "batch_size": 32,
        "learning_rate": 0.01,
    },
    "training": {"epochs": 12},
    "search": {"trials": 4, "sampler": "random", "stopping": "none"},
    "trials": [],
}


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 442 patients: ten measurements, and how far the disease went in a year (25 to 346)."""
    rows, progression = load_diabetes(return_X_y=True)
    path = tmp_path_factory.mktemp("diabetes") / "diabetes.npz"
    np.savez(path, x_train=rows / rows.std(axis=0), y_train=progression)
    return path


def study_of(home: Path, npz: Path, **changes: Any) -> Study:
    """The study of the diabetes set in a home."""
    return study_in(home, **STUDY | {"data": {"name": "npz", "path": str(npz)}} | changes)


@pytest.fixture(scope="module")
def home(npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the study run to its end."""
    path = tmp_path_factory.mktemp("home")
    result = study_of(path, npz).run(workers=2)
    assert result.counts == {"complete": 4, "pruned": 0, "failed": 0}
    check_ledgers_agree(path, 4, "diabetes")
    return path


@pytest.fixture(scope="module")
def confirmed(home: Path) -> ConfirmedStudy:
    """Its best two settings on three new seeds."""
    workspace = Workspace(home=home, tracking_uri=None)
    return Candidates.read(workspace, "diabetes", top=2).confirm(
        seeds=3, placement=Placement(workers=2)
    )


def test_each_epoch_has_its_error_and_what_is_explained_in_mlflow(home: Path) -> None:
    client = MlflowClient(tracking_uri(home))
    for run in trial_runs(home, "diabetes"):
        for name, low, high in (("val_mae", 30, 150), ("val_r2", -2, 0.7)):
            points = client.get_metric_history(run.info.run_id, name)
            assert sorted(point.step for point in points) == list(range(1, 13))
            assert all(low < point.value < high for point in points), name
        assert "val_accuracy" not in run.data.metrics


def test_confirming_gives_r2_and_error_of_the_test_rows_with_intervals(
    home: Path, confirmed: ConfirmedStudy
) -> None:
    told = json.loads(json.dumps(confirmed.as_json()))
    for one in told["candidates"]:
        assert one["test_accuracy"] is None
        r2, mae = one["metrics"]["test_r2"], one["metrics"]["test_mae"]
        assert r2["low"] < r2["mean"] < r2["high"] < 0.8
        assert r2["mean"] > 0.3
        assert 30 < mae["low"] < mae["mean"] < 60
    metrics = MlflowClient(tracking_uri(home)).get_run(confirmed.run_id).data.metrics
    assert metrics["test_r2_mean"] == told["candidates"][0]["metrics"]["test_r2"]["mean"]
    assert metrics["test_mae_high"] == told["candidates"][0]["metrics"]["test_mae"]["high"]
    client = MlflowClient(tracking_uri(home))
    tags = client.get_run(trial_runs(home, "diabetes")[0].data.tags["mlflow.parentRunId"]).data.tags
    note = html.unescape(tags["mlflow.note.content"])
    assert "| val_loss | seeds | test loss | test_mae | test_r2 |" in note
    shown = confirmed_table(confirmed)
    assert "test_r2" in shown
    assert str(confirmed.answer.candidates[0].test_metrics["test_r2"]) in shown


def test_a_study_that_never_went_without_dropout_is_compared_with_its_best_without(
    home: Path, confirmed: ConfirmedStudy
) -> None:
    told = json.loads(json.dumps(confirmed.as_json()))
    by_number = {one["number"]: one for one in told["candidates"]}
    plain, best = by_number["baseline"], by_number[confirmed_best(home)]
    assert told["baseline"] == "baseline"
    assert plain["params"] == best["params"] | {"dropout": 0.0}
    assert (plain["search_value"], plain["is_baseline"], plain["seeds"]) == (None, True, 3)
    assert plain["test"]["low"] < plain["test"]["mean"]
    assert any("the search's best setting without its dropout" in why for why in told["why"])
    client = MlflowClient(tracking_uri(home))
    runs = client.search_runs(
        [client.get_run(confirmed.run_id).info.experiment_id],
        f"tags.`mlflow.parentRunId` = '{confirmed.run_id}'",
    )
    (repeat,) = [run for run in runs if run.info.run_name == "confirm-baseline-repeat-2"]
    assert repeat.data.params["dropout"] == "0.0"
    workspace = Workspace(home=home, tracking_uri=None)
    again = reproduce(workspace, repeat.info.run_id)
    assert (again.number, again.comparison.verdict) == ("baseline", "identical")
    check_ledgers_agree(home, 4, "diabetes")


def confirmed_best(home: Path) -> int:
    """The trial of the lowest value."""
    number, *_ = min(table(home, "diabetes"), key=lambda row: row[2])
    return int(number)


def test_a_trial_is_reproduced_and_refitted(home: Path) -> None:
    workspace = Workspace(home=home, tracking_uri=None)
    assert reproduce(workspace, "diabetes").comparison.verdict == "identical"
    answer = refit(workspace, "diabetes")
    assert Path(answer.path).is_file()
    assert reproduce(workspace, answer.run_id).comparison.verdict == "identical"


def test_the_network_that_is_loaded_predicts_in_the_npz_files_units(home: Path, npz: Path) -> None:
    network = load_model("diabetes", workspace=Workspace(home=home, tracking_uri=None))
    with np.load(npz) as arrays, torch.no_grad():
        predicted = network(torch.tensor(arrays["x_train"], dtype=torch.float32))
        assert predicted.shape == (442, 1)
        assert r2_score(arrays["y_train"], predicted[:, 0]) > 0.4


def test_two_targets_and_whole_numbers_are_one_table_for_any_workers(
    npz: Path, tmp_path: Path
) -> None:
    with np.load(npz) as arrays:
        targets = np.stack([arrays["y_train"].astype(int), -arrays["y_train"].astype(int)], 1)
        both = tmp_path / "both.npz"
        np.savez(both, x_train=arrays["x_train"], y_train=targets)
    data = {"name": "npz", "path": str(both), "task": "regression", "folds": 2}
    tables = []
    for workers in (1, 2):
        study_of(tmp_path / str(workers), both, data=data).run(workers=workers)
        tables.append(table(tmp_path / str(workers), "diabetes"))
    assert tables[0] == tables[1]


def test_a_loss_of_numbers_is_refused_once_the_labels_are_classes(
    npz: Path, tmp_path: Path
) -> None:
    with np.load(npz) as arrays:
        classes = tmp_path / "classes.npz"
        np.savez(classes, x_train=arrays["x_train"], y_train=np.arange(442) % 2)
    study = study_of(tmp_path / "home", classes, training={"epochs": 1, "loss": "mae"})
    with pytest.raises(BadInputError, match=r"training\.loss: only for regression"):
        study.run(workers=1)
    assert not (tmp_path / "home" / "optuna.journal").exists()


def test_the_command_refuses_classes_that_are_floats_and_writes_nothing(
    npz: Path, tmp_path: Path
) -> None:
    file = tmp_path / "diabetes.yaml"
    data = {"name": "npz", "path": str(npz), "task": "classification"}
    file.write_text(json.dumps({"model": {"name": "mlp"}} | STUDY | {"data": data}))
    done = run_command("run", file, "--home", tmp_path / "home", code=2)
    assert "y_train: got float64 [442], expected whole numbers [N], since data.task" in done.stderr
    assert not (tmp_path / "home").exists()
