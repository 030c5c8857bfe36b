"""Faults planted in a home's two ledgers, with MLflow's own client or in its database."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from mlflow.entities import Metric, Run
from mlflow.tracking import MlflowClient

from pipeline.tracking.store import tracking_uri
from tests.app.studies import trial_runs
from tests.tracking.builders import folder_of

Plant = Callable[[Path, int], None]
"""Plants a fault in a home, with the trial of a number."""

KILLED = """
import os, sys
from dataclasses import replace
from pathlib import Path
from pipeline.search.storage.opening import open_storage
from pipeline.search.storage.store import TrialStore
from pipeline.search.blocks import resolve
from tests.app.sick import sick_study
study = sick_study(Path(sys.argv[1]), trials=7)
storage = open_storage(None, study.workspace.journal, to_write=True)
store = TrialStore.create(storage, study.config)
store.add(study.config, 5, store.suggested()[:2])
store.begin([5])
ledger = study.workspace.make_ledger(print)
ledger.open(study.config)
store.note_runs({5: ledger.start(resolve(study.config, 5, store.rows()[5].params))})
os._exit(9)
"""


def kill_driver(home: Path) -> None:
    """Go on with the study to two trials more, and die where the first of them runs."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(home)], check=False, timeout=200)
    assert done.returncode == 9


def client_of(home: Path) -> MlflowClient:
    """MLflow's own client."""
    return MlflowClient(tracking_uri(home))


def run_of(home: Path, number: int) -> Run:
    """A trial's run."""
    (run,) = (run for run in trial_runs(home) if run.data.tags["trial_number"] == str(number))
    return run


def study_run_of(home: Path) -> Run:
    """The study's run."""
    experiment = run_of(home, 1).info.experiment_id
    (run,) = client_of(home).search_runs([experiment], "tags.study_run = 'true'")
    return run


def file_of(home: Path, number: int, name: str) -> Path:
    """An artifact of a trial."""
    return folder_of(run_of(home, number).info.artifact_uri) / name


def change(home: Path, sql: str, *values: object) -> None:
    """Change MLflow's database as MLflow itself would not."""
    with closing(sqlite3.connect(home / "mlflow.db")) as connection, connection:
        assert connection.execute(sql, values).rowcount > 0


def leave_run_running(home: Path, number: int) -> None:
    client_of(home).update_run(run_of(home, number).info.run_id, status="RUNNING")


def leave_study_running(home: Path, _number: int) -> None:
    client_of(home).update_run(study_run_of(home).info.run_id, status="RUNNING")


def leave_reproduction_running(home: Path, number: int) -> None:
    original = run_of(home, number)
    tags = {"reproduces": original.info.run_id, "mlflow.parentRunId": original.info.run_id}
    client_of(home).create_run(original.info.experiment_id, tags=tags, run_name="reproduce")


def delete_run(home: Path, number: int) -> None:
    client_of(home).delete_run(run_of(home, number).info.run_id)


def delete_experiment(home: Path, number: int) -> None:
    client_of(home).delete_experiment(run_of(home, number).info.experiment_id)


def add_run(**tags: str) -> Plant:
    """A run like a trial's, but for some tags."""

    def plant(home: Path, number: int) -> None:
        run = run_of(home, number)
        given = run.data.tags | {name.replace("__", "."): value for name, value in tags.items()}
        client_of(home).create_run(run.info.experiment_id, tags=given)

    return plant


def double_run(home: Path, number: int) -> None:
    """The false one is the older and the fuller of the two."""
    run, client = run_of(home, number), client_of(home)
    double = client.create_run(run.info.experiment_id, tags=run.data.tags, start_time=1)
    points = [Metric(f"other_{i}", 0.5, 1, 1) for i in range(20)]
    client.log_batch(double.info.run_id, points)
    client.set_terminated(double.info.run_id)


def drop_point(metric: str, step: int) -> Plant:
    def plant(home: Path, number: int) -> None:
        sql = "DELETE FROM metrics WHERE run_uuid = ? AND key = ? AND step = ?"
        change(home, sql, run_of(home, number).info.run_id, metric, step)

    return plant


def add_point(metric: str, step: int) -> Plant:
    def plant(home: Path, number: int) -> None:
        client_of(home).log_metric(run_of(home, number).info.run_id, metric, 9.5, None, step)

    return plant


def change_point(home: Path, number: int) -> None:
    sql = "UPDATE metrics SET value = value + 1 WHERE run_uuid = ? AND key = 'val_loss'"
    change(home, sql, run_of(home, number).info.run_id)


def change_param(home: Path, number: int) -> None:
    sql = "UPDATE params SET value = '3' WHERE run_uuid = ? AND key = 'batch_size'"
    change(home, sql, run_of(home, number).info.run_id)


def set_tag(name: str, value: str) -> Plant:
    def plant(home: Path, number: int) -> None:
        client_of(home).set_tag(run_of(home, number).info.run_id, name, value)

    return plant


def change_best_so_far(home: Path, _number: int) -> None:
    sql = "UPDATE metrics SET value = value + 1 WHERE run_uuid = ? AND key = 'best_val_loss'"
    change(home, sql, study_run_of(home).info.run_id)


def forget_overview(home: Path, _number: int) -> None:
    """Leave of the study's run what it was before it had parameters, metrics and views."""
    run = study_run_of(home)
    for table in ("metrics", "latest_metrics", "params"):
        change(home, f"DELETE FROM {table} WHERE run_uuid = ?", run.info.run_id)  # noqa: S608
    views = "DELETE FROM experiment_tags WHERE experiment_id = ? AND key LIKE 'mlflow.shared%'"
    change(home, views, run.info.experiment_id)


def erase_run(home: Path, number: int) -> None:
    """Delete a run for good, so that MLflow cannot bring it back."""
    run_id = run_of(home, number).info.run_id
    with closing(sqlite3.connect(home / "mlflow.db")) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for table in ("metrics", "latest_metrics", "params", "tags", "runs"):
            sql = f"DELETE FROM {table} WHERE run_uuid = ?"  # noqa: S608 - our words
            connection.execute(sql, (run_id,))
