"""Trials trained again in MLflow: runs of their own, beside the trial's one run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import RunInfo
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.tracking import MlflowClient

from pipeline.config import TrialConfig
from pipeline.locks import locked
from pipeline.tracking import names, runs
from pipeline.tracking.client import connect, explained
from pipeline.tracking.points import Points
from pipeline.tracking.store import database_of, lock_of
from pipeline.trial import Curve, RecordedTrial, TrialOutcome, TrialRecord, TrialState


@explained
def log_reproduction(
    original: RecordedTrial,
    *,
    curve: Curve,
    verdict: str,
    first_difference: str | None = None,
    weights_sha256: str | None = None,
) -> str:
    """Write down that a trial was trained again, and how it compares.

    Args:
        original: The trial as it was read; the run is written where that was.
        curve: What was measured this time.
        verdict: ``identical``, ``close`` or ``different``.
        first_difference: What differs first; ``None``: nothing.
        weights_sha256: The digest of the weights trained this time.

    Returns:
        The id of the new run.
    """
    client = connect(original.tracking_uri)
    answers = {
        names.VERDICT: verdict,
        names.FIRST_DIFFERENCE: first_difference,
        names.WEIGHTS_SHA256: weights_sha256,
    }
    tags = {name: names.tag_text(text) for name, text in answers.items() if text is not None}
    experiment_id = client.get_run(original.run_id).info.experiment_id
    with written_alone(client, experiment_id, names.REPRODUCES):
        points = Points(_create(client, original, experiment_id), original.record.trial.params)
        for scores in curve:
            points.add(scores.metrics, step=scores.epoch, timestamp_ms=scores.ended_at_ms)
        with terminating(client, points.run_id):
            points.write(client, tags)
    return points.run_id


def _create(client: MlflowClient, original: RecordedTrial, experiment_id: str) -> str:
    """No tag ``trial_number``: the trial has its one run already."""
    trial = original.record.trial
    run = client.create_run(
        experiment_id,
        run_name=f"reproduce-{original.run_name}",
        tags={
            names.PARENT: original.run_id,
            names.STUDY: trial.study,
            names.REPRODUCES: original.run_id,
        },
    )
    return str(run.info.run_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """Where a refit was written to.

    Attributes:
        run_id: The new run.
        weights: The weights file's path, or its URI where MLflow keeps it elsewhere.
    """

    run_id: str
    weights: str


@explained
def log_refit(original: RecordedTrial, config: TrialConfig, outcome: TrialOutcome) -> Logged:
    """Write down a setting trained on training and validation rows.

    Args:
        original: The trial whose setting it is; the run is written where that was.
        config: What was trained.
        outcome: How it ended.
    """
    client = connect(original.tracking_uri)
    experiment_id = client.get_run(original.run_id).info.experiment_id
    with written_alone(client, experiment_id, names.REFITS):
        info = log_retraining(
            client,
            TrialRecord.of(config, outcome),
            outcome,
            experiment_id=experiment_id,
            run_name=f"refit-{names.trial_run(config.number)}",
            tags={
                names.PARENT: original.run_id,
                names.STUDY: config.study,
                names.REFITS: original.run_id,
            },
        )
    return Logged(run_id=info.run_id, weights=_place_of_weights(info, original.tracking_uri))


def _place_of_weights(info: RunInfo, tracking_uri: str) -> str:
    repository = get_artifact_repository(info.artifact_uri, tracking_uri)
    if isinstance(repository, LocalArtifactRepository):
        return str(Path(repository.artifact_dir) / names.WEIGHTS)
    return f"{info.artifact_uri}/{names.WEIGHTS}"


@contextmanager
def terminating(client: MlflowClient, run_id: str, *, status: str = "FINISHED") -> Iterator[None]:
    """Leave a run not running, whatever happens: KILLED where the writing is broken off."""
    ended = "KILLED"
    try:
        yield
        ended = status
    finally:
        _end_run(client, run_id, ended)


@explained
def _end_run(client: MlflowClient, run_id: str, status: str) -> None:
    client.set_terminated(run_id, status)


@contextmanager
def written_alone(client: MlflowClient, experiment_id: str, tag: str) -> Iterator[None]:
    """Write a run of one kind while no other process does, and end those that were abandoned.

    Only runs of an embedded store can be known to have no writer: a server's are left as they are.

    Args:
        client: Connected to MLflow.
        experiment_id: The study's.
        tag: What all runs of the kind carry.
    """
    database = database_of(client.tracking_uri)
    with locked(lock_of(database)) if database else nullcontext():
        if database:
            terminate_abandoned(client, experiment_id, tag)
        yield


def terminate_abandoned(client: MlflowClient, experiment_id: str, tag: str) -> None:
    """End runs that a killed process left RUNNING; the caller knows that nobody writes them."""
    condition = f"attributes.status = 'RUNNING' AND tags.{tag} != ''"
    for run in list(runs.search(client, experiment_id, condition)):
        client.set_terminated(run.info.run_id, "KILLED")


def log_retraining(
    client: MlflowClient,
    record: TrialRecord,
    outcome: TrialOutcome,
    *,
    experiment_id: str,
    run_name: str,
    tags: Mapping[str, str],
) -> RunInfo:
    """Write a run with all that was trained: parameters, curve, record, weights.

    Args:
        client: Connected to MLflow.
        record: What was trained.
        outcome: How the training ended; a failed one makes a failed run with its cause.
        experiment_id: The study's.
        run_name: Its name.
        tags: What kind of run it is, its parent included. None is ``trial_number``: the trial
            has its one run already.
    """
    info: RunInfo = client.create_run(
        experiment_id, start_time=_began_at_ms(outcome), tags=dict(tags), run_name=run_name
    ).info
    is_failed = outcome.state is TrialState.FAIL
    with terminating(client, info.run_id, status="FAILED" if is_failed else "FINISHED"):
        runs.put_outcome(client, info, record, outcome)
        points = Points(info.run_id, record.trial.params)
        points.add_outcome(record.trial, outcome, prefix=names.RETRAINED)
        points.write(client, runs.outcome_tags(record, outcome))
    return info


def _began_at_ms(outcome: TrialOutcome) -> int | None:
    if not outcome.curve:
        return None
    first = outcome.curve[0]
    return first.ended_at_ms - round(1_000 * first.epoch_seconds)
