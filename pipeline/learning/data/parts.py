"""Which rows train, which validate, which are kept for the test."""

import hashlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipeline.learning.data.sizes import part_sizes

if TYPE_CHECKING:
    from pipeline.config import DataConfig

Rows = npt.NDArray[np.int64]

TEST_STREAM: Final = 1
VALIDATION_STREAM: Final = 2
PROBE_STREAM: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Row numbers of the training part's arrays, int64 and ascending; no row stands in two parts.

    Attributes:
        train: What the weights are fitted to.
        validation: What the search minimises the loss on.
        test: Rows kept from the search; empty where the set has a test part of its own.
        train_probe: The rows of ``train`` on which ``train_loss_no_dropout`` is measured: as
            many as validation has, or all of ``train`` where that is smaller.

    Raises:
        ValueError: When built otherwise.
    """

    train: Rows
    validation: Rows
    test: Rows
    train_probe: Rows

    def __post_init__(self) -> None:
        """Refuse what is no split."""
        parts = (self.train, self.validation, self.test)
        if not all(_is_ascending(rows) for rows in (*parts, self.train_probe)):
            message = "row numbers are int64 and ascending"
            raise ValueError(message)
        if not _is_ascending(np.sort(np.concatenate(parts))):
            message = "a row stands in two parts"
            raise ValueError(message)
        if not np.isin(self.train_probe, self.train).all():
            message = "train_probe has rows that are not in train"
            raise ValueError(message)
        if not (self.train.size and self.validation.size):
            message = "train and validation have a row at least"
            raise ValueError(message)

    @property
    def sha256(self) -> str:
        """A digest over the row numbers of each part."""
        digest = hashlib.sha256()
        for field in fields(self):
            rows: Rows = getattr(self, field.name)
            digest.update(f"{field.name} {rows.size}\n".encode())
            digest.update(rows.astype("<i8").tobytes())
        return digest.hexdigest()


def split(
    labels: npt.NDArray[np.int64], config: "DataConfig", *, n_own_test: int, seed: int
) -> Split:
    """Split a set's training part by class; equal arguments, equal split.

    Each part is drawn with random numbers of its own, so that another size of the validation
    set does not change the test's rows.

    Args:
        labels: int64 [N], the training part's.
        config: How much goes to each part.
        n_own_test: Rows of the set's own test part; 0 where it has none.
        seed: The study's, in [0, 2**64 - 1].

    Raises:
        BadInputError: A part would have no row.
    """
    sizes = part_sizes(config, n_rows=labels.size, n_own_test=n_own_test)
    rest = np.arange(labels.size, dtype=np.int64)
    n_test = 0 if n_own_test else sizes.test
    test = draw_stratified(rest, labels, n_drawn=n_test, seed=seed, stream=TEST_STREAM)
    rest = _without(rest, test)
    validation = draw_stratified(
        rest, labels, n_drawn=sizes.validation, seed=seed, stream=VALIDATION_STREAM
    )
    train = _without(rest, validation)
    n_probe = min(train.size, validation.size)
    probe = draw_stratified(train, labels, n_drawn=n_probe, seed=seed, stream=PROBE_STREAM)
    return Split(train=train, validation=validation, test=test, train_probe=probe)


def draw_stratified(
    rows: Rows, labels: npt.NDArray[np.int64], *, n_drawn: int, seed: int, stream: int
) -> Rows:
    """Draw rows so that each class keeps its share, to within one row.

    Philox gives every row of the set one 64-bit number (Salmon et al., "Parallel random numbers:
    as easy as 1, 2, 3", SC 2011); of each class the rows with the lowest are drawn. Only its raw
    numbers are used, which NumPy promises to keep from version to version.

    Args:
        rows: Row numbers to draw from, [n].
        labels: Of the whole set, [N].
        n_drawn: At most n.
        seed: With ``stream``, the key of the random numbers.
        stream: Different for each purpose.

    Returns:
        Ascending row numbers, [n_drawn].
    """
    if n_drawn == 0:
        return rows[:0]
    numbers = np.random.Philox(key=np.array([seed, stream], dtype=np.uint64)).random_raw(
        labels.size
    )
    ordered = rows[np.lexsort((numbers[rows], labels[rows]))]
    _, starts, counts = np.unique(labels[ordered], return_index=True, return_counts=True)
    ranks = np.arange(ordered.size) - np.repeat(starts, counts)
    return np.sort(ordered[ranks < np.repeat(largest_remainder(counts, n_drawn), counts)])


def largest_remainder(counts: Rows, total: int) -> Rows:
    """Share out a total in proportion to counts; the sum is exact, no share exceeds its count.

    The method of Hamilton, in whole numbers; of equal remainders the first class wins.

    >>> largest_remainder(np.array([5, 3, 2]), 5).tolist()
    [3, 1, 1]
    """
    shares, remainders = np.divmod(counts * total, counts.sum())
    order = np.argsort(-remainders, kind="stable")
    shares[order[: total - shares.sum()]] += 1
    return shares


def _without(rows: Rows, taken: Rows) -> Rows:
    return rows[~np.isin(rows, taken, assume_unique=True)]


def _is_ascending(rows: Rows) -> bool:
    return rows.dtype == np.int64 and rows.ndim == 1 and bool((np.diff(rows) > 0).all())
