"""The laws of a split, for any labels and any sizes."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import DataConfig
from pipeline.learning.data import PreparedData, Split, open_train, splits
from pipeline.learning.data.split import split_sizes
from pipeline.learning.data.stratified import largest_remainder, stratified_sample

Labels = npt.NDArray[np.int64]
Problem = tuple[Labels, DataConfig, int]

seeds = st.integers(0, 2**32 - 1)


def config_of(**values: object) -> DataConfig:
    """A data section as a study file would give it."""
    return DataConfig.model_validate({"name": "digits"} | values)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Labels, sizes that fit them, and how many rows the set's own test part has."""
    n_rows = draw(st.integers(60, 300))
    n_classes = draw(st.integers(1, 10))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = generator.integers(0, n_classes, n_rows, dtype=np.int64)
    n_own_test = draw(st.sampled_from([0, 50]))
    sizes = st.floats(0.1, 0.8) | st.integers(1, 9)
    config = config_of(validation=draw(sizes), test=draw(st.none() | st.just(0) | sizes))
    return labels, config, n_own_test


def made(problem: Problem, seed: int) -> Split:
    """The split of a problem."""
    labels, config, n_own_test = problem
    return splits(labels, config, n_own_test=n_own_test, seed=seed)[0]


def counts(labels: Labels) -> npt.NDArray[Any]:
    """Rows a class."""
    return np.bincount(labels, minlength=10)


def deviation(part: Labels, whole: Labels) -> float:
    """How many rows the worst class is away from its share."""
    return float(np.abs(counts(part) - counts(whole) * (part.size / whole.size)).max())


@given(problem=problems(), seed=seeds)
def test_parts_share_no_row_and_leave_none_out(problem: Problem, seed: int) -> None:
    parts = made(problem, seed)
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert np.array_equal(np.sort(together), np.arange(problem[0].size))


@given(problem=problems(), seed=seeds)
def test_parts_have_the_sizes_known_beforehand(problem: Problem, seed: int) -> None:
    labels, config, n_own_test = problem
    parts = made(problem, seed)
    sizes = split_sizes(config, n_rows=labels.size, n_own_test=n_own_test)
    assert (parts.train.size, parts.validation.size) == (sizes.train, sizes.validation)
    assert parts.test.size == (0 if n_own_test else sizes.test)


@given(problem=problems(), seed=seeds)
def test_every_class_keeps_its_share_to_within_a_row(problem: Problem, seed: int) -> None:
    labels, parts = problem[0], made(problem, seed)
    rest = np.concatenate([parts.train, parts.validation])
    assert deviation(labels[parts.validation], labels[rest]) < 1
    assert deviation(labels[parts.train_probe], labels[parts.train]) < 1
    if parts.test.size:
        assert deviation(labels[parts.test], labels) < 1


@given(problem=problems(), seed=seeds)
def test_the_probe_is_a_part_of_train_as_large_as_validation(problem: Problem, seed: int) -> None:
    parts = made(problem, seed)
    assert np.isin(parts.train_probe, parts.train).all()
    assert parts.train_probe.size == min(parts.train.size, parts.validation.size)


@given(problem=problems(), seed=seeds)
def test_equal_arguments_give_an_equal_split(problem: Problem, seed: int) -> None:
    assert made(problem, seed).sha256 == made(problem, seed).sha256


@given(problem=problems(), seed=seeds, validation=st.integers(1, 9))
def test_test_rows_do_not_depend_on_the_validations_size(
    problem: Problem, seed: int, validation: int
) -> None:
    labels, config, n_own_test = problem
    other = config_of(validation=validation, test=config.test)
    assert np.array_equal(made(problem, seed).test, made((labels, other, n_own_test), seed).test)


@given(
    weights=st.lists(st.integers(1, 10_000), min_size=1, max_size=20).map(np.array),
    part=st.floats(0, 1),
)
def test_shares_are_exact_in_sum_and_within_their_counts(weights: Labels, part: float) -> None:
    total = int(part * weights.sum())
    shares = largest_remainder(weights, total)
    assert shares.sum() == total
    assert (shares <= weights).all()
    assert (np.abs(shares - weights * total / weights.sum()) < 1).all()


@settings(max_examples=20)
@given(seed=seeds)
def test_streams_of_one_seed_are_independent(seed: int) -> None:
    rows = np.arange(10_000, dtype=np.int64)
    labels = np.zeros(10_000, dtype=np.int64)
    one, two = (
        stratified_sample(rows, labels, n_drawn=2_000, seed=seed, stream=stream)
        for stream in (1, 2)
    )
    assert abs(np.isin(one, two).sum() - 400) < 6 * 16  # hypergeometric: 400, deviation 16


def test_other_seeds_give_other_parts(digits: PreparedData) -> None:
    _, labels = open_train(digits)
    digests = {splits(labels, config_of(), n_own_test=0, seed=seed)[0].sha256 for seed in range(20)}
    assert len(digests) == 20


def test_every_row_is_drawn_equally_often(digits: PreparedData) -> None:
    _, labels = open_train(digits)
    drawn = np.zeros(labels.size)
    for seed in range(400):
        drawn[splits(labels, config_of(), n_own_test=0, seed=seed)[0].test] += 1
    expected, deviation_of_one = 400 * 0.2, (400 * 0.2 * 0.8) ** 0.5
    assert (np.abs(drawn - expected) < 5.5 * deviation_of_one).all()


def test_a_split_stays_the_same_from_version_to_version(digits: PreparedData) -> None:
    _, labels = open_train(digits)
    parts = splits(labels, config_of(), n_own_test=0, seed=0)[0]
    assert parts.test[:5].tolist() == [16, 17, 22, 31, 34]
    assert parts.sha256 == "d467866d0cf4608cf51f816d7bdb1d6d4b973b3fc5c9548f3db371536f4ba554"


def test_the_digest_tells_which_part_a_row_stands_in() -> None:
    one, two, none = (np.array(rows, dtype=np.int64) for rows in ([1], [2], []))
    first = Split(train=one, validation=two, test=none, train_probe=one)
    second = Split(train=two, validation=one, test=none, train_probe=two)
    assert first.sha256 != second.sha256


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param({"train": [2, 1]}, "int64 and ascending", id="unordered"),
        pytest.param({"train": [1, 1]}, "int64 and ascending", id="a row twice"),
        pytest.param({"train": [0.5]}, "int64 and ascending", id="not whole"),
        pytest.param({"test": [1]}, "a row is in two parts", id="test in train"),
        pytest.param({"validation": [2]}, "a row is in two parts", id="validation in train"),
        pytest.param({"train_probe": [3]}, "rows that are not in train", id="probe elsewhere"),
        pytest.param({"validation": []}, "a row at least", id="no validation"),
        pytest.param({"train": [], "train_probe": []}, "a row at least", id="no train"),
    ],
)
def test_a_split_refuses_what_is_none(wrong: dict[str, list[float]], message: str) -> None:
    sound: dict[str, list[float]] = {
        "train": [1, 2],
        "validation": [3],
        "test": [4],
        "train_probe": [2],
    }
    rows = {
        name: np.array(values, dtype=None if 0.5 in values else np.int64)
        for name, values in (sound | wrong).items()
    }
    with pytest.raises(ValueError, match=message):
        Split(**rows)
