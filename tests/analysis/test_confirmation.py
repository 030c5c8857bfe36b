"""Who wins, who is tied, and who may be a candidate; intervals against SciPy and chance itself."""

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from pipeline.analysis import Candidate, Interval, Repeat, choose_candidates, judge
from pipeline.analysis.confirmation import cannot_be_told_apart, interval
from pipeline.config import Finalist
from pipeline.trial import SealedScores, TrialRow, TrialState

N_SEEDS = 4
LOSSES = st.lists(st.floats(0.01, 10), min_size=N_SEEDS, max_size=N_SEEDS)
VALUES = st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=20)
CLEAR = {7: [0.20, 0.21, 0.19, 0.20], 3: [0.50, 0.52, 0.51, 0.49], 12: [0.80, 0.79, 0.81, 0.80]}


def candidate(number: int, losses: list[float | None]) -> Candidate:
    """A trial with a loss a repeat; ``None`` failed."""
    repeats = [
        Repeat(repeat=i, value=loss, cause=None if loss is not None else "diverged")
        for i, loss in enumerate(losses, start=1)
    ]
    return Candidate(number=number, params={"depth": 1}, repeats=tuple(repeats))


def candidates(losses: dict[int, list[float]]) -> list[Candidate]:
    """Several trials."""
    return [candidate(number, list(given_)) for number, given_ in losses.items()]


def row(
    number: int,
    value: float | None,
    state: TrialState = TrialState.COMPLETE,
    *,
    depth: int | None = None,
    finalist: Finalist | None = None,
) -> TrialRow:
    """A line of the study's table; unless told otherwise each has a setting of its own."""
    return TrialRow(
        number=number,
        state=state,
        value=value,
        best_epoch=None,
        params={"depth": number if depth is None else depth},
        run_id=None,
        weights_sha256=None,
        cause=None,
        finalist=finalist,
    )


@given(st.dictionaries(st.integers(0, 99), LOSSES, min_size=1, max_size=6))
def test_winner_has_the_lowest_mean_and_its_equals_are_tied(losses: dict[int, list[float]]) -> None:
    answer = judge(candidates(losses))
    means = [one.value.mean for one in answer.candidates]
    assert means == sorted(means, key=lambda mean: mean or 0)
    assert answer.winner == answer.tied[0] == answer.candidates[0].number
    best = losses[answer.winner]
    assert set(answer.tied) == {
        number for number, own in losses.items() if cannot_be_told_apart(own, best)
    }


@given(st.permutations([*CLEAR]))
def test_answer_does_not_depend_on_the_order_of_candidates(order: list[int]) -> None:
    assert judge(candidates({n: CLEAR[n] for n in order})) == judge(candidates(CLEAR))


def test_clear_winner_stands_alone() -> None:
    answer = judge(candidates(CLEAR))
    assert (answer.winner, answer.tied, answer.sentence) == (7, (7,), "trial 7 wins")


def test_those_that_chance_may_have_parted_are_tied() -> None:
    answer = judge(candidates(CLEAR | {12: [0.25, 0.17, 0.25, 0.18], 9: [0.24, 0.19, 0.22, 0.21]}))
    assert (answer.winner, answer.tied) == (7, (7, 12, 9))
    told = "trials 7, 12 and 9 cannot be told apart at 4 seeds; 7 has the lowest mean"
    assert answer.sentence == told


def test_paired_seeds_tell_apart_what_intervals_alone_would_not() -> None:
    answer = judge(candidates({1: [0.1, 0.5, 0.9, 1.3], 2: [0.2, 0.61, 1.0, 1.41]}))
    first, second = answer.candidates
    assert (first.value.high or 0) > (second.value.low or 9)
    assert answer.tied == (1,)


def test_one_seed_tells_nobody_apart() -> None:
    answer = judge(candidates({1: [0.1], 2: [9.0]}))
    assert (answer.winner, answer.tied) == (1, (1, 2))
    assert "at 1 seed;" in answer.sentence


def test_lone_candidate_is_not_said_to_win() -> None:
    assert judge(candidates({4: [0.1, 0.2]})).sentence == "trial 4 was the only candidate"


def test_candidate_with_a_failed_repeat_cannot_win_however_low_the_others_are() -> None:
    failed = candidate(1, [0.01, None, 0.01, 0.01])
    answer = judge([failed, *candidates(CLEAR)])
    assert (answer.winner, answer.tied) == (7, (7,))
    assert answer.candidates[-1] == failed
    told = answer.as_json()["candidates"][-1]
    assert (told["mean"], told["low"], told["high"]) == (None, None, None)
    assert told["failures"] == [{"repeat": 2, "cause": "diverged"}]


def test_nobody_wins_where_every_candidate_failed() -> None:
    answer = judge([candidate(1, [None, 0.2]), candidate(0, [0.1, None])])
    assert (answer.winner, answer.tied) == (None, ())
    assert answer.sentence == "no candidate was trained on all of 2 seeds"


def test_json_holds_test_scores_with_their_intervals() -> None:
    scored = candidate(3, [0.5, 0.5]).with_test(
        {1: SealedScores(0.4, 0.9), 2: SealedScores(0.6, 0.9)}
    )
    told = json.loads(json.dumps(judge([scored]).as_json()))
    (only,) = told["candidates"]
    assert only["test"]["mean"] == pytest.approx(0.5)
    assert only["test"]["low"] < 0.5 < only["test"]["high"]
    assert only["test_accuracy"]["mean"] == pytest.approx(0.9)
    assert told["tied"] == [3]


def test_json_has_no_accuracy_where_the_model_has_none() -> None:
    scored = candidate(3, [0.5]).with_test({1: SealedScores(0.4)})
    assert scored.as_json()["test_accuracy"] is None
    assert scored.as_json()["test"]["mean"] == 0.4


def test_json_holds_what_a_module_logged_on_the_test_part_of_every_seed() -> None:
    scores = [{"test_f1": 0.5, "seldom": 1.0}, {"test_f1": 0.7, "often": 2.0}]
    repeats = {number: SealedScores(0.4, None, one) for number, one in enumerate(scores, start=1)}
    answer = judge([candidate(3, [0.5, 0.5]).with_test(repeats)])
    told = json.loads(json.dumps(answer.as_json()))["candidates"][0]["metrics"]
    assert told.keys() == {"test_f1"} == set(answer.shown_metrics)
    assert answer.has_test_loss
    assert told["test_f1"]["mean"] == pytest.approx(0.6)
    assert told["test_f1"]["low"] < 0.5
    assert told["test_f1"]["high"] > 0.7
    assert judge([candidate(3, [0.5])]).as_json()["candidates"][0]["metrics"] == {}


@pytest.mark.parametrize(
    ("metrics", "is_shown"), [({}, True), ({"test_f1": 0.5}, False)], ids=["nothing", "another"]
)
def test_a_loss_that_no_module_logs_is_not_shown_beside_another_score(
    metrics: dict[str, float], *, is_shown: bool
) -> None:
    scored = candidate(3, [0.5]).with_test({1: SealedScores(math.nan, None, metrics)})
    assert judge([scored]).has_test_loss == is_shown


def test_candidates_are_the_best_and_those_that_the_file_names_once_each() -> None:
    rows = [
        row(0, None, TrialState.PRUNED),
        row(1, 0.2),
        row(2, None, TrialState.FAIL),
        row(3, 0.1),
        row(4, 0.4),
        row(5, None, TrialState.PRUNED),
        row(6, None, TrialState.WAITING),
    ]
    chosen = choose_candidates(rows, top=2, n_fixed=3)
    assert [one.number for one in chosen] == [3, 1, 0]
    assert [one.number for one in choose_candidates(rows, top=9, n_fixed=0)] == [3, 1, 4]


def test_candidates_have_different_settings_the_finalists_first_by_their_means() -> None:
    final = {n: Finalist(setting_of=n, first=4, last=7) for n in (0, 2)}
    rows = [
        *(row(0, 0.3), row(1, 0.1), row(2, 0.2), row(3, 0.1, depth=1)),
        *(row(4, 0.25, depth=2, finalist=final[2]), row(5, 0.23, depth=2, finalist=final[2])),
        *(row(6, 0.15, depth=0, finalist=final[0]), row(7, 0.17, depth=0, finalist=final[0])),
    ]
    assert [one.number for one in choose_candidates(rows, top=9, n_fixed=2)] == [6, 5, 1]
    assert [one.number for one in choose_candidates(rows, top=1, n_fixed=2)] == [6, 1]


def test_nothing_is_a_candidate_where_no_trial_is_complete() -> None:
    assert choose_candidates([row(0, None, TrialState.PRUNED)], top=5, n_fixed=1) == []


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


@given(VALUES, st.data())
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
