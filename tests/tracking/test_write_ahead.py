"""A store that is written ahead loses nothing, and is one plain file when its study is closed."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from sqlalchemy import Engine

from pipeline.errors import BadInputError
from pipeline.tracking.client import connect
from pipeline.tracking.home import tracking_uri
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.reader import read_rows
from pipeline.tracking.write_ahead import begin_write_ahead, end_write_ahead
from tests.tracking.builders import config, outcome, reopened, row, snapshot, study

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.tracking.builders import config, outcome, reopened
ledger = reopened(Path(sys.argv[1]))
ledger.start(config(0))
ledger.finish(config(0), outcome(0))
ledger.start(config(1))
os.kill(os.getpid(), signal.SIGKILL)
"""


def journal_mode(home: Path) -> str:
    """How SQLite writes the home's store."""
    with closing(sqlite3.connect(home / "mlflow.db")) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def log_files(home: Path) -> list[str]:
    """What SQLite keeps beside the store."""
    return sorted(path.name for path in home.glob("mlflow.db-*"))


def synchronous(engine: Engine) -> int:
    """How often the store waits for the disk: 2 at each commit, 1 at checkpoints."""
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())


@pytest.mark.usefixtures("client")
def test_a_store_waits_for_the_disk_at_checkpoints_only_while_it_is_written(home: Path) -> None:
    engine = begin_write_ahead(tracking_uri(home), home / "mlflow.db")
    assert (journal_mode(home), synchronous(engine)) == ("wal", 1)
    end_write_ahead(engine, home / "mlflow.db")
    assert (journal_mode(home), synchronous(engine)) == ("delete", 2)


@pytest.mark.usefixtures("client")
def test_a_store_stays_as_it_is_while_another_process_is_in_the_way(home: Path) -> None:
    with closing(sqlite3.connect(home / "mlflow.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM runs").fetchone()
        engine = begin_write_ahead(tracking_uri(home), home / "mlflow.db")
        assert (journal_mode(home), synchronous(engine)) == ("delete", 2)


@pytest.mark.usefixtures("ledger")
def test_an_open_study_writes_ahead(home: Path) -> None:
    assert journal_mode(home) == "wal"


def test_a_closed_study_leaves_one_plain_file(
    home: Path, ledger: MlflowLedger, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ledger.start(config(0))
    ledger.finish(config(0), outcome(0))
    ledger.close([row(0)], is_done=True)
    assert (journal_mode(home), log_files(home)) == ("delete", [])
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(home / "mlflow.db", elsewhere)
    rows = read_rows(tracking_uri(elsewhere), "digits")
    assert rows == read_rows(tracking_uri(home), "digits")
    assert len(rows) == 1


def test_a_home_copied_during_a_study_holds_what_was_written(
    home: Path, ledger: MlflowLedger, client: MlflowClient, tmp_path: Path
) -> None:
    ledger.start(config(0))
    ledger.finish(config(0), outcome(0))
    shutil.copytree(home, tmp_path / "copy")
    assert snapshot(connect(tracking_uri(tmp_path / "copy"))) == snapshot(client)


def test_close_leaves_a_store_that_is_being_read_as_it_is(
    home: Path, ledger: MlflowLedger, client: MlflowClient
) -> None:
    with closing(sqlite3.connect(home / "mlflow.db")) as reader:
        reader.execute("SELECT count(*) FROM runs").fetchone()
        ledger.close([], is_done=True)
        assert journal_mode(home) == "wal"
        assert snapshot(client)["digits"]["status"] == "FINISHED"
    reopened(home).close([], is_done=True)
    assert (journal_mode(home), log_files(home)) == ("delete", [])


def test_what_was_written_outlives_a_killed_process(
    home: Path, ledger: MlflowLedger, client: MlflowClient
) -> None:
    ledger.close([], is_done=False)
    died = subprocess.run([sys.executable, "-c", KILLED, str(home)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert log_files(home) == ["mlflow.db-shm", "mlflow.db-wal"]
    found = snapshot(client)
    assert found["trial-000"]["status"] == "FINISHED"
    assert len(found["trial-000"]["points"]) == 3 * 8 + 3
    assert found["trial-001"]["status"] == "RUNNING"
    reopened(home).close([row(0)], is_done=False)
    assert (journal_mode(home), log_files(home)) == ("delete", [])


def test_a_refused_study_changes_no_byte_of_the_store(home: Path, ledger: MlflowLedger) -> None:
    ledger.close([], is_done=True)
    before = (home / "mlflow.db").read_bytes()
    with pytest.raises(BadInputError, match="with other settings"):
        ledger.open(study(question="Another?", training={"epochs": 9}))
    assert (home / "mlflow.db").read_bytes() == before
