"""The test part: only what confirms a study may import this module."""

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.errors import BadInputError
from pipeline.learning.data.cache import open_train, store
from pipeline.learning.data.catalogue import Subset
from pipeline.learning.data.decoded import intact_meta, open_subset
from pipeline.learning.data.labels import strata_of
from pipeline.learning.data.reading import Images, Labels
from pipeline.learning.data.split import TEST_STREAM, Split, n_test_rows
from pipeline.learning.data.stratified import Rows, stratified_sample

if TYPE_CHECKING:
    from pipeline.config import DataConfig
    from pipeline.learning.data.cache import PreparedData

BOTH: Final[tuple[Subset, ...]] = ("train", "test")


def open_test(
    prepared: "PreparedData", config: "DataConfig", *, parts: Split, seed: int
) -> tuple[Images, Labels]:
    """Open the rows that the search never saw.

    Args:
        prepared: From ``prepare``.
        config: Says how much of the set is its test.
        parts: The study's split, any fold's of a cross-validated one; its test rows are used
            where the set has no part of its own.
        seed: The one that the split was made with.

    Returns:
        Images [N, *image_shape], uint8 or float32, and labels.

    Raises:
        BadInputError: The study keeps no test rows, or a damaged cache cannot be made anew
            because the source is damaged too.
    """
    if config.test == 0:
        expected = "a fraction or a count of test rows"
        raise BadInputError(
            where=f"data set {prepared.name}", key="data.test", got="0", expected=expected
        )
    if not prepared.n_test:
        images, labels = open_train(prepared)
        return images[parts.test], labels[parts.test]
    images, labels = open_test_subset(prepared)
    rows = choose_test_rows(labels, config, seed=seed)
    return (images, labels) if rows.size == len(labels) else (images[rows], labels[rows])


def open_test_subset(prepared: "PreparedData") -> tuple[Images, Labels]:
    """Map a set's own test part; where the cache is damaged it is decoded again.

    Raises:
        BadInputError: The source is damaged too.
    """
    if intact_meta(prepared.folder, parts=("test",)) is None:
        store(prepared.source, prepared.folder, parts=BOTH)
    return open_subset(prepared.folder, "test")


def choose_test_rows(labels: Labels, config: "DataConfig", *, seed: int) -> Rows:
    """Choose the rows of a set's own test part that the study keeps for its test.

    Args:
        labels: The test part's.
        config: A fraction or a count takes a stratified share; by default all rows.
        seed: The study's.
    """
    strata = strata_of(labels)
    rows = np.arange(strata.size, dtype=np.int64)
    where = f"data set {config.name}"
    n_drawn = n_test_rows(config, n_rows=0, n_own_test=strata.size, where=where)
    return stratified_sample(rows, strata, n_drawn=n_drawn, seed=seed, stream=TEST_STREAM)
