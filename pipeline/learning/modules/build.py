"""From a trial to its network, and whether a model fits a data set."""

import math

from pipeline.config import StudyConfig, TrialConfig, values_of
from pipeline.errors import BadInputError
from pipeline.learning.modules.autoencoder import Autoencoder
from pipeline.learning.modules.cnn import CNN
from pipeline.learning.modules.mlp import MLP
from pipeline.learning.modules.network import Network, Seeds

__all__ = ["CNN", "MLP", "Autoencoder", "Network", "Seeds", "build_network"]


def build_network(
    config: TrialConfig,
    *,
    image_shape: tuple[int, ...],
    n_classes: int,
    seeds: Seeds | None = None,
) -> Network:
    """Build the network that a trial names, on the CPU.

    Args:
        config: The trial.
        image_shape: Of one row: (H, W), (C, H, W) or (n,).
        n_classes: Classes to tell apart.
        seeds: Of the initial weights and of dropout; by default the trial's own.
    """
    n_inputs = math.prod(image_shape)
    if config.model.name == "cnn":
        return CNN(config, image_shape=image_shape, n_classes=n_classes, seeds=seeds)
    if config.model.name == "autoencoder":
        return Autoencoder(config, n_inputs=n_inputs, seeds=seeds)
    return MLP(config, n_inputs=n_inputs, n_classes=n_classes, seeds=seeds)


def check_suits(study: StudyConfig, image_shape: tuple[int, ...], *, where: str) -> None:
    """Refuse a convolutional network for rows that are no images, or too small ones.

    Args:
        study: Its model and its space.
        image_shape: Of one row: (H, W), (C, H, W) or (n,).
        where: What an error names: the study file.

    Raises:
        BadInputError: No trial, or not every one, could be built.
    """
    if study.model.name != "cnn":
        return
    if len(image_shape) == 1:
        raise BadInputError(
            where=where,
            key="model.name",
            got=f"cnn for rows of {image_shape[0]} values",
            expected="mlp or autoencoder, since these are no images",
        )
    side = min(image_shape[-2:])
    largest = side.bit_length() - 1
    blocks = max(values_of(study.space.domains["blocks"], corners=True))
    if blocks > largest:
        raise BadInputError(
            where=where,
            key="space.blocks",
            got=str(blocks),
            expected=f"at most {largest}, since each block halves images of "
            f"{image_shape[-2]} x {image_shape[-1]}",
        )
