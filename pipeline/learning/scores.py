"""Loss and accuracy of networks trained side by side, kept on the device and read once an epoch."""

import math

import torch
from torch import Tensor

Scores = tuple[float, float]
"""Mean loss, and the share of rows that were classified rightly; NaN where nothing is."""

UNMEASURED: Scores = (math.nan, math.nan)


def scores_of(losses: Tensor, right: Tensor | None) -> list[Scores]:
    """Average over rows; each member's sum is taken by itself, so that companions change no bit.

    Args:
        losses: Each row's, float32 of shape [K, rows].
        right: Whether the label had the highest score, bool of shape [K, rows]; ``None`` where
            nothing is classified.
    """
    n_rows = losses.shape[1]
    sums = torch.stack([row.sum(dtype=torch.float64) for row in losses.contiguous()]).tolist()
    n_right = [math.nan] * len(sums) if right is None else right.sum(1).tolist()
    return [(loss / n_rows, count / n_rows) for loss, count in zip(sums, n_right, strict=True)]


class RowScores:
    """What each row of an epoch scored, batch by batch."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._losses: list[Tensor] = []
        self._right: list[Tensor] = []

    def add(self, losses: Tensor, right: Tensor | None) -> None:
        """Take a batch: see ``scores_of``."""
        self._losses.append(losses)
        if right is not None:
            self._right.append(right)

    def take(self) -> list[Scores]:
        """Each member's scores over all that was added; then start with nothing again."""
        right = torch.cat(self._right, 1) if self._right else None
        scores = scores_of(torch.cat(self._losses, 1), right)
        self._losses.clear()
        self._right.clear()
        return scores
