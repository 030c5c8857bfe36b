"""The embedded store, a SQLite file of MLflow's, where MLflow's client is not enough.

Where the file is; its tables, made by one process at a time; WAL mode while a study writes to it;
and the addresses of artifacts, which MLflow has no call to change. MLflow itself is imported when
it is first needed.
"""

import glob
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import TypeAdapter, ValidationError

from pipeline.config.frozen import Name
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.locks import locked

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.pool import ConnectionPoolEntry

SQLITE = "sqlite:///"
TRIED_WITH: Final = (3, 16), (3, 17)
"""The oldest and the newest MLflow whose tables the SQL below was tried with."""


def tracking_uri(home: Path) -> str:
    """MLflow's address of the home's embedded store, ``sqlite:///HOME/mlflow.db``.

    Raises:
        BadInputError: The home's path holds a ``?``, where a database address ends.
    """
    path = home.resolve() / "mlflow.db"
    if "?" in str(path):
        raise BadInputError(where="--home", got=repr(str(home)), expected="a path without '?'")
    return f"{SQLITE}{path}"


def artifact_root(home: Path) -> Path:
    """The folder below which the embedded store keeps each study's artifacts."""
    return home.resolve() / "artifacts"


def database_of(uri: str) -> Path | None:
    """The file of an embedded store; ``None`` where the address is another one."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def lock_of(database: Path) -> Path:
    """The file that is locked while the store's tables or a study's run are made."""
    return Path(f"{database}.lock")


def ensure_schema(database: Path, artifact_root: Path) -> None:
    """Make the store's tables where the file does not exist yet (two seconds).

    Raises:
        BadInputError: The file cannot be made, or is no SQLite database.
        WorkFailedError: There is no room for it.
    """
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with locked(lock_of(database)):
            if not database.exists():
                _make(database, artifact_root)
        check_readable(database)
    except OSError as error:
        raise _unusable(database, error.strerror or str(error)) from None


def check_readable(database: Path) -> None:
    """Open the store with SQLite: MLflow would retry for minutes, or add its tables to any file.

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


def read_run_ids(uri: str) -> list[str]:
    """The ids of all runs of an embedded store; none of a server, or of a store that is damaged.

    MLflow's client would be imported for it, and read all else of the runs.
    """
    database = database_of(uri)
    if database is None or not database.exists():
        return []
    try:
        with closing(sqlite3.connect(database, timeout=20)) as connection:
            return [run_id for (run_id,) in connection.execute("SELECT run_uuid FROM runs")]
    except sqlite3.Error:
        return []


def _make(database: Path, artifact_root: Path) -> None:
    """Make the tables in a file beside the store and rename it, so that no half store is left."""
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


def begin_write_ahead(uri: str, database: Path) -> "Engine":
    """Set the store to WAL mode while a study runs, so that commits do not wait for fsync.

    A write still survives the death of its process; a power failure may lose the last ones and
    leaves a sound store. Readers and the writer no longer wait for each other.

    Args:
        uri: The store's address, spelled as MLflow's client was given it: so both have one engine.
        database: The store's file.

    Returns:
        The engine, for ``end_write_ahead``.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import event

    store = SqlAlchemyStore(uri, database.parent.as_uri())  # type: ignore[no-untyped-call]
    engine: Engine = store.engine
    if _journal(database, "wal") == "wal":
        event.listen(engine, "connect", _sync_at_checkpoints)
        engine.dispose()
    return engine


def end_write_ahead(engine: "Engine", database: Path) -> None:
    """Leave WAL mode: the store is one file again, to be copied or read from a read-only folder.

    While another process has it open, it stays in WAL mode, which every reader understands.
    """
    from sqlalchemy import event

    if event.contains(engine, "connect", _sync_at_checkpoints):
        event.remove(engine, "connect", _sync_at_checkpoints)
    engine.dispose()
    _journal(database, "delete")


def _sync_at_checkpoints(connection: sqlite3.Connection, _entry: "ConnectionPoolEntry") -> None:
    """SQLite keeps this by connection; see https://www.sqlite.org/pragma.html#pragma_synchronous."""
    connection.execute("PRAGMA synchronous = NORMAL")


def _journal(database: Path, mode: Literal["wal", "delete"]) -> str:
    """Set the journal mode, unless another process has the store open, and return the mode."""
    with closing(sqlite3.connect(database, timeout=0)) as connection:
        try:
            (now,) = connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()
        except sqlite3.OperationalError:
            # The other one may be changing the mode itself, when even this cannot be read.
            connection.execute("PRAGMA busy_timeout = 20000")
            (now,) = connection.execute("PRAGMA journal_mode").fetchone()
    return str(now)


FORGET: Final = (
    "DELETE FROM metrics WHERE run_uuid = :run AND key = :key",
    "DELETE FROM latest_metrics WHERE run_uuid = :run AND key = :key",
)


def forget_metric(database: Path, run_id: str, metric: str) -> None:
    """Delete every point of a run's metric, for which MLflow has no call."""
    with closing(sqlite3.connect(database, timeout=20)) as store, store:
        for statement in FORGET:
            store.execute(statement, {"run": run_id, "key": metric})


STUDIES: Final = """
SELECT DISTINCT experiments.experiment_id, experiments.name
FROM experiments JOIN runs USING (experiment_id) JOIN tags USING (run_uuid)
WHERE tags.key IN ('study_run', 'trial_number')
"""
MOVED: Final = """
SELECT EXISTS (
    SELECT 1 FROM experiments WHERE experiment_id = :id AND artifact_location <> :folder
    UNION ALL SELECT 1 FROM runs
    WHERE experiment_id = :id AND artifact_uri <> :folder || '/' || run_uuid || '/artifacts'
    UNION ALL SELECT 1 FROM logged_models
    WHERE experiment_id = :id
    AND artifact_location <> :folder || '/models/' || model_id || '/artifacts'
    UNION ALL SELECT 1 FROM model_versions
    JOIN logged_models ON storage_location LIKE '%/models/' || model_id || '/artifacts'
    WHERE experiment_id = :id
    AND storage_location <> :folder || '/models/' || model_id || '/artifacts'
)
"""
MOVE: Final = (
    "UPDATE experiments SET artifact_location = :folder WHERE experiment_id = :id",
    """UPDATE runs SET artifact_uri = :folder || '/' || run_uuid || '/artifacts'
    WHERE experiment_id = :id""",
    """UPDATE logged_models
    SET artifact_location = :folder || '/models/' || model_id || '/artifacts'
    WHERE experiment_id = :id""",
    """UPDATE model_versions
    SET source = replace(source, storage_location, artifact_location),
    storage_location = artifact_location
    FROM logged_models
    WHERE storage_location LIKE '%/models/' || model_id || '/artifacts' AND experiment_id = :id""",
)


def confine_artifacts(home: Path) -> None:
    """Set the artifacts of each study to ``HOME/artifacts/NAME``, whatever the store says.

    MLflow stores absolute addresses. A home that was moved holds the old ones, and a home from
    somebody else may name any folder of this machine, or a server that would be sent the user's
    password.

    Args:
        home: Its store need not exist.

    Raises:
        BadInputError: It is no store of MLflow's, or a study in it has a name that is not allowed.
    """
    database = home.resolve() / "mlflow.db"
    if not database.exists():
        return
    check_readable(database)
    try:
        with closing(sqlite3.connect(database, timeout=20)) as store, store:
            for experiment_id, name in store.execute(STUDIES).fetchall():
                address = {"id": experiment_id, "folder": _folder(home, name, database).as_uri()}
                if store.execute(MOVED, address).fetchone() == (1,):
                    for statement in MOVE:
                        store.execute(statement, address)
    except sqlite3.Error as error:
        expected = "a store that MLflow made"
        raise BadInputError(where=str(database), got=str(error), expected=expected) from None


def _folder(home: Path, name: str, database: Path) -> Path:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        expected = "the name of a study, which is made of letters, digits, '.', '_' and '-'"
        raise BadInputError(
            where=str(database), key="experiments.name", got=repr(name[:100]), expected=expected
        ) from None
    return artifact_root(home).resolve() / name


def check_confined(location: str, artifact_root: Path, *, name: str, where: str) -> None:
    """Refuse an experiment whose artifacts are outside the home: somebody else made it.

    Args:
        location: Where the experiment keeps artifacts.
        artifact_root: The home's folder for them.
        name: The study's.
        where: What an error names.

    Raises:
        BadInputError: They would be outside the home.
    """
    root = f"{artifact_root.resolve().as_uri()}/"
    if not location.startswith(root) or ".." in location.removeprefix(root).split("/"):
        got = f"an experiment whose artifacts are in {location}"
        raise BadInputError(where=where, key=name, got=got, expected=f"a folder below {root}")
