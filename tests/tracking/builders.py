"""Studies, trials and outcomes for the tests, and a whole experiment as plain values."""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlflow.tracking import MlflowClient

from pipeline.config import Finalist, StudyConfig, TrialConfig, check_study
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.store import artifact_root, tracking_uri
from pipeline.trial import Curve, EpochScores, Facts, TrialOutcome, TrialRow, TrialState

PARAMS = {
    "depth": 1,
    "width": 64,
    "input_dropout": 0.0,
    "dropout_1": 0.1 + 0.2,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
}
FACTS = Facts(
    data_sha256="d" * 36 + "e" * 28,
    split_sha256="5" * 64,
    sources={"pipeline/trial.py": "a" * 64},
    packages={"torch": "2.13.0"},
    python="3.11",
    processor="x86_64 avx512",
    threads=1,
    precision="32-true",
    device="cpu",
    project_version="0.1.0",
    project_commit=None,
    project_clean=None,
)


def study(name: str = "digits", **changes: Any) -> StudyConfig:
    """A small study."""
    document = {
        "name": name,
        "question": "How much dropout?",
        "data": {"name": "digits"},
        "model": {"name": "mlp"},
        "space": {"depth": 1, "width": 64, "dropout": {"low": 0.0, "high": 0.5}}
        | {"batch_size": 32, "learning_rate": 1.0e-3},
        "training": {"epochs": 3},
        "search": {"trials": 4},
    }
    return check_study(document | changes, "test")


def config(
    number: int, name: str = "digits", *, epochs: int = 3, finalist: Finalist | None = None
) -> TrialConfig:
    """A trial of the study."""
    given = study(name)
    return TrialConfig(
        study=name,
        number=number,
        study_seed=0,
        data=given.data,
        model=given.model,
        training=given.training.of_trial({}).model_copy(update={"epochs": epochs}),
        params=PARAMS,
        finalist=finalist,
    )


def scores(
    number: int, epoch: int, *, ended_at_ms: int = 1_000, val_loss: float = 0.0
) -> EpochScores:
    """An epoch's scores; unless told otherwise the first epoch is the best."""
    return EpochScores(
        number=number,
        epoch=epoch,
        ended_at_ms=ended_at_ms + epoch,
        train_loss=1 / 3,
        train_accuracy=0.5,
        train_loss_no_dropout=0.1,
        val_loss=val_loss or 0.7 + number / 10 + epoch / 100,
        val_accuracy=0.8,
        learning_rate=1e-3,
        epoch_seconds=0.25,
    )


def curve(number: int, epochs: int = 3, *, ended_at_ms: int = 1_000) -> Curve:
    """A trial's epochs."""
    return tuple(scores(number, 1 + i, ended_at_ms=ended_at_ms) for i in range(epochs))


def outcome(number: int, state: TrialState = TrialState.COMPLETE, **changes: Any) -> TrialOutcome:
    """How a trial ended."""
    weights = f"weights of {number}".encode()
    given: dict[str, Any] = {"curve": curve(number), "n_parameters": 4_810}
    given |= {"weights": weights, "facts": FACTS, "number": number, "state": state}
    return TrialOutcome(**given | changes)


def row(
    number: int, state: TrialState = TrialState.COMPLETE, value: float | None = 0.5
) -> TrialRow:
    """A line of the study's table."""
    return TrialRow(
        number=number,
        state=state,
        value=value,
        best_epoch=2,
        params=dict(PARAMS),
        run_id=None,
        weights_sha256=None,
        cause=None,
    )


def snapshot(client: MlflowClient, name: str = "digits") -> dict[str, dict[str, Any]]:
    """Everything that MLflow holds of a study but ids and times, by run name."""
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], max_results=1_000)
    by_id = {run.info.run_id: run.info.run_name for run in found}
    assert len(set(by_id.values())) == len(by_id), "two runs of one name"
    return {run.info.run_name: _described(client, run, by_id) for run in found}


def _described(client: MlflowClient, run: Any, by_id: dict[str, str]) -> dict[str, Any]:
    tags = {key: by_id.get(value, value) for key, value in run.data.tags.items()}
    note = tags.get("mlflow.note.content", "")
    for run_id, run_name in by_id.items():
        note = note.replace(run_id, run_name)
    return {
        "status": run.info.status,
        "tags": tags | {"mlflow.note.content": note},
        "params": run.data.params,
        "points": points(client, run.info.run_id),
        "files": files(run.info.artifact_uri),
        "data": [(i.dataset.name, i.dataset.digest) for i in run.inputs.dataset_inputs],
    }


def points(client: MlflowClient, run_id: str) -> dict[tuple[str, int], list[float]]:
    """Every value that stands under each (metric, step) of a run."""
    found: dict[tuple[str, int], list[float]] = {}
    for name in client.get_run(run_id).data.metrics:
        for point in client.get_metric_history(run_id, name):
            found.setdefault((name, point.step), []).append(point.value)
    return found


def files(artifact_uri: str) -> dict[str, str]:
    """The SHA-256 of each artifact of a run."""
    folder = folder_of(artifact_uri)
    found = folder.iterdir() if folder.exists() else ()
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def folder_of(artifact_uri: str) -> Path:
    """The folder behind a file URI."""
    return Path(unquote(urlsplit(artifact_uri).path))


def reopened(home: Path) -> MlflowLedger:
    """A ledger as the next process opens it."""
    opened = MlflowLedger(tracking_uri(home), artifact_root(home), seconds_buffered=0)
    opened.open(study())
    return opened
