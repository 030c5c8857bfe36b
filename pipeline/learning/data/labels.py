"""Labels of a user's own data: whole numbers from 0, and no class without a row."""

import numpy as np
import numpy.typing as npt

from pipeline.errors import BadInputError
from pipeline.learning.data.arrays import Labels

NAMED_CLASSES = 5
"""How many missing classes an error names."""


def training_labels(labels: npt.NDArray[np.generic], *, where: str, key: str) -> Labels:
    """Check the training part's labels; the largest says how many classes there are.

    Args:
        labels: [N] of any whole numbers.
        where: What an error names: the file.
        key: The array in it.

    Returns:
        int64 [N].

    Raises:
        BadInputError: A label is below 0, or a class up to the largest has no row.
    """
    least, largest = int(labels.min()), int(labels.max())
    expected = "whole numbers from 0, each class up to the largest at least once"
    if least < 0 or largest >= labels.size:
        got = f"labels {least}..{largest} of {labels.size:,} rows"
        raise BadInputError(where=where, key=key, got=got, expected=expected)
    classes = labels.astype(np.int64)
    lacking = np.flatnonzero(np.bincount(classes) == 0)
    if lacking.size:
        more = ", …" if lacking.size > NAMED_CLASSES else ""
        named = ", ".join(map(str, lacking[:NAMED_CLASSES])) + more
        got = f"labels {least}..{largest} and no row of class {named}"
        raise BadInputError(where=where, key=key, got=got, expected=expected)
    return classes


def own_test_labels(
    labels: npt.NDArray[np.generic], *, n_classes: int, where: str, key: str
) -> Labels:
    """Check a test part's labels: no class that no row trains.

    Args:
        labels: [N] of any whole numbers.
        n_classes: Of the training part.
        where: What an error names: the file.
        key: The array in it.

    Returns:
        int64 [N].

    Raises:
        BadInputError: A label is not in 0..n_classes - 1.
    """
    least, largest = int(labels.min()), int(labels.max())
    if least < 0 or largest >= n_classes:
        expected = f"labels 0..{n_classes - 1}, as the training rows have them"
        got = f"labels {least}..{largest}"
        raise BadInputError(where=where, key=key, got=got, expected=expected)
    return labels.astype(np.int64)
