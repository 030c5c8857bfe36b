"""Who goes on to further seeds: the rules, and the tests behind them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from pipeline.analysis import Candidate, Repeat, race
from pipeline.analysis.race import beaten, early_looks
from pipeline.config import Objective, ShownNumber
from tests.analysis.builders import candidate, candidates

Asked = list[tuple[list[ShownNumber], list[int]]]
PAIRS = st.lists(st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)), min_size=2, max_size=12)


def run(
    losses: Mapping[int, Sequence[float | None]], *, baseline: int | None = None
) -> tuple[list[Candidate], Asked]:
    """Race candidates with these losses by seeds; tell also what was trained together."""
    asked: Asked = []

    def train(numbers: Sequence[ShownNumber], repeats: range) -> dict[ShownNumber, list[Repeat]]:
        asked.append((list(numbers), list(repeats)))
        return {
            number: [Repeat(repeat=r, value=losses[int(number)][r - 1]) for r in repeats]
            for number in numbers
        }

    waiting = [
        Candidate(number=number, params={}, is_baseline=number == baseline) for number in losses
    ]
    return race(waiting, train, n_seeds=min(map(len, losses.values()))), asked


EQUALS = {1: [0.20, 0.21, 0.19, 0.20, 0.22], 2: [0.21, 0.19, 0.20, 0.22, 0.20]}
BAD = [0.90, 0.93, 0.91, 0.92, 0.90]


def test_a_candidate_that_has_lost_is_not_trained_on() -> None:
    found, asked = run(EQUALS | {3: BAD})
    assert asked == [([1, 2, 3], [1, 2, 3]), ([1, 2], [4, 5])]
    loser = found[-1]
    assert loser.dropped is not None
    assert (loser.dropped.after, loser.dropped.by, len(loser.repeats)) == (3, 1, 3)
    assert loser.dropped.difference == pytest.approx(0.7133, abs=1e-4)
    assert [one.dropped for one in found[:2]] == [None, None]


def test_the_baseline_is_trained_on_all_seeds_though_it_has_lost() -> None:
    found, asked = run(EQUALS | {3: BAD}, baseline=3)
    assert asked == [([1, 2, 3], [1, 2, 3]), ([1, 2, 3], [4, 5])]
    assert found[-1].is_in_race


def test_a_candidate_of_which_a_repeat_failed_is_not_trained_on() -> None:
    found, asked = run(EQUALS | {3: [0.2, None, 0.2, 0.2, 0.2]}, baseline=3)
    assert asked[1] == ([1, 2], [4, 5])
    assert not found[-1].is_whole


def test_nothing_is_trained_where_all_have_failed() -> None:
    _, asked = run({1: [None] * 5, 2: [None] * 5})
    assert asked == [([1, 2], [1, 2, 3])]


@pytest.mark.parametrize(
    ("n_seeds", "looks"),
    [(1, ()), (3, ()), (4, (3,)), (6, (3, 5)), (20, (3, 5, 8, 12, 18))],
)
def test_losers_are_looked_for_ever_more_seldom(n_seeds: int, looks: tuple[int, ...]) -> None:
    assert early_looks(n_seeds) == looks


@given(PAIRS)
def test_two_are_told_apart_where_the_paired_test_of_scipy_says_so(
    pairs: list[tuple[float, float]],
) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    assume(np.std(np.subtract(first, second)) > 1e-6)
    p_value = stats.ttest_rel(first, second).pvalue / 2
    assume(abs(p_value - 0.05) > 1e-6)
    lost = beaten(candidates({1: first, 2: second}), error=0.05)
    assert bool(lost) == (p_value < 0.05)


def test_all_are_compared_with_the_best_under_one_error() -> None:
    draws = np.random.default_rng(1).normal(size=(6, 5)).tolist()
    draws[3] = [value + 3.2 for value in draws[0]]
    assert beaten(candidates(dict(enumerate(draws))), error=0.5).keys() >= {3}
    assert not beaten(candidates(dict(enumerate(draws))), error=1e-9)


def test_variance_of_a_pair_counts_as_no_less_than_the_pooled_one() -> None:
    """Against NumPy: what is left of losses [candidates, seeds] without the means of both."""
    losses = np.random.default_rng(3).normal(size=(4, 5))
    losses[1] = losses[0] + 1.0  # a pair without any variance of its own
    means = losses.mean(axis=1, keepdims=True) + losses.mean(axis=0) - losses.mean()
    pooled = 2 * ((losses - means) ** 2).sum() / (3 * 4)
    best = int(losses.mean(axis=1).argmin())
    for error in (0.9, 0.5, 0.3, 0.1, 0.01):
        bound = stats.t.ppf(1 - error / 3, 8) / math.sqrt(5)
        above = losses - losses[best]
        variances = np.maximum(above.var(axis=1, ddof=1), pooled)
        expected = set(np.flatnonzero(above.mean(axis=1) > bound * np.sqrt(variances)).tolist())
        found = beaten(candidates(dict(enumerate(losses.tolist()))), error=error)
        assert set(found) == expected


def test_one_seed_and_one_candidate_tell_nothing() -> None:
    assert beaten(candidates({1: [0.1], 2: [9.0]}), error=0.05) == {}
    assert beaten(candidates({1: [0.1, 0.2]}), error=0.05) == {}
    assert beaten([], error=0.05) == {}


def test_always_the_same_difference_tells_two_apart_and_none_does_not() -> None:
    assert beaten(candidates({1: [0.25, 0.5], 2: [0.5, 0.75]}), error=0.05).keys() == {2}
    assert beaten(candidates({1: [0.25, 0.5], 2: [0.25, 0.5]}), error=0.05) == {}


def test_a_higher_accuracy_beats_a_lower_one() -> None:
    objective = Objective(metric="val_accuracy", direction="maximize")
    low, high = candidate(1, [0.1, 0.12, 0.11]), candidate(2, [0.9, 0.93, 0.92])
    lost = beaten([low, high], error=0.05, objective=objective)
    assert lost[1].difference == pytest.approx(0.8067, abs=1e-4)
