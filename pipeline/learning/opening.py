"""From decoded data to the rows that a trial trains on."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from pipeline.config import DataConfig
from pipeline.learning.data import (
    PreparedData,
    all_but_test,
    open_train,
    splits,
    splits_sha256,
)
from pipeline.learning.learner import Parts
from pipeline.learning.rows import Rows


@lru_cache(maxsize=2)
def open_parts(
    data: PreparedData, config: DataConfig, seed: int, *, is_refit: bool
) -> tuple[tuple[Parts, ...], str]:
    """Map the data set and split it, once for all trials of a worker.

    Args:
        data: The decoded data set.
        config: What is kept for validation and the test, or how many folds there are.
        seed: Of the split.
        is_refit: Train on all rows but the test's, and validate nothing.

    Returns:
        The rows of the study, or of each of its folds, and the split's digest.
    """
    images, labels = open_train(data)
    rest = all_but_test(labels, config, n_own_test=data.n_test, seed=seed) if is_refit else None
    found = splits(labels, config, n_own_test=data.n_test, seed=seed)
    whole = Rows(
        torch.from_numpy(images).flatten(1),
        torch.from_numpy(labels),
        torch.empty(0, dtype=torch.int64),
        data.scale,
    )
    parts = [
        Parts(
            training=_part(whole, split.train if rest is None else rest),
            validation=_part(whole, split.validation) if rest is None else None,
            probe=_part(whole, split.train_probe),
            image_shape=data.image_shape,
            n_classes=data.n_classes,
        )
        for split in (found if rest is None else found[:1])
    ]
    return tuple(parts), splits_sha256(found)


def _part(whole: Rows, numbers: npt.NDArray[np.int64]) -> Rows:
    return replace(whole, numbers=torch.from_numpy(numbers))
