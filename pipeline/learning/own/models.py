"""Build the network of a trial that trains by itself in the Trainer."""

from typing import Any

from torch import nn

from pipeline.config import TrialConfig
from pipeline.learning.lightning import LightningModule
from pipeline.learning.modules.build import build_network
from pipeline.learning.own.arguments import build
from pipeline.learning.own.classes import Section, find_class
from pipeline.learning.own.feeds import Known
from pipeline.learning.own.randomness import seed_all


def build_model(config: TrialConfig, known: Known) -> LightningModule:
    """Build a user's module, or a built-in one for a user's data, on the CPU.

    Args:
        config: The trial.
        known: What the data knows.
    """
    seed_all(config.seeds["initialisation"])
    path = config.model.class_path
    if path is not None:
        module: LightningModule = build(
            find_class(path, "model", where="trial"), config.params, known
        )
        return module
    is_classifier = config.model.name != "autoencoder"
    return build_network(
        config,
        image_shape=known["image_shape"](),
        n_classes=known["n_classes"]() if is_classifier else 0,
    )


def own_classes(config: TrialConfig) -> tuple[Any, ...]:
    """The user's classes that a trial names, imported."""
    paths: dict[Section, str | None] = {
        "model": config.model.class_path,
        "data": config.data.class_path,
    }
    found = (find_class(path, name, where="trial") for name, path in paths.items() if path)
    return tuple(own.cls for own in found)


def count_parameters(module: LightningModule | None) -> int:
    """Count a module's weights; those that its first batch shapes count once they are there."""
    if module is None:
        return 0
    return sum(
        weight.numel()
        for weight in module.parameters()
        if not isinstance(weight, nn.parameter.UninitializedParameter)
    )
