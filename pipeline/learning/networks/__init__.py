"""The built-in networks."""

import math

from pipeline.config import TrialConfig
from pipeline.learning.networks.autoencoder import Autoencoder
from pipeline.learning.networks.cnn import CNN
from pipeline.learning.networks.mlp import MLP
from pipeline.learning.networks.network import Network, Seeds

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
