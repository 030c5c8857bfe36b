"""Training and validation rows held as tensors, shared by every worker of a machine."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from pipeline.learning.masks import row_order

STEPS_A_CALL = 32
"""Steps that Lightning is asked for at once: its own cost a step falls from 124 µs to 4."""

EVALUATION_ROWS = 500
"""Rows of one evaluation product; part of the arithmetic, so it is fixed."""


@dataclass(frozen=True)
class Rows:
    """A part of a data set: which rows of the resident images belong to it.

    Attributes:
        images: Shape [n_all, n_inputs], as stored (mostly uint8).
        labels: int64 of shape [n_all].
        numbers: int64 of shape [n]; the rows of this part.
        scale: What a stored value is divided by.
    """

    images: Tensor
    labels: Tensor
    numbers: Tensor
    scale: float

    def __len__(self) -> int:
        """Count the rows of this part."""
        return self.numbers.numel()

    def take(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Gather rows by their number in the whole set.

        Args:
            numbers: int64 of shape [batch].

        Returns:
            float32 images of shape [batch, n_inputs] in [0, 1], and int64 labels of shape [batch].
        """
        images = self.images.index_select(0, numbers).to(torch.float32).div_(self.scale)
        return images, self.labels.index_select(0, numbers)

    def to(self, device: torch.device) -> "Rows":
        """Hold the rows on another device; the parts of a set share one copy there."""
        images, labels = _copy(self.images, device), _copy(self.labels, device)
        return Rows(images, labels, self.numbers.to(device), self.scale)


@lru_cache(maxsize=2)
def _copy(whole_set: Tensor, device: torch.device) -> Tensor:
    """Copy a whole set's tensor once for all trials of a worker; ``Tensor`` hashes by identity."""
    return whole_set.to(device)


class EpochSteps:
    """What the Trainer iterates: an epoch's batches, several steps at a time.

    Args:
        rows: The training rows.
        batch_size: Rows a step; the last step of an epoch takes what is left.
        seed: The study's seed for the order.
        epochs_done: How many were gone through before, by another.
    """

    def __init__(self, rows: Rows, *, batch_size: int, seed: int, epochs_done: int = 0) -> None:
        """Start before the first epoch, or after those that are done."""
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = epochs_done

    @property
    def n_steps(self) -> int:
        """How many steps an epoch has."""
        return math.ceil(len(self.rows) / self.batch_size)

    def __len__(self) -> int:
        """Count the calls of an epoch."""
        return math.ceil(self.n_steps / STEPS_A_CALL)

    def __iter__(self) -> Iterator[Sequence[Tensor]]:
        """Go through the next epoch: each item is a list of row numbers, one entry a step."""
        self.epoch += 1
        order = row_order(self.seed, self.epoch, len(self.rows)).to(self.rows.numbers.device)
        batches = torch.split(self.rows.numbers[order], self.batch_size)
        for start in range(0, len(batches), STEPS_A_CALL):
            yield batches[start : start + STEPS_A_CALL]
