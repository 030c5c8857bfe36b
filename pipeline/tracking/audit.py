"""All that MLflow holds of a study, read to be compared with Optuna's store."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mlflow.entities import Experiment, Metric, Run
from mlflow.tracking import MlflowClient

from pipeline.errors import WorkFailedError
from pipeline.tracking import names, runs
from pipeline.tracking.client import connect, explained
from pipeline.tracking.overview import read_points
from pipeline.tracking.points import curve_of, score_names
from pipeline.tracking.reader import LARGEST_RECORD_BYTES, parse_record, row_of, studies
from pipeline.tracking.store import database_of
from pipeline.trial import (
    WEIGHTS_LEFT_OUT,
    OtherRun,
    Point,
    RunSnapshot,
    StudyRuns,
    TrialRecord,
    sha256_of,
)

BESIDE_SCORES = (
    "generalization_gap",
    names.BEST_EPOCH,
    names.N_PARAMETERS,
    names.DROPOUT_MEAN,
)
"""The metrics that follow from an epoch's scores, or sum up the whole trial."""
FOLD = re.compile(r"_fold_\d+$")
APART = (
    names.REPRODUCES,
    names.REFITS,
    names.CONFIRM_OF_STUDY,
    names.CONFIRMS,
    names.ATTEMPT_OF_TRIAL,
)
"""Tags of the runs that are no trial's."""


@explained
def study_names(tracking_uri: str) -> list[str]:
    """List the studies that MLflow has; of an embedded store that is not there, none.

    Raises:
        BadInputError: MLflow cannot be reached, or its store is damaged.
    """
    return list(studies(connect(tracking_uri))) if exists(tracking_uri) else []


@explained
def read_study(
    tracking_uri: str,
    study: str,
    *,
    artifact_root: Path | None = None,
    tell: Callable[[int, int], None] = lambda _n_read, _n_runs: None,
) -> StudyRuns:
    """Read a study's runs with every point of theirs and the digest of every file.

    Args:
        tracking_uri: Where MLflow is.
        study: Its name.
        artifact_root: Where an embedded store keeps artifacts; ``None``: the server decides.
        tell: Called with the number of trial runs read, and of all.

    Returns:
        An empty one where MLflow does not have the study, or it was deleted. Of a study whose
        artifacts have moved, no trial: the rest can be read when MLflow finds them again.

    Raises:
        BadInputError: MLflow cannot be reached, or its store is damaged.
    """
    if not exists(tracking_uri):
        return StudyRuns()
    client = connect(tracking_uri)
    experiment = client.get_experiment_by_name(study)
    if experiment is None or runs.is_deleted(experiment):
        return StudyRuns()
    study_run = runs.study_run(client, experiment.experiment_id)
    if study_run is None:
        return StudyRuns()
    found = list(runs.search(client, experiment.experiment_id, ""))
    moved_from = _moved_from(experiment, artifact_root)
    return StudyRuns(
        run_id=study_run.info.run_id,
        status=study_run.info.status,
        settings=study_run.data.params,
        points=read_points(client, study_run, filter(_is_ours, study_run.data.metrics)),
        latest=study_run.data.metrics,
        trials=() if moved_from else tuple(_trials(client, found, study_run, tell)),
        others=tuple(_others(found)),
        moved_from=moved_from,
        imported=study_run.data.tags.get(names.IMPORTED),
    )


def _is_ours(metric: str) -> bool:
    """Whether it is no metric of MLflow's monitor, which has thousands of points."""
    return not metric.startswith(names.SYSTEM)


def exists(tracking_uri: str) -> bool:
    """Whether there is an MLflow to connect to; a server may be tried."""
    database = database_of(tracking_uri)
    return database is None or database.exists()


def _moved_from(experiment: Experiment, artifact_root: Path | None) -> str | None:
    location = str(experiment.artifact_location)
    if artifact_root is None or location == (artifact_root / experiment.name).as_uri():
        return None
    return location


def _trials(
    client: MlflowClient, found: Iterable[Run], study_run: Run, tell: Callable[[int, int], None]
) -> Iterator[RunSnapshot]:
    ours = [run for run in found if run.data.tags.get(names.TRIAL_NUMBER, "").isdecimal()]
    for n_read, run in enumerate(ours):
        tell(n_read, len(ours))
        yield _snapshot(client, run, study_run)


def _others(found: Iterable[Run]) -> Iterator[OtherRun]:
    for run in found:
        if any(tag in run.data.tags for tag in APART):
            yield OtherRun(run_id=run.info.run_id, name=run.info.run_name, status=run.info.status)


def _snapshot(client: MlflowClient, run: Run, study_run: Run) -> RunSnapshot:
    row = row_of(int(run.data.tags[names.TRIAL_NUMBER]), run)
    files = runs.files(client, run.info)
    record, fault = _record(run, files.get(names.RECORD))
    history = _history(client, run, record)
    return RunSnapshot(
        row=row,
        status=run.info.status,
        is_below=run.data.tags.get(names.PARENT) == study_run.info.run_id,
        record=record,
        fault=fault,
        n_metrics=len(run.data.metrics),
        points=_points(history),
        curve=curve_of(reversed(history), row.number, record),
        files={name: str(sha256_of(content)) for name, content in files.items()},
        lacks_weights=WEIGHTS_LEFT_OUT in run.data.tags,
    )


def _record(run: Run, content: bytes | None) -> tuple[TrialRecord | None, str | None]:
    if content is None:
        return None, "no such file"
    if len(content) > LARGEST_RECORD_BYTES:
        return None, f"it has {len(content)} bytes"
    try:
        return parse_record(run, content), None
    except WorkFailedError as error:
        return None, str(error).rpartition(" is damaged: ")[2]


def _history(client: MlflowClient, run: Run, record: TrialRecord | None) -> list[Metric]:
    """Every point that the project logs, the earliest first: of two, the trial's."""
    folds = filter(FOLD.search, run.data.metrics)
    best = names.best_score(names.objective_of(run.data.tags))
    metrics = dict.fromkeys((*score_names(record), *folds, *BESIDE_SCORES, best))
    found = [
        point for name in metrics for point in client.get_metric_history(run.info.run_id, name)
    ]
    return sorted(found, key=lambda point: point.timestamp)


def _points(history: Iterable[Metric]) -> dict[Point, list[float]]:
    points: dict[Point, list[float]] = {}
    for point in history:
        points.setdefault((point.key, point.step), []).append(point.value)
    return points


@explained
def read_files(tracking_uri: str, run_id: str) -> dict[str, bytes]:
    """Read a run's artifacts by name."""
    client = connect(tracking_uri)
    return runs.files(client, client.get_run(run_id).info)
