"""The embedded store's tables, made once and by one process however many start at a time."""

import fcntl
import glob
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pipeline.errors import BadInputError, WorkFailedError


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the store's lock, ``mlflow.db.lock``; it is free again when its holder dies."""
    with Path(f"{database}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure_schema(database: Path, artifact_root: Path) -> None:
    """Make the store's tables where the file does not exist yet (two seconds).

    Raises:
        BadInputError: The file cannot be made, or is no SQLite database.
        WorkFailedError: There is no room for it.
    """
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with locked(database):
            if not database.exists():
                _make(database, artifact_root)
        check_readable(database)
    except OSError as error:
        raise _unusable(database, error.strerror or str(error)) from None


def check_readable(database: Path) -> None:
    """Open the store as SQLite does, since MLflow would try again for minutes, or add its tables.

    Raises:
        BadInputError: It does not exist, is empty, or is no SQLite database of MLflow's.
    """
    if not database.exists():
        raise _unusable(database, "no such file")
    try:
        with closing(sqlite3.connect(database, timeout=20)) as connection:
            (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if n_tables:
                connection.execute("SELECT count(*) FROM experiments").fetchone()
    except sqlite3.Error as error:
        raise _unusable(database, str(error)) from None
    if not n_tables:
        raise _unusable(database, "an empty file")


def _make(database: Path, artifact_root: Path) -> None:
    """Migrate a file beside the store, so that a process that dies in it leaves no half store."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy.exc import DBAPIError

    for leftover in database.parent.glob(f"{glob.escape(database.name)}.unfinished*"):
        leftover.unlink()
    # A new name each time: MLflow keeps what it has connected to for as long as the process lives.
    unfinished = database.with_name(f"{database.name}.unfinished-{uuid.uuid4().hex}")
    uri = f"sqlite:///{unfinished}"
    try:
        store = SqlAlchemyStore(uri, artifact_root.as_uri())  # type: ignore[no-untyped-call]
    except DBAPIError as error:
        message = f"{database} cannot be made: {error.orig}"
        raise WorkFailedError(message) from error
    store.engine.dispose()
    unfinished.replace(database)


def _unusable(database: Path, reason: str) -> BadInputError:
    expected = "a SQLite database of MLflow that can be opened"
    return BadInputError(where=str(database), got=reason, expected=expected)
