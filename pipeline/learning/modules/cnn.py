"""The convolutional network."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from torch import nn

from pipeline.config import TrialConfig
from pipeline.learning.modules.layers import (
    ChannelDropout,
    DenseLayers,
    DropConnectConv2d,
    Dropout,
    Dropping,
    check_choice,
    check_each,
)
from pipeline.learning.modules.network import Network, Optimization, shared_arguments
from pipeline.learning.modules.regression import CROSS_ENTROPY, make_criterion

REGULARIZERS: Final = ("dropout", "channel-dropout", "dropconnect")
"""What a block may drop: values, channels or connections."""
FIRST_OF_BLOCKS: Final = 128
"""Masks of blocks are numbered from here; below are those of the input and the dense layers."""


class CNN(Network):
    """Blocks of two 3 x 3 convolutions and a 2 x 2 max-pool, then an MLP's hidden layers.

    >>> network = CNN((1, 28, 28), 10, filters=[8, 16], block_dropouts=[0.1, 0.1])
    >>> network.network[-1]
    Linear(in_features=784, out_features=10, bias=True)

    Args:
        image_shape: (H, W) or (C, H, W).
        n_outputs: Classes to tell apart, or targets to predict.
        filters: Channels of each block.
        block_dropouts: The probability to drop after each block.
        widths: Units of each hidden layer behind the blocks; may be empty.
        dropouts: The probability to drop in each hidden layer behind the blocks.
        input_dropout: The probability to drop an input value.
        activation: What follows each hidden layer: ``relu``, ``tanh``, ``sigmoid``, ``gelu``,
            ``silu``, ``elu``, ``selu`` or ``leaky-relu``.
        regularizer: What is dropped: ``dropout`` (values), ``channel-dropout``
            (channels of a block) or ``dropconnect`` (connections).
        optimizer: ``adamw``, ``adam`` or ``sgd``.
        learning_rate: The optimizer's step size.
        weight_decay: The optimizer's weight decay.
        max_norm: The largest Euclidean norm of a hidden unit's incoming weights; ``None``: any.
        schedule: Of the learning rate: ``constant``, or ``cosine`` over so many ``epochs``.
        epochs: Needed by ``cosine`` alone.
        loss: ``cross-entropy`` of classes; ``mse``, ``mae`` or ``huber`` of targets.
        target_mean: Of each target, subtracted before the loss is computed; ``None``: 0.
        target_std: Of each target, by which it is divided then; ``None``: 1.
        label_smoothing: The share of a label that is spread over all classes in what is optimised.
        class_weights: The weight of each class's rows in what is optimised; ``None``: 1.
        seed: Of the initial weights.
        dropout_seed: Of the dropout masks; by default derived from ``seed``.

    Raises:
        ValueError: An argument is not allowed.
    """

    def __init__(  # noqa: PLR0913 - a table of plain arguments
        self,
        image_shape: tuple[int, ...],
        n_outputs: int,
        *,
        filters: Sequence[int],
        block_dropouts: Sequence[float],
        widths: Sequence[int] = (),
        dropouts: Sequence[float] = (),
        input_dropout: float = 0.0,
        activation: str = "relu",
        regularizer: str = "dropout",
        optimizer: str = "adamw",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        max_norm: float | None = None,
        schedule: str = "constant",
        epochs: int | None = None,
        loss: str = CROSS_ENTROPY,
        target_mean: Sequence[float] | None = None,
        target_std: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
        seed: int = 0,
        dropout_seed: int | None = None,
    ) -> None:
        super().__init__(
            Optimization(optimizer, learning_rate, weight_decay, max_norm, schedule, epochs),
            seed=seed,
            dropout_seed=dropout_seed,
        )
        self.save_hyperparameters()
        self.criterion = make_criterion(
            loss,
            n_outputs,
            mean=target_mean,
            std=target_std,
            label_smoothing=label_smoothing,
            class_weights=class_weights,
        )
        check_each("filters", filters, "block_dropouts", block_dropouts)
        check_choice("regularizer", regularizer, REGULARIZERS)
        dense_regularizer = "dropconnect" if regularizer == "dropconnect" else "dropout"
        dense = DenseLayers(
            widths,
            dropouts,
            input_dropout,
            activation,
            dense_regularizer,
            self.dropout_seed,
            is_regression=loss != CROSS_ENTROPY,
        )
        blocks = [
            _Block(dense, regularizer, n_filters, rate)
            for n_filters, rate in zip(filters, block_dropouts, strict=True)
        ]
        self.build(_layers(dense, blocks, (1, *image_shape)[-3:], n_outputs))

    @classmethod
    def arguments(
        cls, config: TrialConfig, image_shape: tuple[int, ...], n_outputs: int
    ) -> dict[str, Any]:
        """The constructor's arguments for a trial."""
        return {
            "image_shape": image_shape,
            "n_outputs": n_outputs,
            "filters": config.values_of("filters"),
            "block_dropouts": config.values_of("block_dropout"),
        } | shared_arguments(config)


def _layers(
    dense: DenseLayers, blocks: "Sequence[_Block]", shape: tuple[int, ...], n_outputs: int
) -> Iterator[nn.Module]:
    yield dense.of_inputs()
    yield nn.Unflatten(1, shape)
    n_channels, *size = shape
    for i, block in enumerate(blocks):
        yield from block.layers(n_channels, number=FIRST_OF_BLOCKS + 2 * i)
        n_channels, size = block.n_filters, [side // 2 for side in size]
    if 0 in size:
        message = f"{len(blocks)} blocks halve images of {shape[1]} x {shape[2]} to nothing"
        raise ValueError(message)
    yield nn.Flatten()
    n_units = n_channels * math.prod(size)
    yield from dense.hidden(n_units)
    yield dense.output(n_units, n_outputs)


@dataclass(frozen=True)
class _Block:
    dense: DenseLayers
    regularizer: str
    n_filters: int
    rate: float

    def layers(self, n_channels: int, *, number: int) -> Iterator[nn.Module]:
        """Make the block; its masks are ``number`` and the next."""
        for layer, n_inputs in enumerate((n_channels, self.n_filters), start=number):
            yield self._convolution(n_inputs, layer)
            yield self.dense.make_activation()
        yield nn.MaxPool2d(2)
        if self.regularizer == "channel-dropout":
            yield ChannelDropout(self.rate, seed=self.dense.seed, layer=number)
        elif self.regularizer == "dropout":
            yield Dropout(self.rate, seed=self.dense.seed, layer=number)

    def _convolution(self, n_inputs: int, layer: int) -> nn.Conv2d:
        if self.regularizer == "dropconnect":
            dropping = Dropping(self.rate, seed=self.dense.seed, layer=layer)
            return DropConnectConv2d(n_inputs, self.n_filters, dropping)
        return nn.Conv2d(n_inputs, self.n_filters, kernel_size=3, padding="same")
