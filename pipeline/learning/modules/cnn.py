"""The convolutional network."""

import math
from collections.abc import Iterator

from torch import nn

from pipeline.config import TrialConfig
from pipeline.learning.modules.layers import (
    ChannelDropout,
    DropConnectConv2d,
    Dropout,
    Dropping,
    activation,
    hidden,
)
from pipeline.learning.modules.network import Network, Seeds
from pipeline.learning.modules.objectives import CrossEntropy

FIRST_OF_BLOCKS = 128
"""Masks of blocks are numbered from here; below stand the input and the dense layers."""


class CNN(Network):
    """Blocks of two 3 x 3 convolutions and a 2 x 2 max-pool, then an MLP's hidden layers.

    Args:
        config: The trial: blocks, filters, dropout rates, dense layers, optimizer and seeds.
        image_shape: (H, W) or (C, H, W).
        n_classes: Classes to tell apart.
        seeds: By default the trial's own.

    Raises:
        ValueError: The images are too small for so many blocks.
    """

    def __init__(
        self,
        config: TrialConfig,
        *,
        image_shape: tuple[int, ...],
        n_classes: int,
        seeds: Seeds | None = None,
    ) -> None:
        """Build the network, its weights drawn from the seed."""
        super().__init__(config, objective=CrossEntropy(), seeds=seeds)
        shape = (1, *image_shape)[-3:]
        self.build(_layers(config, shape, n_classes, self.seeds["dropout"]))


def _layers(
    config: TrialConfig, shape: tuple[int, ...], n_classes: int, seed: int
) -> Iterator[nn.Module]:
    yield Dropout(config.input_dropout, seed=seed, layer=0)
    yield nn.Unflatten(1, shape)
    n_channels, *size = shape
    rates = zip(config.filters, config.block_dropouts, strict=True)
    for block, (n_filters, rate) in enumerate(rates):
        yield from _block(config, n_channels, n_filters, rate=rate, seed=seed, block=block)
        n_channels, size = n_filters, [side // 2 for side in size]
    if 0 in size:
        message = f"{config.blocks} blocks halve images of {shape[1]} x {shape[2]} to nothing"
        raise ValueError(message)
    yield nn.Flatten()
    n_units = n_channels * math.prod(size)
    dense = enumerate(zip(config.widths, config.dropouts, strict=True), start=1)
    for layer, (width, dropout) in dense:
        yield from hidden(config, n_units, width, rate=dropout, seed=seed, layer=layer)
        n_units = width
    yield nn.Linear(n_units, n_classes)


def _block(
    config: TrialConfig, n_channels: int, n_filters: int, *, rate: float, seed: int, block: int
) -> Iterator[nn.Module]:
    number = FIRST_OF_BLOCKS + 2 * block
    for layer, n_inputs in enumerate((n_channels, n_filters), start=number):
        if config.regularizer == "dropconnect":
            dropping = Dropping(rate, seed=seed, layer=layer)
            yield DropConnectConv2d(n_inputs, n_filters, dropping)
        else:
            yield nn.Conv2d(n_inputs, n_filters, kernel_size=3, padding="same")
        yield activation(config)
    yield nn.MaxPool2d(2)
    if config.regularizer == "channel-dropout":
        yield ChannelDropout(rate, seed=seed, layer=number)
    elif config.regularizer == "dropout":
        yield Dropout(rate, seed=seed, layer=number)
