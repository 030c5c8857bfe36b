"""The last trials of a study train the best settings again on new seeds."""

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Finalist, Params, usual_setting
from pipeline.search.finalists import choose_settings, rank_settings
from pipeline.search.storage.store import TrialStore
from pipeline.trial import Cohort, EpochScores, TrialOutcome, TrialRow, TrialState, find_best
from tests.fakes import Fuse, KilledError, fake_fit
from tests.search.studies import RATE, Stores, ended, study, table_of

ASKED: dict[str, Any] = {"trials": 20, "finalists": 2, "block": 4, "sampler": "random"}
SEARCHED = 14


def complete(values: Sequence[float | None]) -> list[TrialRow]:
    """Trials of these values; ``None`` was stopped."""
    return [
        ended(n, TrialState.PRUNED, None, (9.0,))
        if value is None
        else ended(n, TrialState.COMPLETE, value, (value,))
        for n, value in enumerate(values)
    ]


def rates(*learning_rates: float) -> list[Params]:
    """Settings that differ in the learning rate."""
    return [usual_setting(study(space=RATE)) | {"learning_rate": rate} for rate in learning_rates]


def test_lucky_trial_among_bad_neighbours_ranks_behind_a_good_one_among_good_neighbours() -> None:
    near_bad, near_good = [1.0e-4, 1.1e-4, 1.2e-4, 1.3e-4], [3.0e-3, 3.2e-3, 3.4e-3, 3.6e-3]
    values = [0.50, 0.19, 0.51, 0.49, 0.21, 0.20, 0.22, 0.20]
    suggested = rates(*near_bad, *near_good)
    ranked = rank_settings(study(space=RATE), suggested, complete(values))
    assert min(values) == values[1]
    assert set(ranked[:4]) == {4, 5, 6, 7}


def test_settings_are_chosen_once_each_three_trials_side_by_side() -> None:
    suggested = rates(1e-3, 2e-3, 1e-3, 3e-3, 4e-3)
    trials = complete([0.2, 0.3, 0.2, None, 0.4])
    asked = study(space=RATE, trials=20, finalists=2)
    assert choose_settings(asked, suggested, trials, n_trials=6) == [0, 0, 0, 1, 1, 1]
    more = study(space=RATE, trials=20, finalists=5)
    chosen = choose_settings(more, suggested, trials, n_trials=15)
    assert chosen == [0] * 9 + [1] * 3 + [4] * 3


@pytest.mark.parametrize(("n_trials", "chosen"), [(1, [0]), (2, [0, 0]), (5, [0] * 5)])
def test_few_trials_are_all_of_the_best_setting(n_trials: int, chosen: list[int]) -> None:
    asked = study(space=RATE, trials=20, finalists=2)
    trials = complete([0.2, 0.3])
    assert choose_settings(asked, rates(1e-3, 2e-3), trials, n_trials=n_trials) == chosen


def test_nothing_is_chosen_where_no_trial_is_complete() -> None:
    asked = study(space=RATE, trials=20, finalists=2)
    assert choose_settings(asked, rates(1e-3), complete([None]), n_trials=6) == []


def test_the_only_setting_of_a_space_is_chosen() -> None:
    space = RATE | {"width": 16, "learning_rate": 1e-3}
    asked = study(space=space, trials=20, finalists=2)
    assert rank_settings(asked, rates(1e-3, 1e-3), complete([0.2, 0.1])) == [0]


def numbers_of(rows: Sequence[TrialRow]) -> list[int]:
    """The numbers of the finalists' trials."""
    return [row.number for row in rows if row.finalist is not None]


@pytest.mark.parametrize("sampler", ["gp", "tpe", "random", "qmc", "grid"])
@pytest.mark.parametrize("stopping", ["none", "asha", "halving"])
def test_last_trials_train_settings_of_complete_trials_again_to_their_end(
    sampler: str, stopping: str
) -> None:
    stores = Stores()
    engine = stores.run(study(**ASKED | {"sampler": sampler, "stopping": stopping}))
    rows = stores.rows
    assert numbers_of(rows) == list(range(SEARCHED, 20))
    settings_of = [row.finalist.setting_of for row in rows if row.finalist]
    assert settings_of[0] == settings_of[2] != settings_of[3] == settings_of[5]
    for row in rows[SEARCHED:]:
        assert row.finalist is not None
        assert row.finalist.numbers == range(SEARCHED, 20)
        first = rows[row.finalist.setting_of]
        assert first.number < SEARCHED
        assert (row.params, first.state) == (first.params, TrialState.COMPLETE)
        assignment = engine.assignments[row.number]
        assert (assignment.cutoffs, assignment.pause_at) == (None, None)
        assert assignment.patience == 3
        assert assignment.config.finalist == row.finalist
    seeds = {engine.assignments[n].config.seeds["initialisation"] for n in range(20)}
    assert len(seeds) == 20


DELIVERIES = st.tuples(st.integers(1, 8), st.integers(0, 10_000), st.integers(1, 8) | st.none())


@pytest.mark.parametrize("sampler", ["gp", "random"])
@pytest.mark.parametrize("stopping", ["none", "asha", "halving"])
@settings(max_examples=3)
@given(block=st.integers(1, 8), deliveries=st.lists(DELIVERIES, min_size=1, max_size=2))
def test_finalists_are_the_same_whatever_the_workers_their_delays_and_the_cohorts(
    sampler: str, stopping: str, block: int, deliveries: list[tuple[int, int, int | None]]
) -> None:
    asked = study(**ASKED | {"sampler": sampler, "stopping": stopping, "block": block})
    alone = table_of(asked)
    for n_workers, seed, cohort in deliveries:
        assert table_of(asked, n_workers=n_workers, seed=seed, max_cohort=cohort) == alone


def test_finalists_of_one_setting_are_trained_as_one() -> None:
    engine = Stores().run(study(**ASKED), max_cohort=3)
    configs = [engine.assignments[number].config for number in range(SEARCHED, 20)]
    if configs[0].shape != configs[3].shape:
        assert {(14, 15, 16), (17, 18, 19)} <= set(engine.cohorts)
    assert all(len(set(cohort) & {14, 17}) < 2 for cohort in engine.cohorts)


def test_finalists_follow_from_all_trials_before_them() -> None:
    asked = study(**ASKED)
    for changed in range(SEARCHED):
        if changed % 13 == 12:
            continue
        stores = Stores()
        stores.run(asked, context={changed: -10.0})
        finalist = stores.rows[SEARCHED].finalist
        assert finalist is not None
        assert finalist.setting_of == changed


def killed(stores: Stores, asked: Any, calls: int) -> bool:
    """Run a study and die at a call; say whether it did."""
    try:
        stores.run(asked, n_workers=3, seed=calls, fuse=Fuse(calls))
    except KilledError:
        return True
    return False


@pytest.mark.parametrize("stopping", ["none", "halving"])
def test_study_killed_at_any_call_has_the_finalists_of_the_undisturbed_one(stopping: str) -> None:
    asked = study(**ASKED | {"stopping": stopping})
    table = table_of(asked)
    for calls in range(0, 400, 23):
        stores = Stores()
        if not killed(stores, asked, calls):
            assert calls > 100
            break
        stores.run(asked, n_workers=2, seed=1)
        assert stores.table == table
        assert stores.held.study_status == "FINISHED"


MORE = study(**ASKED | {"trials": 33})


def test_study_that_goes_on_keeps_its_finalists_as_ordinary_trials_and_has_others_at_the_end() -> (
    None
):
    stores = Stores()
    stores.run(study(**ASKED))
    first = stores.table
    stores.run(MORE, n_workers=3, seed=2)
    assert stores.table[:20] == first
    assert numbers_of(stores.rows) == [*range(14, 20), *range(27, 33)]
    best = find_best(stores.rows)
    assert best is not None
    assert 27 <= best.number < 33
    assert [one.trials[0].number for one in best.finalists] in ([27, 30], [30, 27])


def test_study_that_goes_on_ends_the_same_whatever_the_workers_and_deaths() -> None:
    stores = Stores()
    stores.run(study(**ASKED))
    stores.run(MORE)
    for calls in range(0, 300, 37):
        other = Stores()
        other.run(study(**ASKED), n_workers=4, seed=calls)
        killed(other, MORE, calls)
        other.run(MORE, n_workers=2, seed=calls)
        assert other.table == stores.table


def test_study_that_goes_on_before_its_finalists_began_is_the_larger_study() -> None:
    whole, n_grown = table_of(MORE), 0
    for calls in range(0, 400, 29):
        stores = Stores()
        killed(stores, study(**ASKED), calls)
        if not numbers_of(stores.rows):
            n_grown += 1
            stores.run(MORE, n_workers=2, seed=3)
            assert stores.table == whole
    assert n_grown > 5


def test_finalists_that_were_begun_are_completed_though_the_study_goes_on() -> None:
    stores = Stores()
    stores.run(study(**ASKED))
    stores.run(MORE)
    n_begun = 0
    for calls in range(80, 480, 11):
        other = Stores()
        is_killed = killed(other, study(**ASKED), calls)
        if is_killed and numbers_of(other.rows):
            n_begun += 1
            other.run(MORE, n_workers=2, seed=3)
            assert other.table == stores.table
    assert n_begun > 2


@pytest.mark.parametrize("n_more", [1, 2, 3, 5])
def test_study_that_goes_on_by_few_trials_trains_one_setting_with_them(n_more: int) -> None:
    stores = Stores()
    stores.run(study(**ASKED))
    stores.run(study(**ASKED | {"trials": 20 + n_more}))
    new = [row.finalist for row in stores.rows[20:]]
    assert len(new) == n_more
    assert None not in new
    assert len({finalist.setting_of for finalist in new if finalist}) == 1
    best = find_best(stores.rows)
    assert best is not None
    assert best.ranked.n_seeds == n_more
    assert stores.held.study_status == "FINISHED"


def stopped_unless(complete_: Callable[[int], bool]) -> Any:
    """Fit trials of which only some are complete; the others are stopped at their first epoch."""

    def fit(
        cohort: Cohort, context: Any, report: Callable[[EpochScores], None]
    ) -> list[TrialOutcome]:
        outcomes = fake_fit(cohort, context, report)
        return [
            one if complete_(one.number) else _stopped(one)
            for one in outcomes
            if one.state is not TrialState.RUNNING or complete_(one.number)
        ]

    return fit


def _stopped(outcome: TrialOutcome) -> TrialOutcome:
    return TrialOutcome(
        number=outcome.number, state=TrialState.PRUNED, cause="stopped", curve=outcome.curve
    )


def test_without_a_complete_trial_the_last_trials_are_ordinary_ones() -> None:
    stores = Stores()
    stores.run(study(**ASKED), fit=stopped_unless(lambda _: False))
    rows = stores.rows
    assert len(rows) == 20
    assert numbers_of(rows) == []
    assert len({str(row.params) for row in rows}) == 20
    assert stores.held.study_status == "FINISHED"


def test_finalists_begin_late_where_the_first_complete_trial_is_late() -> None:
    fit = stopped_unless(lambda number: number >= 15)
    stores = Stores()
    stores.run(study(**ASKED), fit=fit)
    assert numbers_of(stores.rows) == [16, 17, 18, 19]
    assert {row.finalist.setting_of for row in stores.rows[16:] if row.finalist} == {15}
    again = Stores()
    again.run(study(**ASKED), fit=fit, n_workers=4, seed=8)
    assert again.table == stores.table


def test_grid_that_has_no_complete_trial_begins_anew_after_its_last_setting() -> None:
    n_settings = len(list(study(sampler="grid").grid()))
    asked = study(**ASKED | {"sampler": "grid", "trials": n_settings + 6}, epochs=1)
    stores = Stores()
    stores.run(asked, fit=stopped_unless(lambda _: False))
    assert [row.params for row in stores.rows[n_settings:]] == [
        row.params for row in stores.rows[:6]
    ]


def test_finalist_that_failed_is_tried_again_as_a_finalist() -> None:
    asked = study(**ASKED | {"trials": 18, "finalists": 2})
    stores = Stores()
    stores.run(asked, context=None)
    failed = stores.rows[12]
    assert (failed.state, numbers_of(stores.rows)) == (TrialState.FAIL, list(range(12, 18)))
    best = find_best(stores.rows)
    assert best is not None
    assert [len(one.values) for one in sorted(best.finalists, key=lambda f: len(f.values))] == [
        2,
        3,
    ]
    TrialStore.create(stores.storage, asked).retry_failed()
    assert numbers_of(stores.rows) == list(range(12, 18))
    assert stores.rows[12].finalist == failed.finalist
    assert find_best(stores.rows) != best


@given(st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_ranking_of_settings_does_not_depend_on_the_order_of_the_trials(
    chance: random.Random,
) -> None:
    values = [0.3, 0.2, 0.4, 0.25, 0.21, 0.5]
    suggested = rates(1e-4, 3e-4, 1e-3, 2e-3, 4e-3, 9e-3)
    trials = complete(values)
    expected = rank_settings(study(space=RATE), suggested, trials)
    again = chance.sample(trials, len(trials))
    assert rank_settings(study(space=RATE), suggested, again) == expected


def test_diverged_trials_do_not_hide_which_setting_is_best() -> None:
    suggested = rates(1e-4, 3e-4, 1e-3, 2e-3, 4e-3, 9e-3)
    trials = [*complete([0.5, 0.3, 0.2, 0.3]), *(complete([0.0] * 6)[4:])]
    trials[4:] = [ended(n, TrialState.FAIL, None, (math.nan,)) for n in (4, 5)]
    assert rank_settings(study(space=RATE), suggested, trials)[0] == 2


def test_finalists_are_told_apart_from_trials_of_the_same_setting() -> None:
    stores = Stores()
    stores.run(study(**ASKED))
    stored = TrialStore(stores.storage, "small")
    assert stored.finalists()[14] == stores.rows[14].finalist
    assert isinstance(stored.finalists()[14], Finalist)
    assert set(stored.finalists()) == set(range(14, 20))
    assert stored.is_done
