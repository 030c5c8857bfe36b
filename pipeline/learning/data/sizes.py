"""How many rows each part gets, known before any row is read."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.errors import BadInputError
from pipeline.learning.data.catalogue import DATA_SETS
from pipeline.learning.data.decoding import count_own_rows

if TYPE_CHECKING:
    from pipeline.config import DataConfig
    from pipeline.learning.data.records import Source

DEFAULT_TEST: Final = 0.2
"""The test's part of the whole where a set has no test part of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSizes:
    """Rows of each part; ``test`` counts rows of the set's own test part where it has one.

    Of a cross-validated study they are the first fold's, the largest that validates.
    """

    train: int
    validation: int
    test: int


def known_sizes(
    config: "DataConfig", source: "Source | None" = None, *, where: str = ""
) -> PartSizes | None:
    """Tell the parts' sizes before any data are read; a check that writes nothing.

    Args:
        config: Names the set and what is kept of it.
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
        n_rows, n_own_test = count_own_rows(source)
    else:
        return None
    return part_sizes(config, n_rows=n_rows, n_own_test=n_own_test, where=where)


def part_sizes(config: "DataConfig", *, n_rows: int, n_own_test: int, where: str = "") -> PartSizes:
    """Divide rows among the parts: the test first, validation from the rest.

    Args:
        config: Fractions or counts, or folds.
        n_rows: Rows of the set's training part.
        n_own_test: Rows of the set's own test part; 0 where it has none.
        where: What an error names; by default the data set.

    Raises:
        BadInputError: A part would have no row.
    """
    place = where or f"data set {config.name}"
    n_test = n_test_rows(config, n_rows=n_rows, n_own_test=n_own_test, where=place)
    n_rest = n_rows if n_own_test else n_rows - n_test
    n_validation = _n_validation(config, n_rest, where=place)
    return PartSizes(train=n_rest - n_validation, validation=n_validation, test=n_test)


def n_test_rows(config: "DataConfig", *, n_rows: int, n_own_test: int, where: str) -> int:
    """Count the test's rows: of the set's own test part, or else of the whole.

    Raises:
        BadInputError: There are not so many, or a fraction comes to none.
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
