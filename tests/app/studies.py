"""Small studies on real digits, and how their tables are compared."""

import atexit
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import yaml
from mlflow.entities import Run

from pipeline.app.browse import show_study
from pipeline.app.repair import read_overview
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.config import check_study
from pipeline.search.storage.opening import open_storage
from pipeline.search.storage.store import TrialStore
from pipeline.tracking.audit import read_study
from pipeline.tracking.client import connect
from pipeline.tracking.points import read_curve
from pipeline.tracking.store import artifact_root, tracking_uri
from pipeline.trial import TrialRecord, TrialRow, curve_sha256

PRUNED_TOO: dict[str, Any] = {
    "name": "small",
    "question": "Do |tables| stay the same?",
    "data": {"name": "digits", "validation": 0.25},
    "model": {"name": "mlp"},
    "space": {
        "depth": {"low": 0, "high": 3},
        "width": {"choices": [16, 32]},
        "input_dropout": {"low": 0.0, "high": 0.3},
        "dropout": {"low": 0.0, "high": 0.6, "per_layer": True},
        "batch_size": {"choices": [32, 64]},
        "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    },
    "training": {"epochs": 4, "early_stopping": {"patience": 3}},
    "search": {"trials": 14, "sampler": "tpe", "stopping": "asha", "seed": 3, "block": 3},
    "trials": [{"depth": 1, "width": 32, "dropout": 0.25}],
}
ROOT = Path(__file__).parents[2]
METRICS = (
    *("train_loss", "train_accuracy", "train_loss_no_dropout", "val_loss", "val_accuracy"),
    *("generalization_gap", "learning_rate", "epoch_seconds"),
)


@cache
def empty_store() -> Path:
    """An empty store of MLflow, to be copied: making one takes two seconds."""
    home = Path(mkdtemp(prefix="store"))
    atexit.register(shutil.rmtree, home)
    connect(tracking_uri(home), artifact_root(home))
    return home / "mlflow.db"


def with_store(home: Path) -> Path:
    """The home, with an empty store where it has none yet."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "mlflow.db").exists():
        shutil.copy(empty_store(), home)
    return home


def study_in(home: Path, **changes: Any) -> Study:
    """The small study, with sections changed, in a home that has a store."""
    with_store(home)
    config = check_study(PRUNED_TOO | changes, "small.yaml")
    return Study(config=config, workspace=Workspace(home=home, tracking_uri=None))


def searched(home: Path, **search: Any) -> Study:
    """The small study with other settings of the search."""
    return study_in(home, search=PRUNED_TOO["search"] | search)


def file_of(folder: Path, study: object = PRUNED_TOO, name: str = "small") -> Path:
    """A study's file in a folder."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    return path


def command(*words: str | Path, fit: str | None = None) -> list[str]:
    """The real command as a list of words, with workers that do something of ``tests.app.fits``."""
    module = ["pipeline"] if fit is None else ["tests.app.fits", fit]
    return [sys.executable, "-m", *module, *map(str, words)]


def run_command(
    *words: str | Path, code: int = 0, fit: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the real command to its end and hold it to its exit code."""
    line = command(*words, fit=fit)
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == code, done.stderr
    return done


FIRST_TRIAL = "[1/"
"""How the line begins with which a run tells of the first trial that ends."""


def read_until(begin: str, driver: subprocess.Popen[str]) -> None:
    """Read what a command tells, up to a line that begins so."""
    assert driver.stderr is not None
    told: list[str] = []
    while not (told and told[-1].startswith(begin)):
        told.append(driver.stderr.readline())
        assert told[-1], f"the command ended before it told {begin!r}: {told}"


def trial_runs(home: Path, name: str = "small") -> list[Run]:
    """All trial runs of a study by MLflow's own client, in the order of their numbers."""
    client = connect(tracking_uri(home))
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], max_results=1_000)
    runs = [run for run in found if "trial_number" in run.data.tags]
    return sorted(runs, key=lambda run: int(run.data.tags["trial_number"]))


def points(home: Path, run: Run, metric: str) -> list[tuple[int, float]]:
    """Every point of a metric, doubled ones too."""
    history = connect(tracking_uri(home)).get_metric_history(run.info.run_id, metric)
    return sorted((point.step, point.value) for point in history)


def table(home: Path, name: str = "small") -> list[Any]:
    """All that promise 1 fixes: parameters, states, values, causes, weights and curves."""
    rows = show_study(Workspace(home=home, tracking_uri=None), name).trials
    curves = [
        [points(home, run, metric) for metric in METRICS if metric != "epoch_seconds"]
        for run in trial_runs(home, name)
    ]
    return [
        (
            *(row.number, row.state, row.value, row.best_epoch, row.params),
            *(row.weights_sha256, row.cause, curve),
        )
        for row, curve in zip(rows, curves, strict=True)
    ]


def check_ledgers_agree(home: Path, n_trials: int, name: str = "small") -> None:
    """Promise 2: trials and runs one to one, nothing running, each point once."""
    rows: Sequence[Any] = show_study(Workspace(home=home, tracking_uri=None), name).trials
    runs = trial_runs(home, name)
    assert [row.number for row in rows] == list(range(n_trials))
    assert [int(run.data.tags["trial_number"]) for run in runs] == list(range(n_trials))
    assert [row.run_id for row in rows] == [run.info.run_id for run in runs]
    assert [row.state for row in rows] == [run.data.tags["trial_state"] for run in runs]
    client = connect(tracking_uri(home))
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    states = Counter(run.info.status for run in client.search_runs(experiments))
    assert set(states) <= {"FINISHED", "FAILED"}
    for run, row in zip(runs, rows, strict=True):
        for metric in METRICS:
            steps = [step for step, _ in points(home, run, metric)]
            assert steps == list(range(1, len(steps) + 1)), (run.info.run_name, metric)
        if row.state != "FAIL":  # it may have failed between two metrics of an epoch
            check_curve_is_whole(home, run, row)
    check_study_run(home, name)


def check_study_run(home: Path, name: str) -> None:
    """The study's run says what the study came to, each (metric, step) once."""
    storage = open_storage(None, home / "optuna.journal", to_write=False)
    overview = read_overview(name, TrialStore.find(storage, name))
    runs = read_study(tracking_uri(home), name, artifact_root=artifact_root(home))
    assert overview is not None
    assert overview.settings == runs.settings
    assert not overview.untrue(runs.points)
    assert not overview.missing(runs.points)
    assert {one: runs.latest.get(one) for one in overview.totals} == overview.totals
    assert all(len(values) == 1 for values in runs.points.values())


def check_curve_is_whole(home: Path, run: Run, row: TrialRow) -> None:
    """MLflow's points are those that the record was made from, and Optuna's."""
    metric = row.objective.metric
    assert tuple(score for _, score in points(home, run, metric)) == row.scores
    (file,) = (home / "artifacts").rglob(f"{run.info.run_id}/artifacts/record.json")
    record = TrialRecord.model_validate_json(file.read_bytes())
    curve = read_curve(connect(tracking_uri(home)), run.info.run_id, record)
    assert curve_sha256(curve) == record.curves_sha256, run.info.run_name
    derived = ["generalization_gap"] * ("train_loss_no_dropout" in run.data.metrics)
    for metric in (*derived, "epoch_seconds"):  # no part of what the record digests
        assert len(points(home, run, metric)) == len(row.scores), (run.info.run_name, metric)
