"""Which trial is the best: the lowest value, or the finalist of the lowest mean on new seeds."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Finalist
from pipeline.trial import TrialRow, TrialState, find_best, rank

SEARCHED = {0: 0.30, 1: 0.10, 2: 0.25, 3: 0.20}
"""Trial 1 was lucky."""


def row(
    number: int,
    value: float | None,
    *,
    state: TrialState | None = None,
    setting: int | None = None,
    finalist: Finalist | None = None,
) -> TrialRow:
    """A line of a table; its setting is another trial's if that is given."""
    return TrialRow(
        number=number,
        state=state or (TrialState.FAIL if value is None else TrialState.COMPLETE),
        value=value,
        best_epoch=1,
        params={"depth": number if setting is None else setting},
        run_id=f"run-{number}",
        weights_sha256=None,
        cause=None,
        finalist=finalist,
    )


def finalists(first: int, values: dict[int, list[float | None]]) -> list[TrialRow]:
    """The trials of finalists, from a number on: of each setting its values on new seeds."""
    last = first + sum(map(len, values.values())) - 1
    settings = [(setting, value) for setting, own in values.items() for value in own]
    return [
        row(
            number,
            value,
            setting=setting,
            finalist=Finalist(setting_of=setting, first=first, last=last),
        )
        for number, (setting, value) in enumerate(settings, start=first)
    ]


def searched() -> list[TrialRow]:
    """Trials that the search suggested."""
    return [row(number, value) for number, value in SEARCHED.items()]


STUDY = [*searched(), *finalists(4, {1: [0.29, 0.27, 0.28], 3: [0.21, 0.19, 0.23]})]


def test_without_finalists_the_lowest_value_is_the_best_the_first_of_equals() -> None:
    best = find_best([*searched(), row(4, 0.10), row(5, None), row(6, None, state=None)])
    assert best is not None
    assert (best.number, best.value, best.ranked.n_seeds, best.finalists) == (1, 0.10, 1, ())
    assert best.as_json() == {
        "number": 1,
        "value": 0.10,
        "params": {"depth": 1},
        "run_id": "run-1",
        "seeds": 1,
        "value_of_trial": 0.10,
        "finalists": [],
    }


def test_without_a_complete_trial_there_is_no_best() -> None:
    assert find_best([row(0, None), row(1, None, state=TrialState.WAITING)]) is None


def test_finalist_of_the_lowest_mean_is_the_best_whatever_its_setting_had_in_the_search() -> None:
    best = find_best(STUDY)
    assert best is not None
    assert best.value == pytest.approx((0.21 + 0.19 + 0.23) / 3)
    assert (best.number, best.run_id, best.params) == (8, "run-8", {"depth": 3})
    assert (best.ranked.n_seeds, best.trial.value) == (3, 0.19)
    told = best.as_json()
    assert [one["setting_of"] for one in told["finalists"]] == [3, 1]
    assert told["finalists"][1] == {
        "setting_of": 1,
        "numbers": [4, 5, 6],
        "failed": [],
        "mean": pytest.approx(0.28),
        "lowest": 0.27,
        "highest": 0.29,
        "params": {"depth": 1},
    }
    assert (told["value"], told["value_of_trial"], told["seeds"]) == (best.value, 0.19, 3)


def test_finalists_stand_before_all_others_and_each_of_their_settings_once() -> None:
    assert [(one.trial.number, one.n_seeds) for one in rank(STUDY)] == [
        (8, 3),
        (5, 3),
        (2, 1),
        (0, 1),
    ]


@given(st.integers(4, 9), st.sampled_from([TrialState.RUNNING, TrialState.WAITING, None]))
def test_finalists_count_when_all_of_them_have_ended(number: int, state: TrialState | None) -> None:
    rows = [row for row in STUDY if row.number != number]
    unfinished = row(number, None, state=state, finalist=STUDY[number].finalist)
    best = find_best([*rows, unfinished] if state else rows)
    assert best is not None
    assert (best.number, best.value) == (1, 0.10)


def test_finalists_of_a_study_that_goes_on_count_until_the_next_ones_have_ended() -> None:
    more = [row(10, 0.05), row(11, 0.15), *finalists(12, {10: [0.16, 0.17, 0.18]})]
    for n_rows in range(len(more)):
        best = find_best([*STUDY, *more[:n_rows]])
        assert best is not None
        assert best.number == 8
    best = find_best([*STUDY, *more])
    assert best is not None
    assert best.number == 12
    assert best.value == pytest.approx(0.17)
    assert [one.setting_of for one in best.finalists] == [10]


def test_seed_that_failed_is_left_out_and_told() -> None:
    best = find_best([*searched(), *finalists(4, {3: [0.21, None, 0.19]})])
    assert best is not None
    assert (best.number, best.ranked.n_seeds) == (6, 2)
    assert best.value == pytest.approx(0.20)
    assert best.finalists[0].failed == (5,)


def test_finalist_of_which_a_seed_failed_stands_after_those_that_are_whole() -> None:
    rows = [*searched(), *finalists(4, {1: [0.1, None, 0.1], 3: [0.2, 0.2, 0.2]})]
    assert [one.trial.number for one in rank(rows)] == [7, 4, 2, 0]


def test_finalists_that_all_failed_leave_the_lowest_value_of_another_setting() -> None:
    rows = [*searched(), *finalists(4, {1: [None, None, None]})]
    best = find_best(rows)
    assert best is not None
    assert (best.number, best.value, best.ranked.n_seeds) == (3, 0.20, 1)
    assert best.finalists[0].as_json()["mean"] is None


@given(st.randoms(use_true_random=False))
def test_best_does_not_depend_on_the_order_of_the_rows(chance: random.Random) -> None:
    rows = chance.sample(STUDY, len(STUDY))
    assert find_best(rows) == find_best(STUDY)


@given(st.lists(st.one_of(st.none(), st.floats(0, 9)), min_size=1, max_size=9))
def test_ranking_has_each_complete_trial_of_a_search_once_the_lowest_first(
    values: list[float | None],
) -> None:
    ranked = rank([row(number, value) for number, value in enumerate(values)])
    assert [one.value for one in ranked] == sorted(v for v in values if v is not None)
    assert not any(math.isnan(one.value) for one in ranked)
