"""A study's experiment in MLflow, and the study run, parent of all trial runs."""

from pathlib import Path
from typing import Any

import yaml
from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from pipeline.config import StudyConfig, differences, digest
from pipeline.errors import BadInputError
from pipeline.tracking import names, runs
from pipeline.tracking.note import escape
from pipeline.tracking.store import check_confined
from pipeline.tracking.views import write_views
from pipeline.trial import WarmStart


def take_study_run(
    client: MlflowClient,
    study: StudyConfig,
    warm_start: WarmStart | None = None,
    *,
    artifact_root: Path | None,
    where: str,
) -> Run:
    """Make the study's run, or find it; after this it is RUNNING and has the study file.

    Args:
        client: Connected to MLflow.
        study: Names the experiment and the run.
        warm_start: What the study has taken over from another one.
        artifact_root: The folder for all studies' artifacts; ``None``: MLflow decides.
        where: The address that errors name.

    Raises:
        BadInputError: The experiment was deleted, the name is another study's, or its trials
            followed from other outcomes of another study.
    """
    experiment = _take_experiment(client, study.name, artifact_root, where)
    experiment_id = experiment.experiment_id
    run = runs.study_run(client, experiment_id)
    if run is None:
        run = _create(client, study, experiment_id)
    else:
        _refuse_another(client, run, study, where)
        _refuse_other_outcomes(run, warm_start, where)
    client.set_experiment_tag(experiment_id, names.NOTE, escape(study.question))
    write_views(client, experiment, study)
    if run.info.status != "RUNNING":
        client.update_run(run.info.run_id, status="RUNNING")
    text = yaml.safe_dump(study.document, sort_keys=False, allow_unicode=True)
    runs.put(client, run.info, names.STUDY_FILE, text.encode())
    if run.data.tags.get(names.RESOURCES) != (resources := _resources_of(study)):
        client.set_tag(run.info.run_id, names.RESOURCES, resources)
    if warm_start is not None:
        runs.put(client, run.info, names.WARM_START, warm_start.file)
        client.set_tag(run.info.run_id, names.WARM_START_SHA256, warm_start.sha256)
    return run


def _take_experiment(
    client: MlflowClient, name: str, artifact_root: Path | None, where: str
) -> Experiment:
    found = client.get_experiment_by_name(name)
    if found is None:
        return _create_experiment(client, name, artifact_root)
    if runs.is_deleted(found):
        raise BadInputError(
            where=where,
            key="name",
            got=f"{name!r}, an experiment that was deleted in MLflow",
            expected="another name, or the experiment restored "
            f"(mlflow experiments restore -x {found.experiment_id})",
        )
    if artifact_root is not None:
        check_confined(found.artifact_location, artifact_root, name=name, where=where)
    return found


def _create_experiment(client: MlflowClient, name: str, artifact_root: Path | None) -> Experiment:
    location = (artifact_root / name).resolve().as_uri() if artifact_root else None
    try:
        return client.get_experiment(client.create_experiment(name, location))
    except MlflowException:
        # Another driver may have been faster.
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return found


def _create(client: MlflowClient, study: StudyConfig, experiment_id: str) -> Run:
    tags = {
        names.STUDY: study.name,
        names.STUDY_RUN: "true",
        names.STUDY_DIGEST: digest(study),
        names.RESOURCES: _resources_of(study),
    }
    return client.create_run(experiment_id, tags=tags, run_name=study.name)


def _resources_of(study: StudyConfig) -> str:
    return study.resources.model_dump_json(exclude_none=True)


def _refuse_another(client: MlflowClient, run: Run, study: StudyConfig, where: str) -> None:
    if run.data.tags.get(names.STUDY_DIGEST) == digest(study):
        return
    changed = differences(_recorded(client, run), study.document)
    raise BadInputError(
        where=where,
        key="name",
        got=f"{study.name!r} with other settings ({'; '.join(changed[:5]) or 'unknown'})",
        expected="the settings that MLflow holds under that name, or another name",
    )


def _refuse_other_outcomes(run: Run, warm_start: WarmStart | None, where: str) -> None:
    """Refuse trials beside those that followed from other outcomes of the same study."""
    recorded = run.data.tags.get(names.WARM_START_SHA256)
    if warm_start is not None and recorded not in (None, warm_start.sha256):
        raise BadInputError(
            where=where,
            key="search.warm_start",
            got=f"{warm_start.study!r} with outcomes of SHA-256 {warm_start.sha256}",
            expected=f"those that MLflow holds, {recorded}, or another name for the study",
        )


def _recorded(client: MlflowClient, run: Run) -> dict[str, Any]:
    """The study file of the run; empty where it cannot be read."""
    try:
        return runs.read_study_file(client, run)
    except (MlflowException, OSError, BadInputError):
        return {}
