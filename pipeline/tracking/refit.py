"""A refit in MLflow: a run of its own below the run of the trial whose setting it takes."""

from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import RunInfo
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from pipeline.config import TrialConfig
from pipeline.tracking import names
from pipeline.tracking.client import connect, explained
from pipeline.tracking.reader import RecordedTrial
from pipeline.tracking.retraining import log_retraining, written_alone
from pipeline.trial import TrialOutcome


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
            outcome,
            config,
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
