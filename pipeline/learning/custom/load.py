"""A user's module with the weights that a trial left."""

import math
from collections.abc import Callable
from typing import Any

from safetensors.torch import load

from pipeline.learning.custom.loaders import DataArguments, batch_shape
from pipeline.learning.custom.trainer import build_model
from pipeline.learning.lightning import LightningModule
from pipeline.trial import TrialRecord


def load_module(record: TrialRecord, weights: bytes) -> LightningModule:
    """Build a recorded trial's module, with its weights and in evaluation mode, on the CPU.

    Args:
        record: Says what the module's constructor was given; its classes can be imported.
        weights: The safetensors file.

    Raises:
        ValueError: The constructor asks for what the record does not hold, or the weights are of
            another module.
    """
    module = build_model(record.trial, recorded_arguments(record))
    try:
        module.load_state_dict(load(weights))
    except RuntimeError as error:
        message = f"the weights are not of {record.trial.model.class_path} as it is now: {error}"
        raise ValueError(" ".join(message.split())) from error
    return module.eval()


def recorded_arguments(record: TrialRecord) -> DataArguments:
    """What the data gave the constructor, as the record tells it."""
    facts = record.facts
    shape = facts.input_shape if facts else None
    if shape is not None and record.trial.data.class_path is None:
        shape = batch_shape(shape)
    known: dict[str, Any] = {
        "n_classes": facts.n_classes if facts else None,
        "n_inputs": shape and math.prod(shape),
        "image_shape": shape,
    }
    return {name: _told(name, value) for name, value in known.items()}


def _told(name: str, value: Any) -> Callable[[], Any]:
    def tell() -> Any:
        if value is None:
            message = f"the module asks for {name}, which the trial's record does not hold"
            raise ValueError(message)
        return value

    return tell
