"""Intervals against SciPy's and chance itself, also of a mean that was chosen as the best."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from pipeline.analysis import Interval
from pipeline.analysis.intervals import interval, interval_of_best
from pipeline.config import Objective

VALUES = st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=20)
ACCURACY = Objective(metric="val_accuracy", direction="maximize")


def _spread(values: list[float]) -> float:
    return float(np.std(values, ddof=1))


@given(VALUES)
def test_interval_is_that_of_scipy(values: list[float]) -> None:
    assume(_spread(values) > 1e-6)
    found = interval(values)
    scale = _spread(values) / math.sqrt(len(values))
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=scale)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6)
    assert found.mean == pytest.approx(np.mean(values))


def test_interval_covers_the_truth_in_95_of_100_cases() -> None:
    draws = np.random.default_rng(0).normal(0.3, 0.05, size=(4_000, 5))
    found = [interval(row) for row in draws.tolist()]
    n_covering = sum((one.low or 0) <= 0.3 <= (one.high or 0) for one in found)
    assert n_covering / len(found) == pytest.approx(0.95, abs=0.012)


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


def test_interval_is_shown_as_far_as_it_is_known() -> None:
    shown = [str(interval(values)) for values in ([0.25, 0.25], [0.25], [])]
    assert shown == ["0.2500 [0.2500, 0.2500]", "0.2500", ""]


@given(VALUES, st.integers(1, 9))
def test_interval_of_the_best_is_wider_on_the_worse_side_alone(
    values: list[float], n_rivals: int
) -> None:
    usual, lowest = interval(values), interval_of_best(values, n_rivals)
    highest = interval_of_best(values, n_rivals, ACCURACY)
    assert lowest.low == usual.low
    assert highest.high == usual.high
    if n_rivals <= 2:
        assert lowest == usual == highest
    elif _spread(values) > 1e-6:
        assert (lowest.high or 0) > (usual.high or 0)
        assert -highest == interval_of_best([-value for value in values], n_rivals)


@pytest.mark.parametrize(("n_equals", "missed"), [(2, 0.05), (5, 0.10)])
def test_interval_of_the_lowest_of_equals_covers_its_truth_in_95_of_100_cases(
    n_equals: int, missed: float
) -> None:
    draws = np.random.default_rng(2).normal(0.3, 0.05, size=(2_000, n_equals, 5)).tolist()
    lowest = [min(study, key=sum) for study in draws]
    usual = [interval(values) - 0.3 for values in lowest]
    wide = [interval_of_best(values, n_equals) - 0.3 for values in lowest]
    n_missed, n_missed_wide = (sum(not one.contains_zero for one in all_) for all_ in (usual, wide))
    assert n_missed / 2_000 == pytest.approx(missed, abs=0.015), "chosen, so it is too low"
    assert n_missed_wide / 2_000 <= 0.05 + 0.012


def test_unknown_spread_may_be_anything() -> None:
    assert interval([0.5]).contains_zero
    assert not interval([0.5, 0.6, 0.5]).contains_zero
    assert (interval([0.5, 0.7]) - 0.6).mean == pytest.approx(0.0)
    assert -Interval(mean=None) == Interval(mean=None)
