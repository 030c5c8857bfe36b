"""A setting trained once more in MLflow: a run that stands apart from the trial's own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

from mlflow.entities import RunInfo
from mlflow.tracking import MlflowClient

from pipeline.config import TrialConfig
from pipeline.tracking import names, runs
from pipeline.tracking.client import explained
from pipeline.tracking.datasets import dataset_input
from pipeline.tracking.home import database_of
from pipeline.tracking.points import Points
from pipeline.tracking.schema import locked
from pipeline.trial import TrialOutcome, TrialRecord, TrialState, sha256_of


@contextmanager
def settled(client: MlflowClient, run_id: str, *, status: str = "FINISHED") -> Iterator[None]:
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
    """Write a run of one kind while no other process does, and settle those of the dead first.

    Only runs of an embedded store can be known to have no writer: a server's are left as they are.

    Args:
        client: Connected to MLflow.
        experiment_id: The study's.
        tag: What all runs of the kind carry.
    """
    database = database_of(client.tracking_uri)
    with locked(database) if database else nullcontext():
        if database:
            settle_the_dead(client, experiment_id, tag)
        yield


def settle_the_dead(client: MlflowClient, experiment_id: str, tag: str) -> None:
    """Settle runs that a killed process left running; the caller knows that nobody writes them."""
    condition = f"attributes.status = 'RUNNING' AND tags.{tag} != ''"
    for run in list(runs.search(client, experiment_id, condition)):
        client.set_terminated(run.info.run_id, "KILLED")


def log_retraining(
    client: MlflowClient,
    outcome: TrialOutcome,
    config: TrialConfig,
    *,
    experiment_id: str,
    run_name: str,
    tags: Mapping[str, str],
) -> RunInfo:
    """Write a run with all that was trained: parameters, curve, record, weights.

    Args:
        client: Connected to MLflow.
        outcome: How the training ended; a failed one makes a failed run with its cause.
        config: What was trained.
        experiment_id: The study's.
        run_name: Its name.
        tags: What the run stands for, its parent among them. None is ``trial_number``: the trial
            has its one run already.
    """
    info: RunInfo = client.create_run(
        experiment_id, start_time=_began_at_ms(outcome), tags=dict(tags), run_name=run_name
    ).info
    is_failed = outcome.state is TrialState.FAIL
    with settled(client, info.run_id, status="FAILED" if is_failed else "FINISHED"):
        record = TrialRecord.of(config, outcome).file
        _put_files(client, info, record, outcome)
        if outcome.facts is not None:
            name = config.data.name or config.data.class_path or "data"
            client.log_inputs(info.run_id, [dataset_input(name, outcome.facts)])
        _points(info.run_id, config, outcome).write(client, _tags(record, outcome))
    return info


def _began_at_ms(outcome: TrialOutcome) -> int | None:
    if not outcome.curve:
        return None
    first = outcome.curve[0]
    return first.ended_at_ms - round(1_000 * first.epoch_seconds)


def _put_files(client: MlflowClient, info: RunInfo, record: bytes, outcome: TrialOutcome) -> None:
    files = {names.RECORD: record, **outcome.pictures}
    if outcome.weights is not None:
        files[names.WEIGHTS] = outcome.weights
    for name, content in files.items():
        runs.put(client, info, name, content)


def _points(run_id: str, config: TrialConfig, outcome: TrialOutcome) -> Points:
    points = Points(run_id, config.params)
    for scores in outcome.curve:
        points.add(scores.metrics, step=scores.epoch, timestamp_ms=scores.ended_at_ms)
    summary: dict[str, float] = {}
    if outcome.n_parameters:
        summary[names.N_PARAMETERS] = outcome.n_parameters
    if outcome.best is not None:
        summary[names.BEST_VAL_LOSS] = outcome.best.val_loss
        summary[names.BEST_EPOCH] = outcome.best.epoch
    ended_at_ms = outcome.curve[-1].ended_at_ms if outcome.curve else 0
    points.add(summary, step=0, timestamp_ms=ended_at_ms)
    return points


def _tags(record: bytes, outcome: TrialOutcome) -> dict[str, str]:
    tags = {
        names.CAUSE: outcome.cause,
        names.WARNING: outcome.warning,
        names.WEIGHTS_SHA256: outcome.weights_sha256,
        names.RECORD_SHA256: sha256_of(record),
    }
    return {name: names.tag_text(text) for name, text in tags.items() if text}
