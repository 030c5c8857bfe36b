"""A home is copied while it stands still."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.app.still import still
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError, WorkFailedError


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home whose database has its last write in the write-ahead file alone."""
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE trials (number)")
        connection.execute("INSERT INTO trials VALUES (7)")
        yield tmp_path


def test_copy_holds_what_is_only_in_the_write_ahead_file(home: Path) -> None:
    before = {path.name: path.read_bytes() for path in home.iterdir()}
    with still(Workspace(home=home)) as copied:
        database = copied.home / "mlflow.db"
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("SELECT number FROM trials").fetchall() == [(7,)]
    assert not database.exists()
    assert {path.name: path.read_bytes() for path in home.iterdir()} == before


def test_store_that_never_stands_still_is_an_error(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_beside_a_writer(source: Path, to: Path) -> None:
        to.write_bytes(source.read_bytes())
        with (home / "optuna.journal").open("ab") as journal:
            journal.write(b"{}\n")

    monkeypatch.setattr("pipeline.app.still.shutil.copyfile", copy_beside_a_writer)
    with (
        pytest.raises(WorkFailedError, match="written to all the time"),
        still(Workspace(home=home)),
    ):
        pass


def test_error_names_the_home_s_own_file(home: Path) -> None:
    with (
        pytest.raises(BadInputError, match=f"^{home}/mlflow.db: got x, expected y$"),
        still(Workspace(home=home)) as copied,
    ):
        raise BadInputError(where=str(copied.home / "mlflow.db"), got="x", expected="y")
