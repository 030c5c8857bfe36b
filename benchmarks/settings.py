"""The settings that every peer trains: two lists, each drawn once from a fixed seed."""

import math
from dataclasses import dataclass
from random import Random
from typing import Any, Final

WIDTHS: Final = (128, 256)
DEPTHS: Final = (1, 2, 3)
BATCH_SIZES: Final = (64, 128)
DROPOUT: Final = (0.0, 0.6)
LEARNING_RATE: Final = (1e-4, 1e-2)
WEIGHT_DECAY: Final = 0.01
"""AdamW's default in torch; told to every peer, since Keras has another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A multi-layer perceptron and how it is trained, always by AdamW.

    Attributes:
        dropouts: The probability to drop a unit of each hidden layer, first layer first.
    """

    depth: int
    width: int
    dropouts: tuple[float, ...]
    learning_rate: float
    batch_size: int = 128
    input_dropout: float = 0.0
    weight_decay: float = WEIGHT_DECAY

    @property
    def params(self) -> dict[str, Any]:
        """The parameters by their names in a study file."""
        rates = {f"dropout_{layer}": rate for layer, rate in enumerate(self.dropouts, start=1)}
        return {
            "depth": self.depth,
            "width": self.width,
            "input_dropout": self.input_dropout,
            **rates,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
        }


def mixed() -> list[Setting]:
    """Twelve settings of which few share a shape: depth and width in turn."""
    random = Random(12)  # noqa: S311 - no secret
    return [
        _drawn(random, depth=DEPTHS[i % len(DEPTHS)], width=WIDTHS[i % len(WIDTHS)])
        for i in range(12)
    ]


def one_shape() -> list[Setting]:
    """Sixteen settings of two hidden layers, 128 wide."""
    random = Random(16)  # noqa: S311 - no secret
    return [_drawn(random, depth=2, width=128) for _ in range(16)]


LISTS: Final = {"mixed": mixed, "one-shape": one_shape}


def _drawn(random: Random, *, depth: int, width: int) -> Setting:
    """Draw rates below 0.6, and a learning rate in the middle of its range."""
    rates = tuple(round(random.uniform(*DROPOUT), 3) for _ in range(depth))
    exponent = random.uniform(math.log10(3e-4), math.log10(3e-3))
    return Setting(
        depth=depth, width=width, dropouts=rates, learning_rate=float(f"{10**exponent:.3g}")
    )
