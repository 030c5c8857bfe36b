"""A reproduction in MLflow: a run of its own below the run of the trial that it repeats."""

from mlflow.tracking import MlflowClient

from pipeline.tracking import names
from pipeline.tracking.client import connect, explained
from pipeline.tracking.points import Points
from pipeline.tracking.reader import RecordedTrial
from pipeline.tracking.retraining import settled, written_alone
from pipeline.trial import Curve


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
        with settled(client, points.run_id):
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
