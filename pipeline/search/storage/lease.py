"""A lease on a study in a storage that several homes share, renewed while its holder lives.

A home's lock excludes other processes of that home only. In a shared storage the holder is
recorded in the storage itself, in a table beside Optuna's that is changed atomically; the only
clock is the database's (docs/decisions/0019-holder-lease-and-attempts.md).
"""

import platform
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import (
    Column,
    DateTime,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from pipeline.errors import WorkFailedError
from pipeline.locks import being_run, this_process
from pipeline.search.storage.opening import explained

RENEW_SECONDS: Final = 10.0
"""Interval between renewals."""
EXPIRY_SECONDS: Final = 60.0
"""Time without a renewal after which a lease may be taken over."""

HOLDERS: Final = Table(
    "pipeline_holders",
    MetaData(),
    Column("study", String(512), primary_key=True),
    Column("token", String(36), nullable=False),  # of one holding, never used again
    Column("n_renewed", Integer, nullable=False),
    Column("renewed_at", DateTime(timezone=True), nullable=False),
    Column("holder", String(512), nullable=False),
    Column("home", String(2048), nullable=False),
)
NOW: Final = func.current_timestamp(type_=DateTime(timezone=True))


class LeaseLostError(WorkFailedError):
    """Another process has taken the study over; nothing more of it may be written."""


class _Held(NamedTuple):
    token: str
    n_renewed: int
    holder: str
    home: str
    age_seconds: float

    @property
    def seconds_left(self) -> float:
        return EXPIRY_SECONDS - self.age_seconds


class Lease:
    """The right to write a study, until it is released or was not renewed for a minute.

    A thread renews it. Writers call ``keep`` first: a suspended process has a suspended thread.

    Args:
        engine: The storage's database.
        study: The study's name.
        token: What this holding is known by.
    """

    def __init__(self, engine: Engine, study: str, token: str) -> None:
        self._engine = engine
        self._study = study
        self._token = token
        self._is_lost = False
        self._renewed = clocks()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew_on, daemon=True)
        self._thread.start()

    def keep(self) -> None:
        """Check that the study is still held; called before each write.

        Raises:
            LeaseLostError: Another process has taken the study over.
            WorkFailedError: The storage cannot be reached.
        """
        if max(now - then for now, then in zip(clocks(), self._renewed, strict=True)) > (
            2 * RENEW_SECONDS
        ):
            self._renew_lease()
        if self._is_lost:
            raise self._lost()

    def release(self) -> None:
        """Let the study go; where that fails, the lease runs out by itself."""
        self._ended.set()
        self._thread.join()
        mine = HOLDERS.c.study == self._study, HOLDERS.c.token == self._token
        with suppress(SQLAlchemyError), self._engine.begin() as connection:
            connection.execute(delete(HOLDERS).where(*mine))

    def _renew_on(self) -> None:
        while not self._ended.wait(RENEW_SECONDS) and not self._is_lost:
            with suppress(WorkFailedError):  # the next ``keep`` tries again and reports it
                self._renew_lease()

    @explained
    def _renew_lease(self) -> None:
        asked_at = clocks()
        mine = HOLDERS.c.study == self._study, HOLDERS.c.token == self._token
        renewed = {"n_renewed": HOLDERS.c.n_renewed + 1, "renewed_at": NOW}
        with self._engine.begin() as connection:
            found = connection.execute(update(HOLDERS).where(*mine).values(renewed))
        self._is_lost = found.rowcount == 0
        self._renewed = asked_at

    def _lost(self) -> LeaseLostError:
        suspended = f"while this process was suspended for {EXPIRY_SECONDS:.0f} s or more"
        return LeaseLostError(
            f"study {self._study!r} was taken over by {_holder(self._engine, self._study)} "
            f"{suspended}; nothing more was written"
        )


@contextmanager
def hold(storage: BaseStorage, study: str, home: Path) -> Iterator[Lease | None]:
    """Hold a study in its storage.

    Args:
        storage: Where it lies, or will.
        study: Its name.
        home: The home that this process has locked: what an earlier process of it held is free.

    Yields:
        The lease; ``None`` for the home's own journal, which the home's lock guards.

    Raises:
        WorkFailedError: Another process runs the study; it is named.
    """
    if not isinstance(storage, RDBStorage):
        yield None
        return
    lease = Lease(storage.engine, study, _take_lease(storage.engine, study, _name(home)))
    try:
        yield lease
    finally:
        lease.release()


def refuse_held(storage: BaseStorage | None, study: str, home: Path) -> None:
    """Refuse a study that a process of another home runs; nothing is written.

    Raises:
        WorkFailedError: Naming the process.
    """
    held = _read_lease(storage.engine, study) if isinstance(storage, RDBStorage) else None
    if held and held.home != _name(home) and held.seconds_left > 0:
        raise _refusal(study, held)


def holder_of(storage: BaseStorage | None, study: str) -> str | None:
    """The holder of a study in a shared storage; ``None`` if there is none."""
    held = _read_lease(storage.engine, study) if isinstance(storage, RDBStorage) else None
    return held.holder if held and held.seconds_left > 0 else None


@explained
def _take_lease(engine: Engine, study: str, home: str) -> str:
    """Record this process as the holder, replacing one that is known to be dead."""
    if not inspect(engine).has_table(HOLDERS.name):
        with suppress(SQLAlchemyError):  # another process may be a moment faster
            HOLDERS.create(engine)
    mine = {"token": str(uuid.uuid4()), "n_renewed": 0, "renewed_at": NOW}
    mine |= {"holder": this_process(), "home": home}
    held = _read_lease(engine, study)
    if held is None:
        is_taken = _insert(engine, {"study": study} | mine)
    elif held.home == home or held.seconds_left <= 0:
        is_taken = _replace(engine, study, held, mine)
    else:
        raise _refusal(study, held)
    if not is_taken:  # another process was faster
        raise being_run(study, _holder(engine, study))
    return str(mine["token"])


def _insert(engine: Engine, row: dict[str, Any]) -> bool:
    try:
        with engine.begin() as connection:
            connection.execute(insert(HOLDERS).values(row))
    except IntegrityError:
        return False
    return True


def _replace(engine: Engine, study: str, held: _Held, row: dict[str, Any]) -> bool:
    """Compare and swap: replace a holder that has not renewed its lease since it was read."""
    unchanged = (
        HOLDERS.c.study == study,
        HOLDERS.c.token == held.token,
        HOLDERS.c.n_renewed == held.n_renewed,
    )
    with engine.begin() as connection:
        return connection.execute(update(HOLDERS).where(*unchanged).values(row)).rowcount == 1


@explained
def _read_lease(engine: Engine, study: str) -> _Held | None:
    if not inspect(engine).has_table(HOLDERS.name):
        return None
    columns = HOLDERS.c.token, HOLDERS.c.n_renewed, HOLDERS.c.holder, HOLDERS.c.home
    asked = select(*columns, HOLDERS.c.renewed_at, NOW).where(HOLDERS.c.study == study)
    with engine.connect() as connection:
        row = connection.execute(asked).first()
    if row is None:
        return None
    token, n_renewed, holder, home, renewed_at, now = row
    return _Held(token, n_renewed, holder, home, (now - renewed_at).total_seconds())


def _holder(engine: Engine, study: str) -> str:
    held = _read_lease(engine, study)
    return held.holder if held else "another process"


def _refusal(study: str, held: _Held) -> WorkFailedError:
    left = f"if that process is dead, the study is free in {held.seconds_left:.0f} s"
    return WorkFailedError(f"{being_run(study, held.holder)}; {left}")


def _name(home: Path) -> str:
    """A home's name among those of all machines; one that was deleted and made anew is another."""
    home = home.resolve()
    return f"{platform.node()}:{home}:{home.stat().st_ino if home.exists() else 0}"


def clocks() -> tuple[float, float]:
    """Two clocks: the first may stop while the machine sleeps, the second may be set back."""
    return time.monotonic(), time.time()
