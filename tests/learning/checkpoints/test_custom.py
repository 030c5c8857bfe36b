"""A user's module resumes from Lightning's checkpoint with the same bits, or is trained anew."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import TrialConfig
from pipeline.learning.custom.datamodule import CustomData
from pipeline.learning.data import PreparedData
from pipeline.trial import Assignment, TrialState
from tests.learning.checkpoints.stops import (
    bits,
    check_goes_on,
    fit,
    resumable,
    stop_after,
    stop_after_each,
)

HERE = "tests.learning.checkpoints.modules"
THERE = "tests.learning.custom.modules"
EPOCHS = 3


def own(model: str, data: str | None = None, folds: int | None = None) -> Assignment:
    """A trial of a module of this folder or of the other's, on the digits or on own data."""
    params: dict[str, Any] = {"hidden": 16}
    if data is not None and "." in model:
        params = {"n_inputs": 8, "n_classes": 4}
    if "." not in model:
        params = {"depth": 1, "width": 12, "input_dropout": 0.1, "dropout": 0.2}
        params |= {"batch_size": 20, "learning_rate": 0.01, "weight_decay": 0.0}
    config = TrialConfig.model_validate(
        {
            "study": "own",
            "number": 0,
            "study_seed": 7,
            "data": ({"class_path": data} if data else {"name": "digits"}) | {"folds": folds},
            "model": {"class_path": model} if "." in model else {"name": model},
            "training": {"epochs": EPOCHS, "device": "cpu"},
            "params": params,
        }
    )
    return Assignment(config=config, epochs=EPOCHS)


RESUMED = {
    "batch-norm, dropout and a schedule": own(f"{THERE}.Plain"),
    "a schedule by what was logged": own(f"{HERE}.Plateau"),
    "a schedule of steps": own(f"{HERE}.OneCycle"),
    "two schedules": own(f"{HERE}.Warmth"),
    "an attribute in its checkpoint": own(f"{HERE}.Saving"),
    "two optimizers by hand": own(f"{HERE}.Accumulating"),
    "a metric object": own(f"{THERE}.WithMetric"),
    "own data": own(f"{THERE}.Plain", f"{THERE}.Blobs"),
    "own data of a built-in model": own("mlp", f"{THERE}.Blobs"),
    "folds": own(f"{THERE}.Plain", folds=3),
    "folds with a schedule of steps": own(f"{HERE}.OneCycle", folds=2),
    "folds of own data": own("mlp", f"{THERE}.Blobs", folds=2),
}
ANEW = {
    "metrics and callbacks": own(f"{HERE}.Measured"),
    "frozen weights": own(f"{HERE}.Unfreezing"),
    "plain attributes": own(f"{HERE}.Remembering"),
    "an iterator": own(f"{HERE}.Counting"),
    "a tensor of a graph": own(f"{THERE}.KeepingLoss"),
    "a layer more": own(f"{HERE}.Growth"),
    "an order of its own": own("mlp", f"{HERE}.OwnOrder"),
    "plain attributes on folds": own(f"{HERE}.Remembering", folds=2),
}


def _data(assignment: Assignment, digits: PreparedData) -> PreparedData | CustomData:
    path = assignment.config.data.class_path
    return CustomData(path) if path else digits


@pytest.mark.parametrize("what", RESUMED)
def test_an_own_module_stopped_at_each_epoch_goes_on_as_if_it_had_never_stopped(
    digits: PreparedData, tmp_path: Path, what: str
) -> None:
    assignment = RESUMED[what]
    data = _data(assignment, digits)
    (undisturbed,) = fit(data, [assignment])
    assert undisturbed.state is TrialState.COMPLETE, undisturbed.cause
    context = resumable(data, tmp_path)
    n_epochs = len(undisturbed.curve) - 1
    heard = stop_after_each(context, [assignment], n_epochs)
    (resumed,) = fit(context, [assignment])
    assert bits(resumed) == bits(undisturbed)
    check_goes_on(heard, [resumed], n_epochs)


@pytest.mark.parametrize("what", ANEW)
def test_a_module_that_depends_on_more_than_its_checkpoint_holds_is_trained_anew(
    digits: PreparedData, tmp_path: Path, what: str
) -> None:
    assignment = ANEW[what]
    data = _data(assignment, digits)
    (undisturbed,) = fit(data, [assignment])
    context = resumable(data, tmp_path)
    heard = stop_after(context, [assignment], 2)
    (again,) = fit(context, [assignment])
    assert bits(again) == bits(undisturbed)
    assert again.curve[0].epoch_seconds != heard[0, 1].epoch_seconds
