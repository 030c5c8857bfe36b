"""The laws of cross-validation: every row but the test's validates once."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import DataConfig
from pipeline.errors import BadInputError
from pipeline.learning.data import (
    PreparedData,
    Split,
    all_but_test,
    known_sizes,
    open_train,
    splits,
    splits_sha256,
)
from pipeline.learning.data.sealed import open_test
from pipeline.learning.data.split import split_sizes

Labels = npt.NDArray[np.int64]
Problem = tuple[Labels, DataConfig, int, int]


def config_of(**values: object) -> DataConfig:
    """A data section as a study file would give it."""
    return DataConfig.model_validate({"name": "digits"} | values)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Labels, folds that fit them, rows of an own test part, and a seed."""
    n_classes = draw(st.integers(1, 10))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = generator.integers(0, n_classes, draw(st.integers(60, 200)), dtype=np.int64)
    test = draw(st.none() | st.just(0) | st.floats(0.1, 0.8) | st.integers(1, 9))
    config = config_of(folds=draw(st.integers(2, 10)), test=test)
    n_own_test = draw(st.sampled_from([0, 50]))
    return labels, config, n_own_test, draw(st.integers(0, 2**32 - 1))


def made(problem: Problem) -> tuple[Split, ...]:
    """The folds' splits of a problem."""
    labels, config, n_own_test, seed = problem
    return splits(labels, config, n_own_test=n_own_test, seed=seed)


def rest_of(problem: Problem) -> npt.NDArray[Any]:
    """All rows but the test's."""
    labels, config, n_own_test, seed = problem
    return all_but_test(labels, config, n_own_test=n_own_test, seed=seed)


@given(problems())
def test_folds_share_no_row_and_leave_none_out(problem: Problem) -> None:
    folds = np.concatenate([one.validation for one in made(problem)])
    assert np.array_equal(np.sort(folds), rest_of(problem))


@given(problems())
def test_a_fold_trains_on_all_others(problem: Problem) -> None:
    for one in made(problem):
        together = np.sort(np.concatenate([one.train, one.validation]))
        assert np.array_equal(together, rest_of(problem))


@given(problems())
def test_folds_differ_by_a_row_at_most_in_each_class_and_altogether(problem: Problem) -> None:
    labels, folds = problem[0], [one.validation for one in made(problem)]
    a_class = np.array([np.bincount(labels[fold], minlength=10) for fold in folds])
    assert np.ptp(a_class, axis=0).max() <= 1
    assert np.ptp([fold.size for fold in folds]) <= 1


@given(problems())
def test_equal_arguments_give_equal_folds(problem: Problem) -> None:
    assert splits_sha256(made(problem)) == splits_sha256(made(problem))


@given(problems())
def test_a_fold_keeps_the_test_rows_of_a_single_split(problem: Problem) -> None:
    labels, config, n_own_test, seed = problem
    single = splits(labels, config_of(test=config.test), n_own_test=n_own_test, seed=seed)[0]
    assert all(np.array_equal(one.test, single.test) for one in made(problem))
    single_rest = np.sort(np.concatenate([single.train, single.validation]))
    assert np.array_equal(rest_of(problem), single_rest)


@given(problems())
def test_a_folds_probe_is_a_part_of_its_training_rows(problem: Problem) -> None:
    for one in made(problem):
        assert np.isin(one.train_probe, one.train).all()
        assert one.train_probe.size == min(one.train.size, one.validation.size)


@given(problems())
def test_the_sizes_known_beforehand_are_the_largest_folds(problem: Problem) -> None:
    labels, config, n_own_test, _ = problem
    sizes = split_sizes(config, n_rows=labels.size, n_own_test=n_own_test)
    folds = made(problem)
    assert sizes.validation == max(one.validation.size for one in folds)
    assert sizes.train == min(one.train.size for one in folds)


def test_other_seeds_give_other_folds(digits: PreparedData) -> None:
    _, labels = open_train(digits)
    some = [splits(labels, config_of(folds=3), n_own_test=0, seed=seed) for seed in range(20)]
    assert len({splits_sha256(parts) for parts in some}) == 20


def test_folds_stay_the_same_from_version_to_version(digits: PreparedData) -> None:
    _, labels = open_train(digits)
    folds = splits(labels, config_of(folds=3), n_own_test=0, seed=0)
    assert folds[0].validation[:5].tolist() == [3, 6, 9, 10, 12]
    assert (
        splits_sha256(folds) == "72b0933e32cc5d1a88fe82c0a7dfc6405836f904609f8b78815b35c460d792e4"
    )


def test_a_study_without_folds_has_the_split_it_ever_had(digits: PreparedData) -> None:
    _, labels = open_train(digits)
    parts = splits(labels, config_of(), n_own_test=0, seed=0)
    alone = splits(labels, config_of(), n_own_test=0, seed=0)[0]
    assert splits_sha256(parts) == alone.sha256
    assert [one.sha256 for one in parts] == [alone.sha256]


def test_the_digest_tells_the_order_of_folds() -> None:
    labels = np.arange(40, dtype=np.int64) % 4
    first, second = splits(labels, config_of(folds=2), n_own_test=0, seed=0)
    assert splits_sha256((first, second)) != splits_sha256((second, first))


def test_more_folds_than_rows_are_refused_with_the_limit() -> None:
    labels = np.zeros(12, dtype=np.int64)
    message = r"data\.folds: got 11, expected at most 10, so that every fold has a row"
    with pytest.raises(BadInputError, match=message):
        splits(labels, config_of(folds=11, test=2), n_own_test=0, seed=0)


def test_as_many_folds_as_rows_leave_one_out() -> None:
    labels = np.zeros(12, dtype=np.int64)
    folds = splits(labels, config_of(folds=10, test=2), n_own_test=0, seed=0)
    assert [one.validation.size for one in folds] == [1] * 10


def test_sizes_of_folds_are_known_without_the_data() -> None:
    sizes = known_sizes(config_of(folds=7))
    assert sizes is not None
    assert (sizes.train, sizes.validation, sizes.test) == (1232, 206, 359)


@pytest.mark.parametrize(("folds", "n_splits"), [(None, 1), (3, 3)])
def test_a_study_is_split_once_or_once_for_each_fold(folds: int | None, n_splits: int) -> None:
    labels = np.zeros(20, dtype=np.int64)
    assert len(splits(labels, config_of(folds=folds), n_own_test=0, seed=0)) == n_splits


def test_every_fold_opens_the_same_test_rows(digits: PreparedData) -> None:
    _, labels = open_train(digits)
    config = config_of(folds=4)
    opened = [
        open_test(digits, config, parts=one, seed=5)[0]
        for one in splits(labels, config, n_own_test=0, seed=5)
    ]
    assert len(opened[0]) == 359
    assert all(np.array_equal(images, opened[0]) for images in opened)
