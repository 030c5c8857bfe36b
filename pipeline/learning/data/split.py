"""Split a data set into training, validation and test rows: how many, and which."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import BadInputError
from pipeline.learning.data.catalogue import DATA_SETS
from pipeline.learning.data.decoding import count_rows_of_source
from pipeline.learning.data.labels import strata_of
from pipeline.learning.data.stratified import Rows, stratified_folds, stratified_sample

if TYPE_CHECKING:
    from pipeline.config import DataConfig
    from pipeline.learning.data.locate import Source
    from pipeline.learning.data.reading import Labels


DEFAULT_TEST: Final = 0.2
"""The test's part of the whole where a set has no test part of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSizes:
    """Rows of each part; ``test`` counts rows of the set's own test part where it has one.

    Of a cross-validated study they are the first fold's, the largest that validates.
    """

    train: int
    validation: int
    test: int


def known_sizes(
    config: "DataConfig", source: "Source | None" = None, *, where: str = ""
) -> SplitSizes | None:
    """Tell the parts' sizes before any data are read; a check that writes nothing.

    Args:
        config: Names the set and the size of each part.
        source: Where the user's own file or folder lies, from ``locate``: its rows are counted.
            A set of the catalogue needs none.
        where: What an error names: the study file.

    Returns:
        ``None`` where nobody can know yet: of the user's own data without a source, and of a
        module of the user's own.

    Raises:
        BadInputError: A part would have no row, or the user's own data are no data set.
    """
    if config.name in DATA_SETS:
        known = DATA_SETS[config.name]
        n_rows, n_own_test = known.n_train, known.n_test
    elif source is not None:
        n_rows, n_own_test = count_rows_of_source(source)
    else:
        return None
    return split_sizes(config, n_rows=n_rows, n_own_test=n_own_test, where=where)


def split_sizes(
    config: "DataConfig", *, n_rows: int, n_own_test: int, where: str = ""
) -> SplitSizes:
    """Divide rows among the parts: the test first, validation from the rest.

    Args:
        config: Fractions or counts, or folds.
        n_rows: Rows of the set's training part.
        n_own_test: Rows of the set's own test part; 0 where it has none.
        where: What an error names; by default the data set.

    Raises:
        BadInputError: A part would have no row.
    """
    where = where or f"data set {config.name}"
    n_test = n_test_rows(config, n_rows=n_rows, n_own_test=n_own_test, where=where)
    n_rest = n_rows if n_own_test else n_rows - n_test
    n_validation = _n_validation(config, n_rest, where=where)
    return SplitSizes(train=n_rest - n_validation, validation=n_validation, test=n_test)


def n_test_rows(config: "DataConfig", *, n_rows: int, n_own_test: int, where: str) -> int:
    """Count the test's rows: of the set's own test part, or else of the whole.

    Raises:
        BadInputError: There are not so many, or the fraction gives none.
    """
    asked = config.test
    if asked == 0:
        return 0
    if asked is None:
        if n_own_test:
            return n_own_test
        asked = DEFAULT_TEST
    n_of, limit = (n_own_test, n_own_test) if n_own_test else (n_rows, n_rows - 2)
    return _n_part(asked, n_of=n_of, limit=limit, key="data.test", where=where)


def _n_validation(config: "DataConfig", n_rest: int, *, where: str) -> int:
    """Count the validation's rows; of folds the largest has the rows of one rounded up."""
    if config.folds is None:
        asked, limit = config.validation, n_rest - 1
        return _n_part(asked, n_of=n_rest, limit=limit, key="data.validation", where=where)
    if config.folds > n_rest:
        expected = f"at most {n_rest:,}, so that every fold has a row"
        raise BadInputError(where=where, key="data.folds", got=str(config.folds), expected=expected)
    return -(-n_rest // config.folds)


def _n_part(asked: float, *, n_of: int, limit: int, key: str, where: str) -> int:
    """Round a fraction of ``n_of``, or take a count, and hold it against the limits."""
    n_part = asked if isinstance(asked, int) else round(asked * n_of)
    if not 1 <= n_part <= limit:
        got = str(asked) if isinstance(asked, int) else f"{asked} ({n_part:,} of {n_of:,} rows)"
        others = ", so that every other part has a row" if limit < n_of else ""
        expected = f"1 to {limit:,} of {n_of:,} rows{others}"
        if limit < 1:
            expected = f"more rows than the {n_of:,} that there are{others}"
        raise BadInputError(where=where, key=key, got=got, expected=expected)
    return n_part


Strata = npt.NDArray[np.int64]

TEST_STREAM: Final = 1
VALIDATION_STREAM: Final = 2
PROBE_STREAM: Final = 3
FOLD_STREAM: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Row numbers of the training part's arrays, int64 and ascending; no row is in two parts.

    Attributes:
        train: What the weights are fitted to.
        validation: What the search minimises the loss on.
        test: Rows that the search never sees; empty where the set has a test part of its own.
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
            message = "a row is in two parts"
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


def splits(
    labels: "Labels", config: "DataConfig", *, n_own_test: int, seed: int
) -> tuple[Split, ...]:
    """Split a set by class, once or once for each fold; equal arguments give equal splits.

    Where labels are numbers to predict, all rows are of one class: they are shuffled.

    The test's rows are taken first, with random numbers of their own, so that another size of the
    validation set or another number of folds does not change them. Folds differ by at most a row
    in each class, and by at most a row altogether.

    Args:
        labels: The training part's.
        config: How much goes to each part, or how many folds there are.
        n_own_test: Rows of the set's own test part; 0 where it has none.
        seed: The study's, in [0, 2**64 - 1].

    Returns:
        One split; of folds, for each one a split that validates on it and trains on all others.

    Raises:
        BadInputError: A part would have no row.
    """
    strata = strata_of(labels)
    sizes = split_sizes(config, n_rows=strata.size, n_own_test=n_own_test)
    rest, test = _test_apart(strata, n_test=0 if n_own_test else sizes.test, seed=seed)
    if config.folds is None:
        n_drawn = sizes.validation
        draw = stratified_sample(rest, strata, n_drawn=n_drawn, seed=seed, stream=VALIDATION_STREAM)
        folds: tuple[Rows, ...] = (draw,)
    else:
        folds = stratified_folds(rest, strata, n_hands=config.folds, seed=seed, stream=FOLD_STREAM)
    return tuple(_split_of(strata, rest, fold, test=test, seed=seed) for fold in folds)


def all_but_test(labels: "Labels", config: "DataConfig", *, n_own_test: int, seed: int) -> Rows:
    """Name the rows of training and validation together: what a chosen setting is refitted to.

    Args:
        labels: The training part's.
        config: As given to ``splits``.
        n_own_test: Rows of the set's own test part; 0 where it has none.
        seed: The study's, in [0, 2**64 - 1].

    Returns:
        Ascending row numbers.

    Raises:
        BadInputError: A part would have no row.
    """
    strata = strata_of(labels)
    sizes = split_sizes(config, n_rows=strata.size, n_own_test=n_own_test)
    return _test_apart(strata, n_test=0 if n_own_test else sizes.test, seed=seed)[0]


def splits_sha256(parts: Sequence[Split]) -> str:
    """Give one split's own digest, or a digest over those of all folds in their order."""
    if len(parts) == 1:
        return parts[0].sha256
    return hashlib.sha256("\n".join(part.sha256 for part in parts).encode()).hexdigest()


def _test_apart(strata: Strata, *, n_test: int, seed: int) -> tuple[Rows, Rows]:
    """Take the test's rows first; give the others, and them."""
    rows = np.arange(strata.size, dtype=np.int64)
    test = stratified_sample(rows, strata, n_drawn=n_test, seed=seed, stream=TEST_STREAM)
    return _without(rows, test), test


def _split_of(strata: Strata, rest: Rows, validation: Rows, *, test: Rows, seed: int) -> Split:
    train = _without(rest, validation)
    n_probe = min(train.size, validation.size)
    probe = stratified_sample(train, strata, n_drawn=n_probe, seed=seed, stream=PROBE_STREAM)
    return Split(train=train, validation=validation, test=test, train_probe=probe)


def _without(rows: Rows, taken: Rows) -> Rows:
    return rows[~np.isin(rows, taken, assume_unique=True)]


def _is_ascending(rows: Rows) -> bool:
    return rows.dtype == np.int64 and rows.ndim == 1 and bool((np.diff(rows) > 0).all())
