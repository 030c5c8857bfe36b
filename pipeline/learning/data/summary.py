"""Sum a data set up as a study splits it: rows of each class, and inputs that cannot be learned."""

from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.config import DataConfig
from pipeline.learning.data.cache import PreparedData, open_train
from pipeline.learning.data.reading import Labels
from pipeline.learning.data.split import Split, splits
from pipeline.trial import DataSummary

MOST_ROWS: Final = 10_000
"""So many rows are looked at for values and copies: enough to see what is common."""


def summarise(data: PreparedData, config: DataConfig, *, seed: int) -> DataSummary:
    """Sum up the training and validation rows of a data set.

    Args:
        data: Decoded.
        config: How it is split.
        seed: Of the split.
    """
    images, labels = open_train(data)
    split = splits(labels, config, n_own_test=data.n_test, seed=seed)[0]
    rows = images.reshape(len(images), -1)
    seen = np.asarray(rows[split.train[:MOST_ROWS]])
    return DataSummary(
        n_train=split.train.size,
        n_validation=split.validation.size,
        classes=_classes(labels, split, data.n_classes),
        is_constant=bool((seen == seen[:1]).all()),
        largest_input=float(np.abs(seen.astype(np.float64)).max() / data.scale),
        n_repeated=_count_repeated(rows, split),
    )


def _classes(labels: Labels, split: Split, n_classes: int | None) -> tuple[tuple[int, int], ...]:
    if n_classes is None:
        return ()
    parts = (split.train, split.validation)
    train, validation = (np.bincount(labels[part], minlength=n_classes) for part in parts)
    return tuple(zip(train.tolist(), validation.tolist(), strict=True))


def _count_repeated(rows: npt.NDArray[np.generic], split: Split) -> int:
    """Count validation rows that are training rows, too; of large sets in proportion."""
    if rows.shape[0] > MOST_ROWS:
        return 0
    trained = {rows[number].tobytes() for number in split.train}
    return sum(rows[number].tobytes() in trained for number in split.validation)
