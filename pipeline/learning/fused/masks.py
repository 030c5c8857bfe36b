"""The dropout masks of a stack, drawn for all its layers and members at once."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from pipeline.learning.layers import Dropout
from pipeline.learning.masks import LEVELS, counters, dropped_levels, hash_into, step_key

WORDS_A_DRAW = 1 << 17
"""Words hashed in one call: many enough to make its cost small, few enough for a core's cache."""


class StackedDropout:
    """The members' dropout layers at one place of the network.

    Args:
        layers: One a member; rates differ, the place is the same.
        n_units: Units of the layer.
        device: Where the masks are needed.

    Attributes:
        scale: 1 / (1 - rate) of each member, [K, 1, 1]; ``None`` where none drops anything.
    """

    def __init__(self, layers: Sequence[Dropout], n_units: int, device: torch.device) -> None:
        """Turn the rates into thresholds."""
        self.number = layers[0].layer
        self.n_units = n_units
        self._mask = torch.empty(0)
        dropped = [dropped_levels(layer.rate) for layer in layers]
        self._threshold = torch.tensor(
            [level - LEVELS // 2 for level in dropped], dtype=torch.int16, device=device
        ).view(-1, 1, 1)
        self.scale = (
            torch.tensor([LEVELS / (LEVELS - level) for level in dropped], device=device).view(
                -1, 1, 1
            )
            if any(dropped)
            else None
        )

    def mask(self, levels: Tensor, n_rows: int) -> Tensor | None:
        """Turn levels into what activations are multiplied by.

        Args:
            levels: int16 of shape [K, at least n_rows * n_units].
            n_rows: Rows of the batch.

        Returns:
            float32 of shape [K, n_rows, n_units]; ``None`` where nothing is dropped.
        """
        if self.scale is None:
            return None
        levels = levels[:, : n_rows * self.n_units].view(-1, n_rows, self.n_units)
        mask = self._buffer(levels)
        torch.ge(levels, self._threshold, out=mask)
        return mask.mul_(self.scale)

    def _buffer(self, levels: Tensor) -> Tensor:
        """Memory for a mask, kept from step to step; a shorter batch uses a part of it."""
        if levels.numel() > self._mask.numel():
            self._mask = torch.empty(levels.shape, device=levels.device)
        return self._mask.view(-1)[: levels.numel()].view(levels.shape)


class StepLevels:
    """Random levels of every place and member, a function of seed, place and step.

    Several steps are drawn at once where members are few or layers small.

    Args:
        seeds: The members' dropout seeds.
        places: Where levels are needed.
        n_rows: Rows of a full batch; a shorter one uses the first of them.
        device: Where they are needed.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        places: Iterable[StackedDropout],
        *,
        n_rows: int,
        device: torch.device,
    ) -> None:
        """Number the mask entries; nothing is drawn yet."""
        self._seeds = tuple(seeds)
        self._n_words: dict[int, int] = {}
        numbered = []
        for place in places:
            if place.scale is not None:
                numbered.append(counters(place.number, n_rows * place.n_units, device))
                self._n_words[place.number] = numbered[-1].numel()
        self._counters = torch.cat(numbered) if numbered else torch.empty(0, dtype=torch.int32)
        words = max(len(self._seeds) * self._counters.numel(), 1)
        self._n_steps = max(WORDS_A_DRAW // words, 1)
        self._first_step = -self._n_steps
        self._drawn: dict[int, Tensor] = {}
        # Kept from draw to draw: fresh memory costs as much as the hash.
        shape = (self._n_steps * len(self._seeds), self._counters.numel())
        self._words = torch.empty(shape, dtype=torch.int32, device=device)
        self._shifted = torch.empty_like(self._words)

    def at(self, step: int) -> dict[int, Tensor]:
        """The levels of a step by place: int16 of shape [K, entries]; places without are absent."""
        if not self._n_words:
            return {}
        if not 0 <= step - self._first_step < self._n_steps:
            self._draw(step)
        return {number: levels[step - self._first_step] for number, levels in self._drawn.items()}

    def _draw(self, first_step: int) -> None:
        steps = range(first_step, first_step + self._n_steps)
        keys = [step_key(seed, step) for step in steps for seed in self._seeds]
        columns = torch.tensor(keys, dtype=torch.int32, device=self._counters.device)
        key = (columns[:, :1], columns[:, 1:])
        drawn = hash_into(self._words, self._shifted, self._counters, key)
        drawn = drawn.view(self._n_steps, len(self._seeds), -1)
        parts = torch.split(drawn, [2 * n for n in self._n_words.values()], dim=2)
        self._first_step, self._drawn = first_step, dict(zip(self._n_words, parts, strict=True))
