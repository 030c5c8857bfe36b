"""Stratified samples and folds of rows, the same from version to version."""

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def stratified_sample(
    rows: Rows, labels: npt.NDArray[np.int64], *, n_drawn: int, seed: int, stream: int
) -> Rows:
    """Draw rows so that each class keeps its share, to within one row.

    Of each class the first rows are drawn, in the order of ``shuffled_by_class``.

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
    ordered = shuffled_by_class(rows, labels, seed=seed, stream=stream)
    _, starts, counts = np.unique(labels[ordered], return_index=True, return_counts=True)
    ranks = np.arange(ordered.size) - np.repeat(starts, counts)
    return np.sort(ordered[ranks < np.repeat(largest_remainder(counts, n_drawn), counts)])


def stratified_folds(
    rows: Rows, labels: npt.NDArray[np.int64], *, n_hands: int, seed: int, stream: int
) -> tuple[Rows, ...]:
    """Deal rows out like cards, class by class; every row goes to one hand.

    As one deal runs through all classes, hands differ by at most a row in each class, and by at
    most a row altogether.

    Args:
        rows: Row numbers to deal, [n].
        labels: Of the whole set, [N].
        n_hands: At most n, so that no hand is empty.
        seed: With ``stream``, the key of the random numbers.
        stream: Different for each purpose.

    Returns:
        Ascending row numbers of each hand; the first hands are the larger ones.
    """
    ordered = shuffled_by_class(rows, labels, seed=seed, stream=stream)
    return tuple(np.sort(ordered[hand::n_hands]) for hand in range(n_hands))


def shuffled_by_class(rows: Rows, labels: npt.NDArray[np.int64], *, seed: int, stream: int) -> Rows:
    """Order rows by class, and within a class by chance.

    Philox gives every row of the set one 64-bit number (Salmon et al., "Parallel random numbers:
    as easy as 1, 2, 3", SC 2011), by which they are ordered. Only its raw numbers are used, which
    NumPy promises to keep from version to version.

    Args:
        rows: Row numbers, [n].
        labels: Of the whole set, [N].
        seed: With ``stream``, the key of the random numbers.
        stream: Different for each purpose.
    """
    key = np.array([seed, stream], dtype=np.uint64)
    numbers = np.random.Philox(key=key).random_raw(labels.size)
    return rows[np.lexsort((numbers[rows], labels[rows]))]


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
