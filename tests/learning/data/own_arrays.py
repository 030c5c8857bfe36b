"""Small arrays such as a user would keep in an npz file."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config import DataConfig
from pipeline.learning.data import PreparedData, locate, prepare

Array = npt.NDArray[Any]

GENERATOR = np.random.default_rng(0)
GREY = GENERATOR.integers(0, 256, (12, 4, 5), dtype=np.uint8)
COLOUR = GENERATOR.integers(0, 256, (12, 4, 5, 3), dtype=np.uint8)
ROWS = GENERATOR.normal(size=(12, 7))
LABELS = np.arange(12) % 3
TARGETS = ROWS[:, 0] * 50 + 150
TEST: dict[str, Array] = {"x_test": GREY[:4], "y_test": LABELS[:4]}


def saved(folder: Path, **arrays: Array) -> Path:
    """An npz file as a user would write it."""
    path = folder / "own.npz"
    np.savez_compressed(path, allow_pickle=True, **arrays)
    return path


def prepared_npz(path: Path, cache: Path, **data: Any) -> PreparedData:
    """The set as a study would have it."""
    config = DataConfig(name="npz", path=str(path), **data)
    return prepare(locate(config, None, cache=cache), cache=cache)
