"""Single corrections of a study's runs in MLflow; each may be repeated."""

from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

from pipeline.tracking import names, runs
from pipeline.tracking.client import connect, explained


@explained
def delete_run(tracking_uri: str, run_id: str) -> None:
    """Delete a run as MLflow does: ``mlflow runs restore`` brings it back."""
    connect(tracking_uri).delete_run(run_id)


@explained
def end_run(tracking_uri: str, run_id: str) -> None:
    """Mark a run as KILLED."""
    connect(tracking_uri).set_terminated(run_id, "KILLED")


@explained
def restore_experiment(tracking_uri: str, study: str) -> bool:
    """Restore a study that was deleted in MLflow, and say whether there was one."""
    client = connect(tracking_uri)
    found = client.get_experiment_by_name(study)
    if found is None or not runs.is_deleted(found):
        return False
    client.restore_experiment(found.experiment_id)
    return True


@explained
def restore_run(tracking_uri: str, study: str, run_id: str) -> bool:
    """Restore a run that was deleted in MLflow, and say whether MLflow still had it."""
    client = connect(tracking_uri)
    experiment = client.get_experiment_by_name(study)
    deleted = (
        client.search_runs(
            [experiment.experiment_id],
            f"attributes.run_id = '{run_id}'",
            run_view_type=ViewType.DELETED_ONLY,
        )
        if experiment
        else []
    )
    for run in deleted:
        client.restore_run(run.info.run_id)
    return bool(deleted)


@explained
def replace_run(tracking_uri: str, old: str, new: str) -> None:
    """Replace a run by a new one, also as the parent of its reproductions and refits."""
    client = connect(tracking_uri)
    experiment_id = client.get_run(old).info.experiment_id
    for tag in (names.PARENT, names.REPRODUCES, names.REFITS, names.CONFIRMS):
        _retag(client, experiment_id, tag, old, new)
    client.delete_run(old)


def _retag(client: MlflowClient, experiment_id: str, tag: str, old: str, new: str) -> None:
    for run in list(runs.search(client, experiment_id, f"tags.`{tag}` = '{old}'")):
        client.set_tag(run.info.run_id, tag, new)
