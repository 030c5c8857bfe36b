"""A user's module with the weights that a trial left."""

import math
from collections.abc import Callable
from typing import Any

from safetensors.torch import load
from torch import Tensor

from pipeline.config import TrialConfig
from pipeline.learning.custom.loaders import DataArguments, batch_shape
from pipeline.learning.custom.training import build_model
from pipeline.learning.lightning import LightningModule
from pipeline.learning.modules.network import tensors_of_fold, weights_by_fold
from pipeline.trial import TrialRecord


def load_module(record: TrialRecord, weights: bytes, *, fold: int | None = None) -> LightningModule:
    """Build a recorded trial's module, with its weights and in evaluation mode, on the CPU.

    Args:
        record: Says what the module's constructor was given; its classes can be imported.
        weights: The safetensors file.
        fold: Which network of a study with folds, counted from 1.

    Raises:
        ValueError: The constructor asks for what the record does not hold, the weights are of
            another module, or ``fold`` is none of the trial's.
    """
    module = build_model(record.trial, recorded_arguments(record))
    tensors = tensors_of_fold(networks_of(record.trial, weights), fold)
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        message = f"the weights are not of {record.trial.model.class_path} as it is now: {error}"
        raise ValueError(" ".join(message.split())) from error
    return module.eval()


def networks_of(config: TrialConfig, weights: bytes) -> dict[int, dict[str, Tensor]]:
    """The tensors of each network in a weights file, by its fold; of a trial without folds, by 0.

    A refit of a trial with folds has one network.

    Args:
        config: The trial; a module may call a layer ``fold_1`` itself.
        weights: The safetensors file.
    """
    tensors = load(weights)
    if config.data.folds is None:
        return {0: tensors}
    return weights_by_fold(tensors)


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
