"""Who wins, who is tied, what the baseline comes to, and the words for it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.analysis import Candidate, Confirmation, judge
from pipeline.analysis.candidates import Dropped
from pipeline.analysis.race import LAST_ERROR, beaten
from pipeline.config import VAL_LOSS, Objective
from tests.analysis.builders import candidate, candidates

N_SEEDS = 4
LOSSES = st.lists(st.floats(0.01, 10), min_size=N_SEEDS, max_size=N_SEEDS)
CLEAR = {7: [0.20, 0.21, 0.19, 0.20], 3: [0.50, 0.52, 0.51, 0.49], 12: [0.80, 0.79, 0.81, 0.80]}
ACCURACY = Objective(metric="val_accuracy", direction="maximize")


@given(st.dictionaries(st.integers(0, 99), LOSSES, min_size=1, max_size=6))
def test_winner_has_the_lowest_mean_and_its_equals_are_tied(losses: dict[int, list[float]]) -> None:
    answer = judge(candidates(losses))
    means = [one.value.mean for one in answer.candidates]
    assert means == sorted(means, key=lambda mean: mean or 0)
    assert answer.winner == answer.tied[0] == answer.candidates[0].number
    lost = beaten(answer.candidates, error=LAST_ERROR)
    assert set(answer.tied) == losses.keys() - lost.keys()


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


def against(baseline: list[float | None], **how: object) -> Confirmation:
    """The clear winner and a baseline."""
    return judge([*candidates(CLEAR), candidate(0, baseline, is_baseline=True, **how)])


def test_winner_that_is_better_beyond_doubt_beats_the_baseline_by_so_much() -> None:
    answer = against([0.40, 0.42, 0.39, 0.40])
    assert answer.beats_baseline
    assert answer.gain is not None
    assert answer.gain.mean == pytest.approx(0.2025)
    assert 0 < (answer.gain.low or 0) < 0.2025 < (answer.gain.high or 0)
    assert answer.tied == (7,)
    told = "trial 7 beats the baseline (trial 0): val_loss lower by 0.2025 ["
    assert answer.sentences[1].startswith(told)
    assert answer.as_json()["gain"] == answer.gain.as_json()
    assert (answer.as_json()["baseline"], answer.as_json()["beats_baseline"]) == (0, True)


def test_baseline_is_tied_where_the_gain_on_it_may_be_none() -> None:
    answer = against([0.26, 0.18, 0.22, 0.19])
    assert answer.gain is not None
    assert answer.gain.contains_zero
    assert (answer.winner, answer.tied) == (7, (7, 0))
    assert answer.sentences[1].startswith("trial 7 cannot be told from the baseline (trial 0): ")


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        ([0.1, 0.1, 0.1, 0.1], "no candidate has a better mean than the baseline (trial 0)"),
        ([0.1, None, 0.1], "the baseline (trial 0) failed: nothing can be compared with it"),
    ],
    ids=["it wins", "it failed"],
)
def test_no_gain_is_told_where_there_is_none(losses: list[float | None], told: str) -> None:
    answer = against(losses)
    assert answer.gain is None
    assert not answer.beats_baseline
    assert answer.sentences[1] == told


def test_a_higher_accuracy_beats_the_baseline_by_a_positive_gain() -> None:
    high = {3: [0.90, 0.91, 0.90, 0.92], 5: [0.70, 0.72, 0.71, 0.70]}
    first, second = candidates(high)
    answer = judge([first, replace(second, is_baseline=True)], ACCURACY)
    assert answer.gain is not None
    assert answer.gain.mean == pytest.approx(0.2)
    assert "val_accuracy higher by 0.2000 [" in answer.sentences[1]


def test_setting_that_no_trial_had_is_called_by_its_name() -> None:
    plain = replace(candidate(0, [0.19, 0.22, 0.20, 0.20], is_baseline=True), number="baseline")
    answer = judge([*candidates(CLEAR), plain])
    assert (answer.winner, answer.tied) == (7, (7, "baseline"))
    assert answer.sentence.startswith("trial 7 and the baseline cannot be told apart at 4 seeds;")
    told = "baseline (the search's best setting without its dropout): val_loss lower by"
    assert told in answer.sentences[1]
    alone = judge([plain])
    assert (alone.winner, alone.sentences) == ("baseline", ("the baseline was the only candidate",))


def searched(value: float, objective: Objective = VAL_LOSS) -> Confirmation:
    """One candidate that the search gave a value."""
    one = candidate(7, [0.20, 0.21, 0.19, 0.20], search_value=value, is_search_best=True)
    return judge([one], objective)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.15, "the search gave trial 7 val_loss 0.1500, which was too good by 0.0500 ["),
        (0.199, "the search gave trial 7 val_loss 0.1990; by how much that was too good, 0.0010 ["),
        (
            0.25,
            "the search gave trial 7 val_loss 0.2500; its mean over new seeds is better by",
        ),
    ],
    ids=["too good", "chance", "too bad"],
)
def test_winners_curse_is_told(value: float, told: str) -> None:
    answer = searched(value)
    assert answer.sentences[1].startswith(told)
    (only,) = answer.as_json()["candidates"]
    assert only["too_good"]["mean"] == pytest.approx(0.20 - value)
    assert only["search_value"] == value


def test_an_accuracy_is_too_good_where_it_was_higher_in_the_search() -> None:
    too_good = searched(0.25, ACCURACY).too_good(searched(0.25).candidates[0])
    assert too_good is not None
    assert too_good.mean == pytest.approx(0.05)
    assert searched(0.25).too_good(candidate(1, [0.1])) is None


def test_interval_of_a_chosen_winner_is_widened_and_those_of_others_are_not() -> None:
    equals = {n: [0.2 + (n * k) % 7 / 100 for k in (1, 2, 3, 4)] for n in (1, 2, 3, 4)}
    answer = judge(candidates(equals))
    first, *others = answer.candidates
    assert len(answer.tied) > 2
    assert answer.is_widened
    assert answer.value_of(first).low == first.value.low
    assert (answer.value_of(first).high or 0) > (first.value.high or 9)
    assert all(answer.value_of(one) == one.value for one in others)
    assert answer.as_json()["candidates"][0]["high"] == answer.value_of(first).high
    assert not judge(candidates(CLEAR)).is_widened


def dropped(number: int, difference: float) -> Candidate:
    """A candidate that trial 7 beat after two seeds."""
    why = Dropped(after=2, by=7, difference=difference)
    return candidate(number, [0.01, 0.02], dropped=why)


def test_dropped_candidates_stand_behind_those_that_went_on_and_are_told_together() -> None:
    answer = judge([dropped(5, 0.3), dropped(4, 0.25), *candidates(CLEAR)])
    assert [one.number for one in answer.candidates] == [7, 3, 12, 4, 5]
    assert not {4, 5} & set(answer.tied)
    assert answer.sentences[-1] == (
        "trials 4 and 5 were dropped after 2 of 4 seeds: worse than trial 7 by at least 0.2500, "
        "beyond chance"
    )
    one = judge([dropped(5, 0.3), *candidates(CLEAR)]).sentences[-1]
    assert one.startswith("trial 5 was dropped after 2 of 4 seeds: worse than trial 7 by 0.3000,")
