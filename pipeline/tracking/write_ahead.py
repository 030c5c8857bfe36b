"""An embedded store while a study writes to it: a trial's ten commits wait for no disk."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

from sqlalchemy import Engine, event
from sqlalchemy.pool import ConnectionPoolEntry


def begin_write_ahead(uri: str, database: Path) -> Engine:
    """Keep what is written in ``mlflow.db-wal`` first, and bring it to the disk now and then.

    A write survives the death of its process, as it did; a power failure may take the last ones,
    and leaves a sound store. Readers no longer wait for the writer, nor the writer for them.

    Args:
        uri: The store's address, spelled as MLflow's client was given it: so both have one engine.
        database: The store's file.

    Returns:
        What ``end_write_ahead`` wants back.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(uri, database.parent.as_uri())  # type: ignore[no-untyped-call]
    engine: Engine = store.engine
    if _journal(database, "wal") == "wal":
        event.listen(engine, "connect", _sync_at_checkpoints)
        engine.dispose()
    return engine


def end_write_ahead(engine: Engine, database: Path) -> None:
    """Make the store one plain file again, to be copied alone or read where nobody may write.

    Where another process has it open, it stays as it is: every reader understands it.
    """
    if event.contains(engine, "connect", _sync_at_checkpoints):
        event.remove(engine, "connect", _sync_at_checkpoints)
    engine.dispose()
    _journal(database, "delete")


def _sync_at_checkpoints(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    """SQLite keeps this by connection; see https://www.sqlite.org/pragma.html#pragma_synchronous."""
    connection.execute("PRAGMA synchronous = NORMAL")


def _journal(database: Path, mode: Literal["wal", "delete"]) -> str:
    """Change how the store writes, unless another process is in the way; tell how it does now."""
    with closing(sqlite3.connect(database, timeout=0)) as connection:
        try:
            (now,) = connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()
        except sqlite3.OperationalError:
            (now,) = connection.execute("PRAGMA journal_mode").fetchone()
    return str(now)
