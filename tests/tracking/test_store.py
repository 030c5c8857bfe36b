"""Below MLflow's client: artifacts stay in the home, and writing ahead loses nothing."""

import hashlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient
from sqlalchemy import Engine

from pipeline.errors import BadInputError, WorkFailedError
from pipeline.tracking import runs
from pipeline.tracking.client import connect
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.reader import read_rows, read_trial
from pipeline.tracking.store import (
    TRIED_WITH,
    artifact_root,
    begin_write_ahead,
    confine_artifacts,
    end_write_ahead,
    tracking_uri,
)
from pipeline.trial import StudyState
from tests.tracking.builders import config, folder_of, outcome, reopened, row, snapshot, study


@pytest.fixture
def finished(ledger: MlflowLedger, home: Path) -> Path:
    """A home with one finished trial."""
    ledger.start(config(0))
    ledger.finish(config(0), outcome(0))
    ledger.close(StudyState(rows=[row(0)], is_done=True))
    return home


def tampered(home: Path, statement: str, *values: str) -> None:
    """Change the store as somebody could who gives it away."""
    with closing(sqlite3.connect(home / "mlflow.db")) as store, store:
        store.execute(statement, values)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "elsewhere",
    ["http://127.0.0.1:1/steal", "s3://bucket/x", "file:///etc", "../../..", ""],
)
def test_addresses_in_the_store_are_made_again(elsewhere: str, finished: Path) -> None:
    tampered(finished, "UPDATE runs SET artifact_uri = ?", elsewhere)
    tampered(finished, "UPDATE experiments SET artifact_location = ?", elsewhere)
    confine_artifacts(finished)
    client = MlflowClient(tracking_uri(finished))
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    inside = artifact_root(finished) / "digits"
    assert folder_of(experiment.artifact_location) == inside
    for run in client.search_runs([experiment.experiment_id]):
        assert folder_of(run.info.artifact_uri) == inside / run.info.run_id / "artifacts"
    new = client.create_run(experiment.experiment_id)
    assert folder_of(new.info.artifact_uri).is_relative_to(inside)
    assert read_trial(tracking_uri(finished), "digits", 0).weights == outcome(0).weights


def test_a_moved_home_is_whole(finished: Path, tmp_path: Path) -> None:
    moved = finished.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    confine_artifacts(moved)
    assert read_trial(tracking_uri(moved), "digits", 0).record.trial == config(0)
    reopened(moved).close(StudyState(rows=[row(0)], is_done=True))
    assert not finished.exists()


def test_a_home_that_is_where_it_was_is_not_touched(finished: Path) -> None:
    before = sha256(finished / "mlflow.db")
    confine_artifacts(finished)
    assert sha256(finished / "mlflow.db") == before
    confine_artifacts(finished / "nowhere")
    assert not (finished / "nowhere").exists()


RELIED_ON = {
    "experiments": {"experiment_id", "name", "artifact_location"},
    "runs": {"run_uuid", "experiment_id", "artifact_uri"},
    "tags": {"run_uuid", "key"},
}
"""What the SQL of ``pipeline.tracking.store`` names."""


def test_mlflow_is_of_a_version_whose_tables_are_known(home: Path) -> None:
    major, minor = map(int, mlflow.__version__.split(".")[:2])
    assert TRIED_WITH[0] <= (major, minor) <= TRIED_WITH[1], (
        f"tracking/store.py was not tried with MLflow {mlflow.__version__}: look at its "
        "tables, run the tests, then change TRIED_WITH and the bound in pyproject.toml"
    )
    with closing(sqlite3.connect(home / "mlflow.db")) as connection:
        for table, columns in RELIED_ON.items():
            found = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            assert columns <= found, f"MLflow {mlflow.__version__} has another table {table}"


@pytest.mark.parametrize("name", ["../../etc", "/etc", "a/b", "..", "<b>", ""])
def test_a_study_of_a_name_that_is_a_path_is_refused(name: str, finished: Path) -> None:
    tampered(finished, "UPDATE experiments SET name = ? WHERE name = 'digits'", name)
    with pytest.raises(BadInputError, match=r"mlflow.db: experiments.name: got .* expected the na"):
        confine_artifacts(finished)


def test_a_store_without_tables_is_refused(tmp_path: Path) -> None:
    tampered(tmp_path, "CREATE TABLE cake (slices)")
    with pytest.raises(BadInputError, match="no such table: experiments, expected a SQLite"):
        confine_artifacts(tmp_path)


@pytest.mark.parametrize("place", ["{home}/artifacts/../..", "s3://bucket/x", "{other}"])
def test_a_study_is_not_written_into_an_experiment_that_lies_elsewhere(
    place: str, home: Path, client: MlflowClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    client.create_experiment("digits", "file:///x")
    location = place.format(home=home.as_uri(), other=other.as_uri())
    tampered(home, "UPDATE experiments SET artifact_location = ? WHERE name = 'digits'", location)
    with pytest.raises(BadInputError, match="digits: got an experiment whose artifacts are in"):
        reopened(home)
    assert list(other.iterdir()) == []


def test_a_link_in_a_file_s_place_is_replaced_and_not_followed(
    finished: Path, client: MlflowClient
) -> None:
    victim = finished / "bashrc"
    victim.write_text("mine")
    run = client.get_run(read_trial(tracking_uri(finished), "digits", 0).run_id)
    file = folder_of(run.info.artifact_uri) / "record.json"
    file.unlink()
    file.symlink_to(victim)
    runs.put(client, run.info, "record.json", b"theirs")
    assert victim.read_text() == "mine"
    assert file.read_bytes() == b"theirs"
    assert not file.is_symlink()


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_a_link_in_a_folder_s_place_is_refused(
    levels: int, finished: Path, client: MlflowClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    victim = tmp_path_factory.mktemp("victim")
    run = client.get_run(read_trial(tracking_uri(finished), "digits", 0).run_id)
    folder = folder_of(run.info.artifact_uri)
    linked = [folder, *folder.parents][levels]
    linked.rename(finished / "aside")
    linked.symlink_to(victim)
    with pytest.raises(WorkFailedError, match="got a link, expected a folder that this project"):
        runs.put(client, run.info, "record.json", b"theirs")
    assert list(victim.iterdir()) == []


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


@pytest.mark.usefixtures("client")
def test_a_store_that_another_process_locks_for_a_moment_is_waited_for(home: Path) -> None:
    database = home / "mlflow.db"
    engine = begin_write_ahead(tracking_uri(home), database)
    end_write_ahead(engine, database)
    with closing(sqlite3.connect(database, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")  # as while a process begins to write ahead
        release = threading.Timer(0.3, other.rollback)
        release.start()
        end_write_ahead(engine, database)
        release.join()
    assert journal_mode(home) == "delete"


@pytest.mark.usefixtures("ledger")
def test_an_open_study_writes_ahead(home: Path) -> None:
    assert journal_mode(home) == "wal"


def test_a_closed_study_leaves_one_plain_file(
    home: Path, ledger: MlflowLedger, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ledger.start(config(0))
    ledger.finish(config(0), outcome(0))
    ledger.close(StudyState(rows=[row(0)], is_done=True))
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
        ledger.close(StudyState(rows=[], is_done=True))
        assert journal_mode(home) == "wal"
        assert snapshot(client)["digits"]["status"] == "FINISHED"
    reopened(home).close(StudyState(rows=[], is_done=True))
    assert (journal_mode(home), log_files(home)) == ("delete", [])


def test_what_was_written_outlives_a_killed_process(
    home: Path, ledger: MlflowLedger, client: MlflowClient
) -> None:
    ledger.close(StudyState(rows=[], is_done=False))
    died = subprocess.run([sys.executable, "-c", KILLED, str(home)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert log_files(home) == ["mlflow.db-shm", "mlflow.db-wal"]
    found = snapshot(client)
    assert found["trial-000"]["status"] == "FINISHED"
    assert len(found["trial-000"]["points"]) == 3 * 8 + 4
    assert found["trial-001"]["status"] == "RUNNING"
    reopened(home).close(StudyState(rows=[row(0)], is_done=False))
    assert (journal_mode(home), log_files(home)) == ("delete", [])


def test_a_refused_study_changes_no_byte_of_the_store(home: Path, ledger: MlflowLedger) -> None:
    ledger.close(StudyState(rows=[], is_done=True))
    before = (home / "mlflow.db").read_bytes()
    with pytest.raises(BadInputError, match="with other settings"):
        ledger.open(study(question="Another?", training={"epochs": 9}))
    assert (home / "mlflow.db").read_bytes() == before
