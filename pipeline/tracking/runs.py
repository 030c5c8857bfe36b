"""Finding runs in MLflow, and putting files beside them."""

import io
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, Experiment, InputTag, Run, RunInfo
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.tracking import MlflowClient

from pipeline.config import Finalist
from pipeline.config.messages import shown
from pipeline.config.yaml import LARGEST_FILE_BYTES, parse
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.tracking import names
from pipeline.trial import WEIGHTS_LEFT_OUT, Facts, TrialOutcome, TrialRecord, sha256_of

LARGEST_DIGEST = 36
"""Characters that MLflow's column holds; the whole SHA-256 is in the source and the profile."""
PAGE = 1_000
OLDEST_FIRST = ["attributes.start_time ASC"]
OUTCOME_TAGS = {
    names.CAUSE,
    names.WARNING,
    names.WEIGHTS_SHA256,
    names.RECORD_SHA256,
    WEIGHTS_LEFT_OUT,
}
"""The tags that ``outcome_tags`` writes."""
FINALIST = re.compile(r"([0-9]{1,6}) ([0-9]{1,6})-([0-9]{1,6})")


def search(client: MlflowClient, experiment_id: str, condition: str) -> Iterator[Run]:
    """Yield every active run that fulfils a condition, oldest first, however many pages."""
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id], condition, max_results=PAGE, order_by=OLDEST_FIRST, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def confirm_runs(client: MlflowClient, study_run: Run) -> Iterator[Run]:
    """Yield the runs ``confirm`` of a study, the oldest first."""
    condition = f"tags.{names.CONFIRM_OF_STUDY} = '{study_run.info.run_id}'"
    return search(client, study_run.info.experiment_id, condition)


def study_run(client: MlflowClient, experiment_id: str) -> Run | None:
    """The run of the study itself, if it has been made."""
    return next(search(client, experiment_id, f"tags.{names.STUDY_RUN} = 'true'"), None)


def trial_runs(client: MlflowClient, study: Run) -> Iterator[tuple[int, Run]]:
    """Yield each trial run below a study run with its trial's number."""
    condition = f"tags.`{names.PARENT}` = '{study.info.run_id}'"
    for run in search(client, study.info.experiment_id, condition):
        number = run.data.tags.get(names.TRIAL_NUMBER, "")
        if number.isdecimal():
            yield int(number), run


def is_deleted(experiment: Experiment) -> bool:
    """Whether someone deleted the experiment; MLflow keeps its name in use."""
    return bool(experiment.lifecycle_stage == "deleted")


def put(client: MlflowClient, run: RunInfo, name: str, content: bytes) -> None:
    """Write an artifact, in place of an older one of that name.

    MLflow's client would look the run up and copy the file twice: 6 ms where a write takes 0.5.
    A link of that name is replaced and not followed.

    Raises:
        WorkFailedError: The run's folder is a link, which may lead anywhere.
    """
    repository = get_artifact_repository(run.artifact_uri, client.tracking_uri)
    if isinstance(repository, LocalArtifactRepository):
        folder = Path(repository.artifact_dir)
        path = folder / name
        _refuse_links(path.parent, folder, *folder.parents[:2])
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.unlink(missing_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(path)
    else:
        client.log_stream(run.run_id, io.BytesIO(content), name)


def put_outcome(
    client: MlflowClient, run: RunInfo, record: TrialRecord, outcome: TrialOutcome
) -> DatasetInput | None:
    """Write a training's record, weights, files and log, and the data set that it used.

    Returns:
        The data set, if it is known.
    """
    files = {names.RECORD: record.file, **outcome.pictures}
    files |= {f"{names.LOGGED}/{name}": one for name, one in outcome.logged_files.items()}
    if outcome.weights is not None:
        files[names.WEIGHTS] = outcome.weights
    if outcome.log is not None:
        files[names.LOG] = outcome.log
    for name, content in files.items():
        put(client, run, name, content)
    if outcome.facts is None:
        return None
    data = dataset_input(record.trial.data.title, outcome.facts)
    client.log_inputs(run.run_id, [data])
    return data


def outcome_tags(record: TrialRecord, outcome: TrialOutcome) -> dict[str, str]:
    """The tags of a training that has ended; what is empty is left out."""
    is_left_out = outcome.weights is None and record.weights_sha256 is not None
    tags = {
        names.CAUSE: outcome.cause,
        names.WARNING: outcome.warning,
        names.WEIGHTS_SHA256: record.weights_sha256,
        names.RECORD_SHA256: sha256_of(record.file),
        WEIGHTS_LEFT_OUT: "true" if is_left_out else None,
    }
    return {name: names.tag_text(text) for name, text in tags.items() if text}


def finalist_tags(finalist: Finalist | None) -> dict[str, str]:
    """The tags of a finalist's trial; none of any other."""
    if finalist is None:
        return {}
    return {
        names.FINALIST_OF: str(finalist.setting_of),
        names.FINALISTS: f"{finalist.first}-{finalist.last}",
    }


def finalist_of(tags: Mapping[str, str]) -> Finalist | None:
    """Read what ``finalist_tags`` wrote; tags that say anything else make no finalist."""
    said = f"{tags.get(names.FINALIST_OF)} {tags.get(names.FINALISTS)}"
    found = FINALIST.fullmatch(said)
    if found is None:
        return None
    setting_of, first, last = map(int, found.groups())
    return Finalist(setting_of=setting_of, first=first, last=last)


def _refuse_links(*parts: Path) -> None:
    """Look at ``NAME/RUN/artifacts``; above them the user may link what he likes."""
    for part in parts:
        if part.is_symlink():
            message = f"{part}: got a link, expected a folder that this project made"
            raise WorkFailedError(message)


def refuse_links_above(location: str, tracking_uri: str) -> None:
    """Look at ``NAME/models/MODEL``, the folders of a model that is about to be written.

    Raises:
        WorkFailedError: One is a link, which may lead anywhere.
    """
    repository = get_artifact_repository(location, tracking_uri)
    if isinstance(repository, LocalArtifactRepository):
        folder = Path(repository.artifact_dir)
        _refuse_links(folder, *folder.parents[:3])


def read(client: MlflowClient, run: RunInfo, name: str, *, largest: int) -> bytes:
    """Read an artifact.

    Raises:
        MlflowException: It is not there.
        OSError: It cannot be read, is no file, or has more than ``largest`` bytes.
    """
    repository = get_artifact_repository(run.artifact_uri, client.tracking_uri)
    if isinstance(repository, LocalArtifactRepository):
        return _read(Path(repository.artifact_dir) / name, largest)
    with tempfile.TemporaryDirectory() as folder:
        return _read(Path(client.download_artifacts(run.run_id, name, folder)), largest)


def _read(path: Path, largest: int) -> bytes:
    size = path.stat().st_size
    if not path.is_file():
        message = "it is no file"
        raise OSError(message)
    if size > largest:
        message = f"it has {size:,} bytes, of at most {largest:,}"
        raise OSError(message)
    return path.read_bytes()


def read_study_file(client: MlflowClient, study_run: Run) -> dict[str, Any]:
    """Read the study file of a study's run.

    Raises:
        MlflowException: It is not there.
        OSError: It cannot be read.
        BadInputError: It is no study file.
    """
    content = read(client, study_run.info, names.STUDY_FILE, largest=LARGEST_FILE_BYTES)
    document = parse(content.decode("utf-8", "replace"), names.STUDY_FILE)
    if not isinstance(document, dict):
        raise BadInputError(where=names.STUDY_FILE, got=shown(document), expected="a map")
    return document


def files(client: MlflowClient, run: RunInfo) -> dict[str, bytes]:
    """Read all artifacts at the top level of a run, by name."""
    repository = get_artifact_repository(run.artifact_uri, client.tracking_uri)
    if isinstance(repository, LocalArtifactRepository):
        folder = Path(repository.artifact_dir)
        found = sorted(folder.iterdir()) if folder.is_dir() else ()
        return {path.name: path.read_bytes() for path in found if path.is_file()}
    listed = [file.path for file in client.list_artifacts(run.run_id) if not file.is_dir]
    with tempfile.TemporaryDirectory() as temporary:
        return {
            name: Path(client.download_artifacts(run.run_id, name, temporary)).read_bytes()
            for name in listed
        }


def copy_pictures(client: MlflowClient, run_id: str, to: RunInfo) -> None:
    """Copy a run's pictures to another run, in place of older ones."""
    found = [file.path for file in client.list_artifacts(run_id) if file.path.endswith(".png")]
    with tempfile.TemporaryDirectory() as folder:
        for name in found:
            content = Path(client.download_artifacts(run_id, name, folder)).read_bytes()
            put(client, to, name, content)


def dataset_input(name: str, facts: Facts) -> DatasetInput:
    """Describe the data that a trial was trained on."""
    digests = {"sha256": facts.data_sha256, "split_sha256": facts.split_sha256}
    dataset = Dataset(
        name=name,
        digest=facts.data_sha256[:LARGEST_DIGEST],
        source_type="local",
        source=json.dumps({"name": name, "sha256": facts.data_sha256}),
        profile=json.dumps(digests),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
