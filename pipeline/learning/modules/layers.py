"""Layers that drop units, channels or connections, and hidden layers made of them.

Each mask is a function of (seed, layer, step): see ``masks``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.learning.modules.masks import counters, keep_mask, random_levels, step_key


class Dropping(nn.Module):
    r"""Draws masks :math:`m_i / (1 - p)`, :math:`m_i \sim \mathrm{Bernoulli}(1 - p)`.

    Each :math:`m_i` is hashed from (seed, layer, step, :math:`i`): no generator's state is read.

    Attributes:
        step: The training step, from 0; set it before each step (``Network.set_step``).
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
        """Draw the mask of this step: 0 or 1 / (1 - rate), float32 of the given shape."""
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
    r"""Inverted dropout: :math:`y = x \odot m / (1 - p)` in training, :math:`y = x` in evaluation.

    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
    JMLR 15, 2014: https://jmlr.org/papers/v15/srivastava14a.html

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
    """Inverted dropout of whole channels ("spatial dropout").

    Neighbouring pixels of a convolution's output are strongly correlated, so that dropping single
    ones hides little: Tompson et al., "Efficient Object Localization Using Convolutional
    Networks", CVPR 2015: https://arxiv.org/abs/1411.4280
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
    r"""DropConnect: :math:`y = x (W \odot M / (1 - p))^T + b` in training.

    One :math:`M` is shared by all rows of a batch (the paper draws one for each row, which takes a
    weight matrix for each row); in evaluation no connection is dropped. Wan et al.,
    "Regularization of Neural Networks using DropConnect", ICML 2013:
    https://proceedings.mlr.press/v28/wan13.html
    """

    def __init__(self, n_inputs: int, n_outputs: int, dropping: Dropping) -> None:
        """Make the layer; ``dropping`` draws the mask of the connections."""
        super().__init__(n_inputs, n_outputs)
        self.dropping = dropping

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, n_inputs] to [batch, n_outputs]."""
        return functional.linear(x, _connected(self.weight, self.dropping), self.bias)


class DropConnectConv2d(nn.Conv2d):
    """DropConnect on the filters of a 3 x 3 convolution that keeps the image size."""

    def __init__(self, n_inputs: int, n_outputs: int, dropping: Dropping) -> None:
        """Make the layer; ``dropping`` draws the mask of the connections."""
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
"""What ``activation`` may be."""


REGULARIZERS: Final = ("dropout", "dropconnect")
"""What a dense layer may drop: units or connections."""


class SingleOutput(nn.Linear):
    """A linear layer of one unit, computed beside a second one of zeros.

    For a matrix of one row BLAS takes another kernel alone than in a batch of matrices, whose sums
    are rounded differently; of two rows it does not.

    Args:
        n_inputs: Units below.
    """

    def __init__(self, n_inputs: int) -> None:
        super().__init__(n_inputs, 1)

    def with_zeros(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of both units, [2, n_inputs] and [2]."""
        return functional.pad(self.weight, (0, 0, 0, 1)), functional.pad(self.bias, (0, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs of shape [batch, n_inputs] to outputs of shape [batch, 1]."""
        return functional.linear(x, *self.with_zeros())[..., :1]


@dataclass(frozen=True)
class DenseLayers:
    """Hidden layers in a row: linear, activation and what is dropped of it.

    Attributes:
        widths: Units of each layer; may be empty.
        dropouts: The probability to drop in each layer.
        input_dropout: The probability to drop an input value.
        activation: A key of ``ACTIVATIONS``.
        regularizer: One of ``REGULARIZERS``.
        seed: Of the dropout masks.
        is_regression: Whether the outputs are targets, of which there may be only one.

    Raises:
        ValueError: A value is not allowed, or a layer has no width or no rate.
    """

    widths: Sequence[int]
    dropouts: Sequence[float]
    input_dropout: float
    activation: str
    regularizer: str
    seed: int
    is_regression: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        check_each("widths", self.widths, "dropouts", self.dropouts)
        check_rates("input_dropout", [self.input_dropout])
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("regularizer", self.regularizer, REGULARIZERS)

    def make_activation(self) -> nn.Module:
        """Make an activation function."""
        return ACTIVATIONS[self.activation]()

    def of_inputs(self) -> Dropout:
        """Make the layer that drops input values; it is number 0 of those that drop."""
        return Dropout(self.input_dropout, seed=self.seed, layer=0)

    def hidden(self, n_inputs: int) -> Iterator[nn.Module]:
        """Make the hidden layers; ``n_inputs`` units lie below the first."""
        sizes = zip((n_inputs, *self.widths), self.widths, self.dropouts, strict=False)
        for layer, (n_below, width, rate) in enumerate(sizes, start=1):
            if self.regularizer == "dropconnect":
                yield DropConnectLinear(n_below, width, Dropping(rate, seed=self.seed, layer=layer))
                yield self.make_activation()
            else:
                yield nn.Linear(n_below, width)
                yield self.make_activation()
                yield Dropout(rate, seed=self.seed, layer=layer)

    def output(self, n_inputs: int, n_outputs: int) -> nn.Linear:
        """Make the linear layer behind them."""
        n_below = (n_inputs, *self.widths)[-1]
        is_single = self.is_regression and n_outputs == 1
        return SingleOutput(n_below) if is_single else nn.Linear(n_below, n_outputs)

    def perceptron(self, n_inputs: int, n_outputs: int) -> Iterator[nn.Module]:
        """Make all layers of a network that has no others."""
        yield self.of_inputs()
        yield from self.hidden(n_inputs)
        yield self.output(n_inputs, n_outputs)


def check_choice(name: str, value: str, allowed: Iterable[str]) -> None:
    """Refuse a value that is not among those allowed.

    Raises:
        ValueError: It is not.
    """
    if value not in (names := list(allowed)):
        message = f"{name} is {value!r}; it must be one of {', '.join(names)}"
        raise ValueError(message)


def check_each(
    sizes_name: str, sizes: Sequence[int], rates_name: str, rates: Sequence[float]
) -> None:
    """Check that there is one size and one rate for each layer.

    Raises:
        ValueError: There is not, or a value is not allowed.
    """
    if len(sizes) != len(rates):
        message = (
            f"{sizes_name} has {len(sizes)} entries and {rates_name} has {len(rates)}; "
            "each layer needs one of both"
        )
        raise ValueError(message)
    if any(size < 1 for size in sizes):
        message = f"{sizes_name} is {list(sizes)}; each entry must be at least 1"
        raise ValueError(message)
    check_rates(rates_name, rates)


def check_rates(name: str, rates: Sequence[float]) -> None:
    """Check rates of dropout.

    Raises:
        ValueError: One is outside [0, 1).
    """
    for rate in rates:
        if not 0 <= rate < 1:
            message = f"{name} has a rate of {rate}; a rate must be at least 0 and below 1"
            raise ValueError(message)
