"""What labels stand for: classes to tell apart, or targets, columns of numbers to predict."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import BadInputError

if TYPE_CHECKING:
    from pipeline.config.data_section import Task
    from pipeline.learning.data.reading import Arrays, Labels
    from pipeline.learning.data.stratified import Rows

SMALLEST_SPREAD: Final = 1e-30
"""A column whose values are not further apart is constant: float32 could not divide by it."""
NAMED_CLASSES: Final = 5
"""How many missing classes an error names."""


@dataclass(frozen=True, slots=True)
class Classes:
    """Labels that are classes, numbered from 0.

    Attributes:
        counts: Rows of each class among those that are trained on; empty where nobody counted.
    """

    n_classes: int
    counts: tuple[int, ...] = ()

    @property
    def balanced_weights(self) -> tuple[float, ...] | None:
        """A weight for each class in inverse proportion to its rows; over all rows the mean is 1.

        >>> Classes(2, (30, 10)).balanced_weights
        (0.6666666666666666, 2.0)
        """
        n_rows = sum(self.counts)
        weights = (n_rows / (self.n_classes * max(count, 1)) for count in self.counts)
        return tuple(weights) or None

    @property
    def n_outputs(self) -> int:
        """Outputs of a network: a logit for each class."""
        return self.n_classes


@dataclass(frozen=True, slots=True)
class Targets:
    """Labels that are numbers, and by what they are standardised.

    Attributes:
        mean: Of each column, over the rows that are trained on.
        std: As ``mean``; 1 where a column is constant there.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def n_outputs(self) -> int:
        """Outputs of a network: one for each column."""
        return len(self.mean)


def task_of(labels: "Labels") -> "Task":
    """Tell what labels stand for: whole numbers are classes."""
    return "classification" if labels.dtype.kind in "iu" else "regression"


def count_classes(labels: npt.NDArray[np.generic]) -> int | None:
    """Count the classes of training labels; ``None`` where they are numbers to predict."""
    return int(labels.max()) + 1 if labels.dtype.kind in "iu" else None


def n_columns(labels: "Labels") -> int:
    """Count the targets of a row: 1 of [N], k of [N, k]."""
    return 1 if labels.ndim == 1 else labels.shape[1]


def describe_labels(labels: "Labels", n_classes: int | None, rows: "Rows") -> Classes | Targets:
    """Say what the labels of training rows stand for.

    Args:
        labels: Of the whole set.
        n_classes: Of the whole set; ``None`` where they are numbers.
        rows: The row numbers that are trained on.
    """
    if n_classes is not None:
        return Classes(n_classes, tuple(np.bincount(labels[rows], minlength=n_classes).tolist()))
    columns = labels[rows].reshape(rows.size, -1).astype(np.float64)
    std = columns.std(axis=0)
    std[std <= SMALLEST_SPREAD] = 1.0
    return Targets(tuple(columns.mean(axis=0).tolist()), tuple(std.tolist()))


def unscaled_labels(n_classes: int | None, n_targets: int | None) -> Classes | Targets:
    """Describe labels for a network whose weights, still to be loaded, hold mean and deviation."""
    if n_targets is None:
        return Classes(n_classes or 0)
    return Targets((0.0,) * n_targets, (1.0,) * n_targets)


def strata_of(labels: "Labels") -> npt.NDArray[np.int64]:
    """The stratum of each row, int64 [N]: its class, or one and the same where labels are numbers.

    Rows of one stratum are drawn by a plain seeded shuffle.
    """
    if task_of(labels) == "classification":
        return labels.astype(np.int64, copy=False)
    return np.zeros(len(labels), dtype=np.int64)


def check_training_labels(labels: npt.NDArray[np.generic], *, where: str, key: str) -> "Labels":
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


def check_test_labels(
    labels: npt.NDArray[np.generic], *, n_classes: int, where: str, key: str
) -> "Labels":
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


def read_targets(labels: npt.NDArray[np.generic], *, where: str, key: str) -> npt.NDArray[Any]:
    """Take labels as numbers to predict.

    Args:
        labels: [N] or [N, k] of any numbers.
        where: What an error names: the file.
        key: The array in it.

    Returns:
        float32 of the same shape.

    Raises:
        BadInputError: One is not finite as float32.
    """
    with np.errstate(over="ignore"):
        targets = np.ascontiguousarray(labels, dtype=np.float32)
    is_finite = np.isfinite(targets).reshape(len(targets), -1).all(axis=1)
    if not is_finite.all():
        row = int(np.argmin(is_finite))
        worst = next(value for value in targets[row].flat if not np.isfinite(value))
        got = f"{worst} in row {row:,} as float32"
        raise BadInputError(where=where, key=key, got=got, expected="finite numbers")
    return targets


def check_spread(targets: npt.NDArray[Any], *, where: str, key: str) -> None:
    """Refuse a column of targets that is constant: there is nothing to predict.

    Raises:
        BadInputError: Naming the column.
    """
    columns = targets.reshape(len(targets), -1).astype(np.float64)
    constant = np.flatnonzero(np.ptp(columns, axis=0) <= SMALLEST_SPREAD)
    if constant.size:
        of_column = f" of column {constant[0]}" if targets.ndim > 1 else ""
        got = f"{columns[0, constant[0]]:.6g} in every row{of_column}"
        raise BadInputError(where=where, key=key, got=got, expected="targets that vary")


def as_targets(arrays: "Arrays") -> "Arrays":
    """Take the classes of a set that is known as numbers to predict."""
    return {
        name: array.astype(np.float32) if name.endswith("labels") else array
        for name, array in arrays.items()
    }
