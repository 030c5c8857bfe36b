"""Loss and accuracy of networks trained side by side, kept on the device and read once an epoch."""

import torch
from torch import Tensor

Scores = tuple[float, float]
"""Mean cross-entropy in nats, and the share of rows that were classified rightly."""


def scores_of(picked: Tensor, right: Tensor) -> list[Scores]:
    """Average over rows; each member's sum is taken by itself, so that companions change no bit.

    Args:
        picked: The labels' log-probabilities, float32 of shape [K, rows].
        right: Whether the label had the highest score, bool of shape [K, rows].
    """
    n_rows = picked.shape[1]
    losses = torch.stack([row.sum(dtype=torch.float64) for row in picked.contiguous()])
    return [
        (-loss / n_rows, n_right / n_rows)
        for loss, n_right in zip(losses.tolist(), right.sum(1).tolist(), strict=True)
    ]


class RowScores:
    """What each row of an epoch scored, batch by batch."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._picked: list[Tensor] = []
        self._right: list[Tensor] = []

    def add(self, picked: Tensor, right: Tensor) -> None:
        """Take a batch: see ``scores_of``."""
        self._picked.append(picked)
        self._right.append(right)

    def take(self) -> list[Scores]:
        """Each member's scores over all that was added; then start with nothing again."""
        scores = scores_of(torch.cat(self._picked, 1), torch.cat(self._right, 1))
        self._picked.clear()
        self._right.clear()
        return scores
