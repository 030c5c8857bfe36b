"""Pieces that several networks are made of."""

from collections.abc import Iterator
from typing import Final

from torch import nn

from pipeline.config import TrialConfig
from pipeline.learning.layers import DropConnectLinear, Dropout, Dropping

ACTIVATIONS: Final[dict[str, type[nn.Module]]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "leaky-relu": nn.LeakyReLU,
}
"""What a study file may call ``activation``."""


def activation(config: TrialConfig) -> nn.Module:
    """Make a trial's activation function."""
    return ACTIVATIONS[config.activation]()


def hidden(
    config: TrialConfig, n_inputs: int, width: int, *, rate: float, seed: int, layer: int
) -> Iterator[nn.Module]:
    """Make a hidden layer: linear, activation and what is dropped of it.

    Args:
        config: Says whether units or connections are dropped, and the activation.
        n_inputs: Units of the layer below.
        width: Units of this one.
        rate: The probability to drop.
        seed: The dropout seed.
        layer: Its number among all that drop.
    """
    if config.regularizer == "dropconnect":
        yield DropConnectLinear(n_inputs, width, Dropping(rate, seed=seed, layer=layer))
        yield activation(config)
    else:
        yield nn.Linear(n_inputs, width)
        yield activation(config)
        yield Dropout(rate, seed=seed, layer=layer)
