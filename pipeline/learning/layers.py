"""Layers that the networks here are made of."""

import torch
from torch import Tensor, nn

from pipeline.learning.masks import counters, keep_mask, random_levels, step_key


class Dropout(nn.Module):
    r"""Inverted dropout (Srivastava et al. 2014) whose mask is a function, not a draw.

    In training, :math:`y = x \odot m / (1 - p)` with :math:`m_i \sim \mathrm{Bernoulli}(1 - p)`
    hashed from (seed, layer, step, :math:`i`); in evaluation, and at :math:`p = 0`, :math:`y = x`.

    >>> layer = Dropout(0.5, seed=1, layer=1)
    >>> layer.step = 3
    >>> x = torch.ones(4, 8)
    >>> torch.equal(layer(x), layer(x))
    True

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

    def forward(self, x: Tensor) -> Tensor:
        """Drop values of ``x`` in training.

        Args:
            x: float of shape [batch, units].

        Returns:
            Of the same shape.
        """
        if not self.training or self.rate == 0:
            return x
        levels = random_levels(self._counters_for(x), step_key(self.seed, self.step))
        return x * keep_mask(levels[: x.numel()].view(x.shape), self.rate)

    def _counters_for(self, x: Tensor) -> Tensor:
        """Counters are made once: a shorter last batch uses the first of them."""
        n_pairs = (x.numel() + 1) // 2
        if self._counters.numel() < n_pairs or self._counters.device != x.device:
            self._counters = counters(self.layer, x.numel(), x.device)
        return self._counters[:n_pairs]

    def extra_repr(self) -> str:
        """Show the rate where the network is printed."""
        return f"rate={self.rate}, layer={self.layer}"
