"""A study that ends before its time, in good order."""

from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.errors import EndOfEngineError
from pipeline.search.blocks import Blocks
from pipeline.search.driver import Driver
from pipeline.search.storage.store import TrialStore
from pipeline.search.time_ledger import TimeLedger
from pipeline.trial import Event, TrialState
from tests.fakes import Browsable, FakeEngine, FakeLedger
from tests.search.studies import Stores, study, table_of


class TimelyEngine(FakeEngine):
    """Lets the study's time run out after so many trials."""

    def __init__(self, n_trials: int) -> None:
        super().__init__(n_workers=2, seed=5)
        self.n_left = n_trials
        self.driver: Driver

    def events(self, timeout_seconds: float) -> Sequence[Event]:
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
        seconds=TimeLedger(0.0, n_workers=engine.n_workers),
    )


def test_time_limit_cuts_the_table_short_and_a_later_run_completes_it() -> None:
    stores, whole = Stores(), table_of(study(sampler="tpe", stopping="asha"))
    run_on(TimelyEngine(11), stores, study(sampler="tpe", stopping="asha", max_seconds=1_000.0))
    n_cut = sum(row.state.is_finished for row in stores.rows)
    assert 11 <= n_cut < 24
    assert stores.table[:n_cut] == whole[:n_cut]
    asked_in_vain = stores.rows[n_cut:]
    assert {row.state for row in asked_in_vain} == {TrialState.WAITING}
    assert {stores.held.runs[row.number].state for row in asked_in_vain} == {TrialState.WAITING}
    stores.run(study(sampler="tpe", stopping="asha", max_seconds=1_000.0), n_workers=3, seed=6)
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

    def events(self, timeout_seconds: float) -> Sequence[Event]:
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
def test_interruption_leaves_trials_that_were_asked_for_waiting_in_both_ledgers(
    error: BaseException,
) -> None:
    stores = Stores()
    engine = StumblingEngine(error, 30, n_workers=2, seed=7)
    with pytest.raises(type(error), match="asked to"):
        run_on(engine, stores, study(block=8))
    assert set(engine.order) < {row.number for row in stores.rows}
    states = {row.number: row.state for row in stores.rows}
    assert set(states.values()) >= {TrialState.WAITING, TrialState.COMPLETE}
    assert TrialState.RUNNING not in states.values()
    assert {number: run.state for number, run in stores.held.runs.items()} == states
    assert [row.run_id for row in stores.rows] == [f"run-{row.number}" for row in stores.rows]
    assert stores.held.study_status == "KILLED"
    stores.run(study(block=8), n_workers=2, seed=8)
    assert stores.table == table_of(study(block=8))


def test_trials_of_a_killed_driver_get_a_run_though_the_next_one_has_no_time() -> None:
    stores, asked = Stores(), study(max_seconds=1e-9, block=4)
    store = TrialStore.create(stores.storage, asked)
    store.add(asked, 0, Blocks(asked, [], []).ask().suggested)
    stores.run(asked)
    assert [row.state for row in stores.rows] == [TrialState.WAITING] * 4
    assert [stores.held.runs[n].state for n in range(4)] == [TrialState.WAITING] * 4
    assert [row.run_id for row in stores.rows] == ["run-0", "run-1", "run-2", "run-3"]


def test_run_after_a_kill_leaves_nothing_running_though_it_has_no_time() -> None:
    stores, asked = Stores(), study(max_seconds=1e-9)
    store = TrialStore.create(stores.storage, asked)
    config = Stores().run(study()).assignments[0].config
    store.add(asked, 0, Blocks(asked, [], []).ask().suggested[:1])
    store.begin([0])
    stores.held = Browsable()
    FakeLedger(stores.held).start(config)
    stores.run(asked)
    assert [row.state for row in stores.rows] == [TrialState.WAITING]
    assert stores.held.runs[0].state is TrialState.WAITING


class UnreachableLedger(FakeLedger):
    """Cannot be opened, and knows it when it is closed."""

    def open(self, study: Any, known: Any = None, warm_start: Any = None) -> None:
        """Refuse."""
        del study, known, warm_start
        message = "no server there"
        raise ConnectionError(message)

    def close(self, state: Any) -> None:
        """Complain of what was never opened."""
        del state
        message = "closed without being open"
        raise AssertionError(message)


def test_ledger_that_does_not_open_is_not_closed_and_its_error_is_told() -> None:
    stores, engine = Stores(), FakeEngine()
    driver = Driver(
        study(),
        store=TrialStore.create(stores.storage, study()),
        ledger=UnreachableLedger(),
        engine=engine,
        seconds=TimeLedger(0.0, n_workers=1),
    )
    with pytest.raises(ConnectionError, match="no server there"):
        driver.run()
    assert stores.rows == []
