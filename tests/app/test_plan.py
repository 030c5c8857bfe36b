"""A plan finds what is wrong with a study, and finds nothing wrong with a sound one."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.app.placement.placement import Placement
from pipeline.app.planning.plan import make_plan
from pipeline.app.planning.planned import Plan
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.cli.render.plan import plan_lines
from pipeline.config import check_study
from pipeline.errors import BadInputError
from pipeline.locks import hold_study
from pipeline.trial import Fault
from tests.cli.typed import snapshot

SECONDS = 0.2
"""So long models are measured, where the time is not the subject."""
SOUND: dict[str, Any] = {
    "name": "sound",
    "data": {"name": "digits"},
    "model": {"name": "mlp"},
    "space": {
        "depth": {"low": 1, "high": 2},
        "width": {"choices": [16, 32]},
        "dropout": {"low": 0.0, "high": 0.5},
        "batch_size": {"choices": [32, 64]},
        "learning_rate": {"low": 1e-3, "high": 1e-2, "log": True},
    },
    "training": {"epochs": 8, "early_stopping": {"patience": 3}},
    "search": {"trials": 12, "seed": 1},
}
FIXED = {"depth": 1, "width": 16, "dropout": 0.1, "batch_size": 32, "learning_rate": 0.002}
ROOT = Path(__file__).parents[2]
ONE_WORKER = Placement(workers=1)
Write = Callable[..., dict[str, Any]]


def rows(n_rows: int = 600, n_classes: int = 2) -> dict[str, Any]:
    """A data set in which there is something to learn."""
    rng = np.random.default_rng(0)
    labels = np.arange(n_rows) % n_classes
    inputs = rng.normal(size=(n_rows, 6)).astype(np.float32) + labels[:, None]
    return {"x_train": inputs, "y_train": labels}


def with_nan() -> dict[str, Any]:
    arrays = rows()
    arrays["x_train"][3, 2] = np.nan
    return arrays


def with_a_rare_class() -> dict[str, Any]:
    arrays = rows()
    arrays["y_train"][7] = 2
    return arrays


def with_copies() -> dict[str, Any]:
    arrays = rows(300)
    return {name: np.concatenate([array, array]) for name, array in arrays.items()}


def plan_of(home: Path, placement: Placement = ONE_WORKER, **changes: Any) -> Plan:
    """A plan of the sound study with values changed, ``a__b`` meaning ``a.b``."""
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    workspace = Workspace(
        home=home,
        tracking_uri=dotted.pop("tracking_uri", None),
        storage=dotted.pop("storage", None),
    )
    document = deepcopy(SOUND)
    for key, value in dotted.items():
        *sections, last = key.split(".")
        reduce(getitem, sections, document)[last] = value
    config = check_study(document, "study.yaml")
    study = Study(config=config, workspace=workspace, file="study.yaml")
    return make_plan(study, placement, seconds=SECONDS)


OF_THE_FILE: dict[str, tuple[dict[str, Any], str, str]] = {
    "a range of one value": ({"space__dropout": {"low": 0.2, "high": 0.2}}, "space.dropout", "one"),
    "one choice": ({"space__width": {"choices": [16]}}, "space.width", "write 16 alone"),
    "a linear range over decades": (
        {"space__learning_rate": {"low": 1e-4, "high": 1e-1}},
        "space.learning_rate",
        "say log: true",
    ),
    "a learning rate that diverges": (
        {"space__learning_rate": {"low": 1e-3, "high": 5.0, "log": True}},
        "space.learning_rate",
        "got up to 5, expected at most 0.3 with adamw",
    ),
    "a learning rate that learns nothing": (
        {"space__learning_rate": {"low": 1e-9, "high": 1e-2, "log": True}},
        "space.learning_rate",
        "expected at least 1e-06",
    ),
    "dropout of nearly all": (
        {"space__dropout": {"low": 0.0, "high": 0.99}},
        "space.dropout",
        "1.0% of the values would be left",
    ),
    "layers of one unit": ({"space__width": {"choices": [1, 32]}}, "space.width", "got 1,"),
    "a parameter that no trial has": (
        {"space__depth": 0, "search__trials": 4},
        "space.width",
        "no trial has, since depth is at most 0",
    ),
    "schedules over one epoch": (
        {
            "space__schedule": {"choices": ["constant", "cosine"]},
            "training": {"epochs": 1},
        },
        "space.schedule",
        "with 1 epoch all are the same",
    ),
    "patience of all epochs": (
        {"training__early_stopping": {"patience": 8}},
        "training.early_stopping.patience",
        "got 8, expected fewer than the 8 epochs",
    ),
    "a rung at the end": ({"search__first_rung": 8}, "search.first_rung", "got 8, expected fewer"),
    "the worst trial wins": (
        {"objective": {"metric": "val_loss", "direction": "maximize"}},
        "objective.direction",
        "got maximize val_loss, expected minimize",
    ),
    "more trials than settings": (
        {
            "space__dropout": 0.2,
            "space__learning_rate": {"choices": [0.001, 0.01]},
            "search__trials": 40,
        },
        "search.trials",
        "the space has 16 settings",
    ),
    "a fixed trial twice": (
        {
            "trials": [
                {"depth": 1, "width": 16, "dropout": 0.1, "batch_size": 32, "learning_rate": 0.002}
            ]
            * 2
        },
        "trials.1",
        "the setting of trials.0 again",
    ),
    "a batch of all rows": (
        {"space__batch_size": {"choices": [32, 4096]}},
        "space.batch_size",
        "got up to 4,096, expected at most 1,150",
    ),
    "few rows to validate on": (
        {"data__validation": 60},
        "data.validation",
        "expected about 1,921",
    ),
    "no such device": ({"training__device": "cuda"}, "training.device", "got cuda"),
    "more threads than cores": ({"training__threads": 24}, "training.threads", "got 24"),
    "a network that fills the memory": (
        {"space__width": {"choices": [16, 65_536]}, "space__depth": {"low": 1, "high": 40}},
        "space",
        "of memory that are free",
    ),
    "no such file": (
        {"data": {"name": "npz", "path": "nowhere.npz"}},
        "data.path",
        "nowhere.npz",
    ),
    "an MLflow server that is away": (
        {"tracking_uri": "http://127.0.0.1:9"},
        "http://127.0.0.1:9",
        "expected",
    ),
    "a storage that is away": (
        {"storage": "sqlite:////nowhere/at/all.db"},
        "--storage",
        "/nowhere/at/all.db",
    ),
}


@pytest.mark.parametrize(("changes", "where", "words"), OF_THE_FILE.values(), ids=OF_THE_FILE)
def test_plan_finds_what_was_planted_in_a_study(
    changes: dict[str, Any], where: str, words: str, tmp_path: Path
) -> None:
    found = plan_of(tmp_path / "home", **changes)
    assert [fault for fault in found.faults if fault.where == where and words in fault.what]
    assert not found.ok
    assert not (tmp_path / "home").exists()


OF_DATA: dict[str, tuple[Callable[[], dict[str, Any]], str, str]] = {
    "NaN": (with_nan, "x_train", "expected finite numbers"),
    "labels of one class": (lambda: rows(n_classes=1), "data", "labels of one class"),
    "a class that is not validated": (
        with_a_rare_class,
        "data.validation",
        "no validation row of class 2",
    ),
    "constant inputs": (
        lambda: rows() | {"x_train": np.ones((600, 6), np.float32)},
        "data",
        "rows that are all the same",
    ),
    "copies": (with_copies, "data", "of the validation rows among the training rows"),
}


@pytest.mark.parametrize(("arrays", "where", "words"), OF_DATA.values(), ids=OF_DATA)
def test_plan_finds_what_was_planted_in_data(
    arrays: Callable[[], dict[str, Any]], where: str, words: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "rows.npz", **arrays())
    data = {"name": "npz", "path": str(tmp_path / "rows.npz"), "validation": 0.25}
    found = plan_of(tmp_path / "home", data=data)
    assert [fault for fault in found.faults if fault.where == where and words in fault.what]


def test_plan_finds_more_workers_than_cores(tmp_path: Path) -> None:
    found = plan_of(tmp_path, Placement(workers=500))
    assert "got 500, expected at most" in found.faults[0].what
    assert found.faults[0].where == "--workers"


def test_plan_finds_a_study_that_is_run_by_another_process(tmp_path: Path) -> None:
    with hold_study(tmp_path, "sound"):
        found = plan_of(tmp_path)
    assert "is being run by process" in found.faults[0].what


def test_plan_finds_all_faults_at_once(tmp_path: Path) -> None:
    found = plan_of(
        tmp_path,
        space__dropout={"low": 0.2, "high": 0.2},
        training__early_stopping={"patience": 9},
        training__device="cuda",
        storage="sqlite:////nowhere/at/all.db",
    )
    wanted = {"space.dropout", "training.early_stopping.patience", "training.device", "--storage"}
    assert {fault.where for fault in found.faults} == wanted


def test_grid_with_fewer_settings_than_trials_is_refused_as_run_does(tmp_path: Path) -> None:
    learned: dict[str, Any] = {
        "space__dropout": 0.2,
        "space__learning_rate": 0.001,
        "search__sampler": "grid",
    }
    with pytest.raises(BadInputError, match="expected at most 8: the grid has 8 settings"):
        plan_of(tmp_path, **learned)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """The plan of the sound study."""
    home = tmp_path_factory.mktemp("sound") / "home"
    yield plan_of(home)
    assert not home.exists()


def test_plan_of_a_sound_study_has_no_fault(sound: Plan) -> None:
    assert sound.ok
    assert [fault.where for fault in sound.warnings] == ["data.validation"]


def test_plan_predicts_an_interval_that_is_of_use(sound: Plan) -> None:
    assert sound.duration is not None
    assert 0 < sound.duration.low < sound.duration.high < 4 * sound.duration.low
    low, high = sound.duration.epochs
    assert 12 * 2 <= low <= high <= 12 * 8


def test_json_of_a_plan_has_the_keys_of_the_contract(sound: Plan) -> None:
    answer = json.loads(json.dumps(sound.as_json()))
    assert answer["ok"] is True
    assert answer["faults"] == []
    assert len(answer["predicted_seconds"]) == 2
    assert {"warnings", "memory", "disk", "epochs", "workers", "device"} <= set(answer)


def test_lines_of_a_plan_end_with_the_command_to_run(sound: Plan) -> None:
    lines = plan_lines(sound, " --home 'a b'")
    assert lines[0] == "study sound: no fault found"
    assert lines[-1] == "next: pipeline run study.yaml --home 'a b'"


@pytest.mark.parametrize("name", ["mnist_5k_mlp", "mnist_dropconnect", "per_layer_keep_prob"])
def test_plan_has_no_fault_of_a_shipped_study(name: str, tmp_path: Path) -> None:
    workspace = Workspace(home=tmp_path, tracking_uri=None)
    study = Study.load(ROOT / f"studies/{name}.yaml", workspace=workspace)
    assert make_plan(study, ONE_WORKER, seconds=SECONDS).faults == ()


def test_plan_writes_nothing_into_a_home(home: Path) -> None:
    before = snapshot(home)
    plan_of(home)
    assert snapshot(home) == before


def test_plan_tries_the_corners_of_a_module_of_ones_own(tmp_path: Path) -> None:
    narrow: dict[str, Any] = {
        "model": {"class_path": "tests.app.broken.Narrow"},
        "space": {"hidden": {"choices": [16, 64]}, "batch_size": {"low": 32, "high": 64}},
    }
    found = plan_of(tmp_path, **narrow)
    [fault] = found.faults
    assert fault.where == "model.class_path"
    assert "fails on its first batch (with batch_size 64, hidden 64): ValueError" in fault.what
    assert "64 units are too many" in fault.what
    assert "\n" not in fault.what


def test_plan_times_a_module_of_ones_own(tmp_path: Path) -> None:
    plain: dict[str, Any] = {
        "model": {"class_path": "tests.learning.custom.modules.Plain"},
        "space": {"hidden": {"choices": [16, 32, 64]}, "dropout": {"low": 0.1, "high": 0.5}},
    }
    found = plan_of(tmp_path, **plain)
    assert found.faults == ()
    assert found.duration is not None


def test_lines_of_a_plan_show_nothing_that_a_terminal_obeys(sound: Plan) -> None:
    hostile = Fault("data", "got \x1b[2Jclass\nnext: rm -rf", is_warning=False)
    lines = plan_lines(replace(sound, faults=(hostile,)))
    assert lines[0] == "study sound: 1 fault"
    assert not any("\x1b" in line or "\n" in line for line in lines)
