import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import EndOfEngineError
from pipeline.search import Driver, SecondsLedger, TrialStore
from pipeline.trial import TrialState
from tests.fakes import Browsable, FakeEngine, FakeLedger, News
from tests.search.studies import Stores, study, table_of

SAMPLERS = ("tpe", "random", "qmc", "grid")
RULES = ("none", "median", "asha", "hyperband")
DELIVERIES = st.tuples(st.integers(1, 8), st.integers(0, 10_000))
UNFINISHED = {TrialState.RUNNING, TrialState.WAITING}


@pytest.mark.parametrize("stopping", RULES)
@pytest.mark.parametrize("sampler", SAMPLERS)
@settings(max_examples=4, deadline=None)
@given(block=st.integers(1, 8), deliveries=st.lists(DELIVERIES, min_size=1, max_size=2))
def test_driver_makes_one_table_whatever_the_workers_and_their_delays(
    sampler: str, stopping: str, block: int, deliveries: list[tuple[int, int]]
) -> None:
    asked = study(sampler=sampler, stopping=stopping, block=block)
    alone = table_of(asked)
    for n_workers, seed in deliveries:
        assert table_of(asked, n_workers=n_workers, seed=seed) == alone


def test_driver_makes_one_table_with_a_gaussian_process() -> None:
    asked = study(sampler="gp", stopping="asha", trials=18)
    assert table_of(asked, n_workers=5, seed=1) == table_of(asked)


def test_driver_makes_a_table_with_every_state_and_no_row_twice() -> None:
    table = table_of(study(stopping="asha", trials=40))
    assert {row["state"] for row in table} == {"COMPLETE", "PRUNED", "FAIL"}
    assert [row["number"] for row in table] == list(range(40))
    assert len({str(row["params"]) for row in table}) == 40


@pytest.mark.parametrize("changed", range(0, 24, 5))
@pytest.mark.parametrize("stopping", ["none", "asha", "median"])
def test_outcome_changes_nothing_before_the_second_block_after_its_own(
    changed: int, stopping: str
) -> None:
    asked = study(stopping=stopping, block=3)
    before = Stores().run(asked, n_workers=3, seed=1)
    after = Stores().run(asked, n_workers=2, seed=2, added={changed: -10.0})
    first_that_sees = (changed // 3 + 2) * 3
    for number in range(min(first_that_sees, 24)):
        assert after.assignments[number] == before.assignments[number]


@pytest.mark.parametrize("changed", [9, 13, 17])
def test_outcome_changes_what_the_second_block_after_its_own_tries(changed: int) -> None:
    asked = study(block=3, trials=30)
    before = Stores().run(asked)
    after = Stores().run(asked, added={changed: -10.0})
    first_that_sees = (changed // 3 + 2) * 3
    seeing = range(first_that_sees, first_that_sees + 3)
    assert any(after.assignments[n].config != before.assignments[n].config for n in seeing)


def test_outcome_changes_the_cutoffs_of_the_second_block_after_its_own() -> None:
    asked = study(block=3, sampler="random", stopping="asha")
    before = Stores().run(asked)
    after = Stores().run(asked, added={6: -10.0})
    assert after.assignments[11].cutoffs == before.assignments[11].cutoffs
    assert after.assignments[12].cutoffs != before.assignments[12].cutoffs


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_larger_number_of_trials_goes_on_with_the_same_first_rows(sampler: str) -> None:
    stores = Stores()
    stores.run(study(sampler=sampler, stopping="asha", trials=10), n_workers=4, seed=3)
    first = stores.table
    stores.run(study(sampler=sampler, stopping="asha", trials=24), n_workers=2, seed=4)
    assert stores.table[:10] == first
    assert stores.table == table_of(study(sampler=sampler, stopping="asha", trials=24))


def test_finished_study_is_run_again_without_training_anything() -> None:
    stores = Stores()
    stores.run(study())
    table = stores.table
    assert stores.run(study()).order == []
    assert stores.table == table


class TimelyEngine(FakeEngine):
    """Lets the study's time run out after so many trials."""

    def __init__(self, n_trials: int) -> None:
        super().__init__(n_workers=2, seed=5)
        self.n_left = n_trials
        self.driver: Driver

    def events(self, timeout_seconds: float) -> Sequence[News]:
        """Deliver news, and end the time when enough trials were handed over."""
        if len(self.order) >= self.n_left:
            self.driver._deadline = 0.0
        return super().events(timeout_seconds)


def run_on(engine: FakeEngine, stores: Stores, asked: Any) -> None:
    driver = driver_on(engine, stores, asked)
    if isinstance(engine, TimelyEngine):
        engine.driver = driver
    driver.run()


def driver_on(engine: FakeEngine, stores: Stores, asked: Any) -> Driver:
    return Driver(
        asked,
        store=TrialStore.create(stores.storage, asked),
        ledger=FakeLedger(stores.held),
        engine=engine,
        seconds=SecondsLedger(0.0, n_workers=engine.n_workers),
    )


def test_time_limit_cuts_the_table_short_and_a_later_run_completes_it() -> None:
    stores, whole = Stores(), table_of(study(stopping="asha"))
    run_on(TimelyEngine(11), stores, study(stopping="asha", max_seconds=1_000.0))
    n_cut = len(stores.rows)
    assert 11 <= n_cut < 24
    assert stores.table == whole[:n_cut]
    stores.run(study(stopping="asha", max_seconds=1_000.0), n_workers=3, seed=6)
    assert stores.table == whole


def test_time_limit_that_is_over_at_once_begins_nothing() -> None:
    stores = Stores()
    stores.run(study(max_seconds=1e-9))
    assert stores.rows == []


class StumblingEngine(FakeEngine):
    """Raises when it is asked for news once more than it was meant to be."""

    def __init__(self, error: BaseException, n_calls: int, **how: Any) -> None:
        super().__init__(**how)
        self.error = error
        self.n_calls = n_calls

    def events(self, timeout_seconds: float) -> Sequence[News]:
        """Deliver news, or stumble."""
        self.n_calls -= 1
        if self.n_calls < 0:
            raise self.error
        return super().events(timeout_seconds)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(KeyboardInterrupt("asked to"), id="Ctrl-C"),
        pytest.param(EndOfEngineError("asked to"), id="no worker starts"),
    ],
)
def test_interruption_leaves_trials_in_flight_waiting_in_both_ledgers(
    error: BaseException,
) -> None:
    stores = Stores()
    engine = StumblingEngine(error, 30, n_workers=4, seed=7)
    with pytest.raises(type(error), match="asked to"):
        run_on(engine, stores, study())
    states = {row.number: row.state for row in stores.rows}
    assert set(states.values()) >= {TrialState.WAITING, TrialState.COMPLETE}
    assert TrialState.RUNNING not in states.values()
    assert {number: run.state for number, run in stores.held.runs.items()} == states
    assert stores.held.study_status == "KILLED"
    stores.run(study(), n_workers=2, seed=8)
    assert stores.table == table_of(study())


def test_run_after_a_kill_leaves_nothing_running_though_it_has_no_time() -> None:
    stores, asked = Stores(), study(max_seconds=1e-9)
    store = TrialStore.create(stores.storage, asked)
    config = Stores().run(study()).assignments[0].config
    store.add(asked, 0, config.params, {})
    stores.held = Browsable()
    FakeLedger(stores.held).start(config)
    stores.run(asked)
    assert [row.state for row in stores.rows] == [TrialState.WAITING]
    assert stores.held.runs[0].state is TrialState.WAITING


class UnreachableLedger(FakeLedger):
    """Cannot be opened, and knows it when it is closed."""

    def open(self, study: Any) -> None:
        """Refuse."""
        del study
        message = "no server there"
        raise ConnectionError(message)

    def close(self, rows: Any, *, is_done: bool) -> None:
        """Complain of what was never opened."""
        del rows, is_done
        message = "closed without being open"
        raise AssertionError(message)


def test_ledger_that_does_not_open_is_not_closed_and_its_error_is_told() -> None:
    stores, engine = Stores(), FakeEngine()
    driver = Driver(
        study(),
        store=TrialStore.create(stores.storage, study()),
        ledger=UnreachableLedger(),
        engine=engine,
        seconds=SecondsLedger(0.0, n_workers=1),
    )
    with pytest.raises(ConnectionError, match="no server there"):
        driver.run()
    assert stores.rows == []


FIXED: tuple[dict[str, Any], ...] = (
    {"depth": 2, "width": 32, "dropout": 0.25, "batch_size": 64, "learning_rate": 1e-3},
    {"depth": 3, "dropout_1": 0.5},
    {},
)


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_fixed_trials_come_first_with_what_they_leave_out_suggested(sampler: str) -> None:
    engine = Stores().run(study(sampler=sampler, fixed=FIXED), n_workers=3, seed=9)
    first, second, third = (engine.assignments[n].config for n in range(3))
    assert engine.order[:3] == [0, 1, 2]
    assert {key: first.params[key] for key in FIXED[0] if key != "dropout"} == {
        key: value for key, value in FIXED[0].items() if key != "dropout"
    }
    assert first.dropouts == (0.25, 0.25)
    assert 0 <= first.input_dropout <= 0.3
    assert (second.depth, second.dropouts[0]) == (3, 0.5)
    assert 0 <= second.dropouts[1] <= 0.6
    assert third.params != engine.assignments[3].config.params


def test_fixed_whole_number_for_a_choice_of_floats_is_written_as_a_float() -> None:
    rates = {"choices": [0.0, 0.5]}
    space = {"depth": 1, "width": 8, "dropout": rates, "batch_size": 8, "learning_rate": 0.1}
    engine = Stores().run(study(space=space, fixed=[{"dropout": 0}], trials=2, sampler="random"))
    assert repr(engine.assignments[0].config.params["dropout"]) == "0.0"


def test_grid_tries_each_setting_once_and_fixed_trials_beside_it() -> None:
    n_settings = len(list(study(sampler="grid").grid()))
    asked = study(sampler="grid", fixed=[{"depth": 1}], trials=n_settings + 1, epochs=1)
    engine = Stores().run(asked, n_workers=8, seed=10)
    tried = [str(sorted(engine.assignments[n].config.params.items())) for n in engine.order[1:]]
    assert len(tried) == len(set(tried)) == n_settings
    assert engine.assignments[0].config.depth == 1


def test_sequence_has_no_setting_twice_and_does_not_depend_on_outcomes() -> None:
    asked = study(sampler="qmc", trials=64, epochs=1)
    added = {number: random.Random(number).uniform(0, 9) for number in range(64)}  # noqa: S311
    one, two = Stores().run(asked), Stores().run(asked, n_workers=8, seed=11, added=added)
    configs = [one.assignments[number].config for number in range(64)]
    assert configs == [two.assignments[number].config for number in range(64)]
    assert len({config.learning_rate for config in configs}) == 64


def test_watch_sees_each_epoch_and_each_outcome_once() -> None:
    stores, seen = Stores(), list[News]()
    driver = Driver(
        study(trials=6),
        store=TrialStore.create(stores.storage, study(trials=6)),
        ledger=FakeLedger(stores.held),
        engine=FakeEngine(n_workers=2, seed=12),
        seconds=SecondsLedger(0.0, n_workers=2),
        watch=seen.append,
    )
    driver.run()
    keys = [(news.number, getattr(news, "epoch", "outcome")) for news in seen]
    curves = [(row["number"], row["curve"]) for row in stores.table]
    expected = {(number, epoch) for number, curve in curves for epoch in [*curve, "outcome"]}  # type: ignore[misc]
    assert len(keys) == len(set(keys))
    assert set(keys) == expected
