"""Shape: what trials must have in common to be trained in one loop."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from pipeline.config.models import MODELS
from pipeline.config.sections import ModelConfig

SIDE: Final = 28
N_INPUTS: Final = SIDE**2
N_CLASSES: Final = 10
"""Rows are taken to be pictures of 28 x 28, of one channel and of ten classes."""
UPDATE_ROWS: Final = 21
"""An optimizer step takes for each weight as long as the products of so many rows.

Measured, AdamW on a processor.
"""


class Shape(NamedTuple):
    """What trials of one study must have in common to be trained in one loop.

    The sizes of all arrays and the arithmetic between them follow from it. Rates of dropout,
    learning rate, weight decay, the largest norm and seeds are not in it: each trial has its own.

    Attributes:
        parts: Each parameter that shapes the network with its value, or one value a layer.
    """

    model: ModelConfig
    parts: tuple[tuple[str, Any], ...]
    batch_size: int

    @property
    def is_fusable(self) -> bool:
        """Whether there are kernels that train several networks of it as one.

        Others gain nothing by sharing a worker, and one that is late would hold up the rest.
        """
        fuses = MODELS[self.model.name].fuses if self.model.name else None
        return fuses is not None and fuses.items() <= dict(self.parts).items()

    @property
    def work(self) -> float:
        """About how long a row takes, in units of a weight's products; it serves to put in order.

        Of a user's own module nothing is known: 1.
        """
        parts = dict(self.parts)
        if self.model.name is None:
            return 1.0
        if self.model.name == "cnn":
            n_products, n_weights, n_inputs = _convolutions(parts["filters"])
        else:
            n_products, n_weights, n_inputs = 0, 0, N_INPUTS
        n_dense = _dense(n_inputs, parts["width"], is_mirrored=self.model.name == "autoencoder")
        return n_products + n_dense + (n_weights + n_dense) * UPDATE_ROWS / self.batch_size


def _dense(n_inputs: int, widths: Sequence[int], *, is_mirrored: bool) -> int:
    """Count the weights of dense layers, of which each does one product a row."""
    behind = (*reversed(widths[:-1]), n_inputs) if is_mirrored else (N_CLASSES,)
    return sum(before * after for before, after in pairwise((n_inputs, *widths, *behind)))


def _convolutions(filters: Sequence[int]) -> tuple[int, int, int]:
    """Count the products a row, the weights and the outputs of blocks of two convolutions."""
    side, n_products, n_weights = SIDE, 0, 0
    for before, after in pairwise((1, *filters)):
        n_block = 9 * (before + after) * after
        n_products += n_block * side**2
        n_weights += n_block
        side = max(side // 2, 1)
    return n_products, n_weights, filters[-1] * side**2
