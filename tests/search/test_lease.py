import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import InMemoryStorage, RDBStorage
from sqlalchemy import func, update

from pipeline.errors import WorkFailedError
from pipeline.search.driver import Driver
from pipeline.search.storage import lease
from pipeline.search.storage.lease import (
    EXPIRY_SECONDS,
    HOLDERS,
    LeaseLostError,
    hold,
    holder_of,
    refuse_held,
)
from pipeline.search.storage.opening import open_storage
from pipeline.search.storage.store import TrialStore
from pipeline.search.time_ledger import TimeLedger
from pipeline.trial import Event
from tests.fakes import Browsable, FakeEngine, FakeLedger
from tests.looking_on import Watching
from tests.search.studies import Stores, study


class Shared:
    """A storage that two homes share, each with a connection of its own."""

    def __init__(self, folder: Path) -> None:
        self.address = f"sqlite:///{folder / 'shared.db'}"
        self.one, self.other = folder / "one", folder / "other"
        self.one.mkdir()
        self.other.mkdir()

    def open(self) -> RDBStorage:
        """Connect anew, as another process does."""
        storage = open_storage(self.address, Path("unused"), to_write=True)
        assert isinstance(storage, RDBStorage)
        return storage

    def age(self, seconds: float) -> None:
        """Let the database's clock have gone on since the lease was renewed."""
        earlier = func.datetime("now", f"-{seconds} seconds")
        with self.open().engine.begin() as connection:
            connection.execute(update(HOLDERS).values(renewed_at=earlier))


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    return Shared(tmp_path)


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """What is held until the test ends, unless it is closed before."""
    with ExitStack() as stack:
        yield stack


def test_study_that_another_home_runs_is_refused_with_its_holder(
    shared: Shared, held: ExitStack
) -> None:
    held.enter_context(hold(shared.open(), "small", shared.one))
    words = (
        r"^study 'small' is being run by process \d+ on .+ since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d; "
        r"if that process is dead, the study is free in (60|59|58|57) s$"
    )
    with pytest.raises(WorkFailedError, match=words):
        refuse_held(shared.open(), "small", shared.other)
    with (
        pytest.raises(WorkFailedError, match=words),
        hold(shared.open(), "small", shared.other),
    ):
        pass
    with hold(shared.open(), "large", shared.other):
        assert "process" in (holder_of(shared.open(), "large") or "")


def test_study_is_free_at_once_when_its_holder_ends(shared: Shared) -> None:
    for home in (shared.one, shared.other, shared.one):
        with hold(shared.open(), "small", home):
            assert holder_of(shared.open(), "small") is not None
        assert holder_of(shared.open(), "small") is None
        refuse_held(shared.open(), "small", shared.other)


def test_home_of_a_killed_holder_goes_on_at_once_and_another_home_after_a_minute(
    shared: Shared, held: ExitStack
) -> None:
    held.enter_context(hold(shared.open(), "small", shared.one))  # dead: nothing is renewed
    refuse_held(shared.open(), "small", shared.one)
    held.enter_context(hold(shared.open(), "small", shared.one))
    shared.age(EXPIRY_SECONDS - 5)
    with pytest.raises(WorkFailedError, match=r"the study is free in [345] s"):
        refuse_held(shared.open(), "small", shared.other)
    shared.age(EXPIRY_SECONDS)
    refuse_held(shared.open(), "small", shared.other)
    held.enter_context(hold(shared.open(), "small", shared.other))
    with pytest.raises(WorkFailedError, match="is being run by"):
        refuse_held(shared.open(), "small", shared.one)


def test_of_many_that_take_a_dead_holders_study_at_once_one_gets_it(
    shared: Shared, held: ExitStack, tmp_path: Path
) -> None:
    held.enter_context(hold(shared.open(), "small", shared.one))
    shared.age(EXPIRY_SECONDS)
    at_once = threading.Barrier(5)

    def take(number: int) -> str:
        home, storage = tmp_path / f"home-{number}", shared.open()
        home.mkdir()
        at_once.wait()
        try:
            held.enter_context(hold(storage, "small", home))
        except WorkFailedError as error:
            return str(error)[:45]
        return "taken"

    with ThreadPoolExecutor(5) as threads:
        told = sorted(threads.map(take, range(5)))
    refusal = f"study 'small' is being run by process {os.getpid()} on "[:45]
    assert told == [refusal] * 4 + ["taken"]


def test_lease_is_renewed_while_its_holder_lives(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.01)
    with hold(shared.open(), "small", shared.one):
        shared.age(EXPIRY_SECONDS)
        deadline = time.monotonic() + 20
        while holder_of(shared.open(), "small") is None:
            assert time.monotonic() < deadline, "it is not renewed"


def test_home_that_has_its_journal_to_itself_needs_no_lease(tmp_path: Path) -> None:
    with hold(InMemoryStorage(), "small", tmp_path) as none:
        assert none is None
    assert holder_of(InMemoryStorage(), "small") is None


def test_driver_that_was_suspended_and_lost_its_study_writes_nothing_more(
    shared: Shared, held: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another takes the study over after two outcomes and runs it to its end."""
    asked = study(trials=6)
    browsable = Browsable()
    storage = shared.open()
    mine = held.enter_context(hold(storage, "small", shared.one))
    n_outcomes = 0
    after: list[object] = []

    def suspend(news: Event) -> None:
        nonlocal n_outcomes
        n_outcomes += hasattr(news, "state")
        if n_outcomes != 2 or after:
            return
        shared.age(EXPIRY_SECONDS)
        other = shared.open()
        with hold(other, "small", shared.other) as theirs:
            _driver(asked, TrialStore.create(other, asked, theirs), browsable).run()
        after.append(repr(browsable))
        monkeypatch.setattr(lease, "clocks", lambda: (time.monotonic() + 100, time.time() + 100))

    driver = _driver(
        asked, TrialStore.create(storage, asked, mine), browsable, progress=Watching(suspend)
    )
    words = "study 'small' was taken over by .* while this process was suspended for 60 s or more"
    with pytest.raises(LeaseLostError, match=words):
        driver.run()
    assert after == [repr(browsable)]
    undisturbed = Stores()
    undisturbed.run(asked)
    assert TrialStore(shared.open(), "small").rows() == undisturbed.rows


def _driver(asked: Any, store: TrialStore, browsable: Browsable, **more: Any) -> Driver:
    engine = FakeEngine(n_workers=1, seed=0)
    engine.open(None)
    return Driver(
        asked,
        store=store,
        ledger=FakeLedger(browsable),
        engine=engine,
        seconds=TimeLedger(0.0, n_workers=1),
        **more,
    )
