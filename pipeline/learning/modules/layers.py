"""Layers that drop: units, channels or connections, each by a mask that is a function."""

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.config import TrialConfig
from pipeline.learning.modules.masks import counters, keep_mask, random_levels, step_key


class Dropping(nn.Module):
    r"""What drops: masks :math:`m_i / (1 - p)`, :math:`m_i \sim \mathrm{Bernoulli}(1 - p)`.

    Each :math:`m_i` is hashed from (seed, layer, step, :math:`i`): no generator's state is read.

    Attributes:
        step: The training step, from 0; whoever trains the network sets it before each step.
    """

    def __init__(self, rate: float, *, seed: int, layer: int) -> None:
        """Make the layer.

        Args:
            rate: The probability to drop, in [0, 1).
            seed: The trial's dropout seed.
            layer: 0 for the input, 1 for the first hidden layer and so on.
        """
        super().__init__()
        self.rate = rate
        self.seed = seed
        self.layer = layer
        self.step = 0
        self._counters = torch.empty(0, dtype=torch.int32)

    @property
    def is_dropping(self) -> bool:
        """Whether anything is dropped now: in training, at a rate above 0."""
        return self.training and self.rate > 0

    def mask(self, shape: torch.Size, device: torch.device) -> Tensor:
        """What values of this shape are multiplied by at this step: 0 or 1 / (1 - rate)."""
        n_entries = shape.numel()
        levels = random_levels(self._count(n_entries, device), step_key(self.seed, self.step))
        return keep_mask(levels[:n_entries].view(shape), self.rate)

    def _count(self, n_entries: int, device: torch.device) -> Tensor:
        """Counters are made once: a shorter last batch uses the first of them."""
        n_pairs = (n_entries + 1) // 2
        if self._counters.numel() < n_pairs or self._counters.device != device:
            self._counters = counters(self.layer, n_entries, device)
        return self._counters[:n_pairs]

    def extra_repr(self) -> str:
        """Show the rate where the network is printed."""
        return f"rate={self.rate}, layer={self.layer}"


class Dropout(Dropping):
    r"""Inverted dropout (Srivastava et al. 2014): :math:`y = x \odot m / (1 - p)` in training.

    In evaluation, and at :math:`p = 0`, :math:`y = x`.

    >>> layer = Dropout(0.5, seed=1, layer=1)
    >>> layer.step = 3
    >>> x = torch.ones(4, 8)
    >>> torch.equal(layer(x), layer(x))
    True
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop values of ``x`` in training.

        Args:
            x: float of any shape, rows first.

        Returns:
            Of the same shape.
        """
        return x * self.mask(x.shape, x.device) if self.is_dropping else x


class ChannelDropout(Dropping):
    """Inverted dropout of whole channels (Tompson et al. 2015, "spatial dropout").

    Neighbouring pixels of a convolution's output say much the same, so that dropping one of them
    hides little.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop channels of ``x`` in training.

        Args:
            x: float of shape [batch, channels, height, width].

        Returns:
            Of the same shape.
        """
        if not self.is_dropping:
            return x
        return x * self.mask(torch.Size((*x.shape[:2], 1, 1)), x.device)


class DropConnectLinear(nn.Linear):
    r"""DropConnect (Wan et al. 2013): :math:`y = x (W \odot M / (1 - p))^T + b` in training.

    One :math:`M` serves all rows of a batch (the paper draws one a row, at the price of a weight
    matrix a row); in evaluation all connections are kept.
    """

    def __init__(self, n_inputs: int, n_outputs: int, dropping: Dropping) -> None:
        """Make the layer; ``dropping`` says how many connections are lost."""
        super().__init__(n_inputs, n_outputs)
        self.dropping = dropping

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, n_inputs] to [batch, n_outputs]."""
        return functional.linear(x, _connected(self.weight, self.dropping), self.bias)


class DropConnectConv2d(nn.Conv2d):
    """A 3 x 3 convolution of equal size whose filters lose connections, as above."""

    def __init__(self, n_inputs: int, n_outputs: int, dropping: Dropping) -> None:
        """Make the layer; ``dropping`` says how many connections are lost."""
        super().__init__(n_inputs, n_outputs, kernel_size=3, padding="same")
        self.dropping = dropping

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, n_inputs, H, W] to [batch, n_outputs, H, W]."""
        weight = _connected(self.weight, self.dropping)
        return functional.conv2d(x, weight, self.bias, padding="same")


def _connected(weight: Tensor, dropping: Dropping) -> Tensor:
    if not dropping.is_dropping:
        return weight
    return weight * dropping.mask(weight.shape, weight.device)


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
