import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.search.driver import Driver
from pipeline.search.storage.store import TrialStore
from pipeline.search.time_ledger import TimeLedger
from tests.fakes import FakeEngine, FakeLedger
from tests.search.studies import Stores, study

NAMES = ["total", "start_up", "data", "training", "validation", "sampling", "stores", "waiting"]


def parts(summary: dict[str, float]) -> float:
    return sum(spent for name, spent in summary.items() if name != "total")


@given(
    ago=st.floats(1.0, 1e5),
    worked=st.lists(st.floats(0.0, 1.0), max_size=20),
    idle=st.lists(st.floats(0.0, 1e5), min_size=4, max_size=4),
    n_workers=st.integers(1, 8),
    has_begun=st.booleans(),
)
def test_parts_sum_to_the_total_whatever_was_spent(
    ago: float, worked: list[float], idle: list[float], n_workers: int, *, has_begun: bool
) -> None:
    ledger = TimeLedger(time.perf_counter() - ago, n_workers=n_workers)
    if has_begun:
        ledger.workers_began()
    for part in worked:  # workers cannot have worked longer than the study has lasted
        ledger.worked({"training": part * ago * n_workers / 20})
    ledger._idle = dict(zip(ledger._idle, idle, strict=True))
    summary = ledger.summary()
    assert list(summary) == NAMES
    assert parts(summary) == pytest.approx(summary["total"], rel=0.02)
    assert all(spent >= 0 for spent in summary.values())


def test_driver_that_ran_a_study_accounts_for_all_its_seconds() -> None:
    stores, started = Stores(), time.perf_counter()
    seconds = TimeLedger(started, n_workers=2)
    driver = Driver(
        study(),
        store=TrialStore.create(stores.storage, study()),
        ledger=(ledger := FakeLedger()),
        engine=FakeEngine(n_workers=2, seed=1),
        seconds=seconds,
    )
    driver.run()
    lasted = time.perf_counter() - started
    summary = seconds.summary()
    assert summary["total"] == pytest.approx(lasted, rel=0.02, abs=0.002)
    assert parts(summary) == pytest.approx(summary["total"], rel=0.02)
    assert summary["start_up"] < summary["total"]
    (kept,) = ledger.held.spent.runs
    assert 0 < kept.seconds["training"] <= kept.seconds["total"] <= summary["total"]


def test_study_in_which_no_worker_began_is_all_start_up() -> None:
    summary = TimeLedger(time.perf_counter() - 5, n_workers=2).summary()
    assert summary["start_up"] == summary["total"]


def test_drivers_time_counts_only_as_far_as_workers_wait_for_it() -> None:
    ledger = TimeLedger(time.perf_counter(), n_workers=4)
    ledger.workers_began()
    with ledger.spent_on("sampling", n_busy=3):
        time.sleep(0.4)
    with ledger.spent_on("mlflow", n_busy=4):
        time.sleep(0.1)
    ledger.worked({"training": 3 * 0.4 + 4 * 0.1})
    summary = ledger.summary()
    assert 0.09 <= summary["sampling"] < 0.2
    assert summary["stores"] < 0.05
    assert ledger.machinery()["sampling"] >= 0.4
    assert ledger.machinery()["mlflow"] >= 0.1


def test_idle_time_that_the_driver_did_not_see_goes_to_what_it_was_doing() -> None:
    ledger = TimeLedger(time.perf_counter(), n_workers=1)
    ledger.workers_began()
    with ledger.spent_on("mlflow", n_busy=1):  # the worker has ended and the driver writes
        time.sleep(0.03)
    with ledger.spent_on("waiting", n_busy=0):
        time.sleep(0.02)
    summary = ledger.summary()
    assert summary["stores"] >= 0.03
    assert 0.02 <= summary["waiting"] < 0.03


def test_steps_of_the_start_up_sum_to_it() -> None:
    ledger = TimeLedger(time.perf_counter() - 5, n_workers=2)
    with ledger.starting("mlflow"):
        time.sleep(0.02)
    ledger.workers_began()
    steps = ledger.start_up()
    assert steps["mlflow"] >= 0.02
    assert sum(steps.values()) == pytest.approx(ledger.summary()["start_up"])


def test_what_the_start_up_waits_for_is_told_until_workers_train() -> None:
    told: list[str] = []
    ledger = TimeLedger(time.perf_counter(), n_workers=1, tell=told.append)
    with ledger.starting("data"):
        assert told == ["data"]
    ledger.workers_began()
    ledger.workers_began()
    assert told == ["data", "workers", ""]


def test_time_spent_on_what_fails_is_counted() -> None:
    ledger = TimeLedger(time.perf_counter(), n_workers=1)
    ledger.workers_began()
    with pytest.raises(FileNotFoundError, match="absent"):
        _fail_slowly(ledger)
    assert ledger.summary()["stores"] >= 0.009


def _fail_slowly(ledger: TimeLedger) -> None:
    with ledger.spent_on("optuna", n_busy=0):
        time.sleep(0.01)
        Path("/absent").read_text(encoding="utf-8")


def test_a_run_is_kept_with_all_that_is_printed_of_it() -> None:
    ledger = TimeLedger(time.perf_counter() - 5, n_workers=2)
    kept = ledger.of_run()
    assert list(kept.seconds) == NAMES
    assert kept.n_workers == 2
    assert kept.machinery == ledger.machinery()
    began = datetime.fromisoformat(kept.began)
    assert 5 <= (datetime.now(UTC) - began).total_seconds() < 60
