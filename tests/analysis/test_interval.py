"""Intervals are Student's, held against scipy and against chance itself."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from pipeline.analysis import Interval
from pipeline.analysis.interval import cannot_be_told_apart, interval

LOSSES = st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=20)


def _spread(values: list[float]) -> float:
    return float(np.std(values, ddof=1))


@given(LOSSES)
def test_interval_is_that_of_scipy(values: list[float]) -> None:
    assume(_spread(values) > 1e-6)
    found = interval(values)
    scale = _spread(values) / math.sqrt(len(values))
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=scale)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6)
    assert found.mean == pytest.approx(np.mean(values))


@given(LOSSES, st.data())
def test_two_are_told_apart_where_the_paired_test_of_scipy_says_so(
    first: list[float], data: st.DataObject
) -> None:
    second = data.draw(st.lists(st.floats(1e-3, 1e3), min_size=len(first), max_size=len(first)))
    assume(_spread([a - b for a, b in zip(first, second, strict=True)]) > 1e-6)
    p_value = stats.ttest_rel(first, second).pvalue
    assume(abs(p_value - 0.05) > 1e-6)
    assert cannot_be_told_apart(first, second) == (p_value > 0.05)
    assert cannot_be_told_apart(second, first) == cannot_be_told_apart(first, second)


def test_interval_covers_the_truth_in_95_of_100_cases() -> None:
    draws = np.random.default_rng(0).normal(0.3, 0.05, size=(4_000, 5))
    found = [interval(row) for row in draws.tolist()]
    n_covering = sum((one.low or 0) <= 0.3 <= (one.high or 0) for one in found)
    assert n_covering / len(found) == pytest.approx(0.95, abs=0.012)


def test_equals_are_told_apart_in_5_of_100_cases() -> None:
    draws = np.random.default_rng(1).normal(0.3, 0.05, size=(4_000, 2, 5))
    n_apart = sum(not cannot_be_told_apart(*pair) for pair in draws.tolist())
    assert n_apart / len(draws) == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([], Interval(mean=None), id="nothing"),
        pytest.param([0.5], Interval(mean=0.5), id="one value"),
        pytest.param([0.5, 0.5], Interval(mean=0.5, low=0.5, high=0.5), id="equal values"),
        pytest.param([0.5, math.inf], Interval(mean=None), id="infinite"),
    ],
)
def test_interval_says_no_more_than_is_known(values: list[float], expected: Interval) -> None:
    assert interval(values) == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param([0.5], [0.1], True, id="one pair tells nothing"),
        pytest.param([0.5, 0.6], [0.5, 0.6], True, id="equal"),
        pytest.param([0.5, 0.75], [0.25, 0.5], False, id="always the same difference"),
    ],
)
def test_pairs_without_spread_are_judged_as_well(
    first: list[float], second: list[float], *, expected: bool
) -> None:
    assert cannot_be_told_apart(first, second) is expected


def test_interval_is_shown_as_far_as_it_is_known() -> None:
    shown = [str(interval(values)) for values in ([0.25, 0.25], [0.25], [])]
    assert shown == ["0.2500 [0.2500, 0.2500]", "0.2500", ""]
