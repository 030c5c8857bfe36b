"""A home that can be tampered with: small, finished, and copied for each fault."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pipeline.app.workspace import Workspace
from pipeline.learning.cohort.fit import fit_cohort
from pipeline.tracking.store import tracking_uri
from pipeline.trial import sha256_of
from tests.app.studies import study_in, trial_runs
from tests.fakes import FakeEngine

DATA = "digits.npz"
STUDY: dict[str, Any] = {
    "data": {"name": "npz", "path": DATA, "validation": 0.25, "test": 0},
    "space": {"depth": 1, "width": 8, "dropout": {"low": 0.1, "high": 0.6}}
    | {"batch_size": 32, "learning_rate": 1e-2},
    "training": {"epochs": 3},
    "search": {"trials": 2, "sampler": "random", "seed": 5},
    "trials": [],
}


def make_home(home: Path) -> Path:
    """Run a study of two trials of three epochs on an npz file that lies in the home."""
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (240, 6, 6), dtype=np.uint8)
    np.savez(home / DATA, x_train=images, y_train=np.arange(240) % 4)
    replace(study_in(home, **STUDY), workspace=workspace_of(home)).run(workers=1)
    return home


def workspace_of(home: Path) -> Workspace:
    """A home whose data lies in it."""
    return Workspace(home=home, data_dir=home, tracking_uri=None)


@dataclass(frozen=True)
class Planted:
    """A copy of the home, and its first trial, to plant a fault in."""

    home: Path

    @classmethod
    def copy(cls, home: Path, to: Path) -> "Planted":
        """Copy a home; MLflow keeps the absolute paths of artifacts."""
        shutil.copytree(home, to)
        with sqlite3.connect(to / "mlflow.db") as database:
            for table, column in (("runs", "artifact_uri"), ("experiments", "artifact_location")):
                change = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"  # noqa: S608
                database.execute(change, (str(home.resolve()), str(to.resolve())))
        database.close()
        return cls(to)

    @property
    def client(self) -> MlflowClient:
        """MLflow, as anyone could use it."""
        return MlflowClient(tracking_uri(self.home))

    @property
    def run(self) -> Run:
        """The trial's run."""
        return trial_runs(self.home)[0]

    def file(self, name: str) -> Path:
        """One of its artifacts."""
        return next((self.home / "artifacts").rglob(f"{self.run.info.run_id}/**/{name}"))

    def tag(self, **tags: str) -> None:
        """Set tags of the run."""
        for name, value in tags.items():
            self.client.set_tag(self.run.info.run_id, name, value)

    def sql(self, change: str) -> None:
        """Change the database behind MLflow's back; ``?`` is the run's id."""
        run_id = self.run.info.run_id
        with sqlite3.connect(self.home / "mlflow.db") as database:
            assert database.execute(change, (run_id,)).rowcount == 1
        database.close()

    def edit_record(self, **values: Any) -> None:
        """Write other values to the record, by path: ``facts__threads=2``."""
        path = self.file("record.json")
        record = json.loads(path.read_text())
        for keys, value in values.items():
            *parents, last = keys.split("__")
            section = record
            for key in parents:
                section = section[key]
            assert section.get(last) != value
            section[last] = value
        path.write_text(json.dumps(record))

    def sign_record(self) -> None:
        """Let the tag follow the record, as somebody careful would."""
        self.tag(record_sha256=str(sha256_of(self.file("record.json").read_bytes())))


def train_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``reproduce`` train in this process: a fresh one takes five seconds to import torch."""
    monkeypatch.setattr("pipeline.app.retraining.reproduce.start_engine", _engine_here)


@contextmanager
def _engine_here(*_job: object, **_limits: object) -> Iterator[FakeEngine]:
    yield FakeEngine(fit_cohort)
