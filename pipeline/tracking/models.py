"""Networks in MLflow's registry: logged models, their versions and aliases.

A version is never changed or deleted, but for its tag ``confirmed``; aliases move. All of it may be
repeated after a death at any point in it: what is there is found by the trial and its weights.
"""

import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import numpy as np
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.tracking import MlflowClient

from pipeline.errors import BadInputError
from pipeline.locks import locked
from pipeline.tracking import names, runs
from pipeline.tracking.client import connect, environment, explained, failing_fast
from pipeline.tracking.store import database_of, lock_of
from pipeline.trial import ExportedNetwork, RecordedTrial

BEST, BASELINE, CHAMPION = "best", "baseline", "champion"
ALIASES: Final = (BEST, BASELINE, CHAMPION)
CONFIRMED: Final = "confirmed"
"""Of a version: whether ``confirm`` has found its trial to win."""
VERSIONS_OF_MODEL: Final = "mlflow.modelVersions"
"""Of a logged model: MLflow's page links to the versions that it names."""
LOADER: Final = "exported_network"
"""The module in a model's ``code`` folder that loads it."""
ONLY_OURS: Final = {"MLFLOW_UV_AUTO_DETECT": "false"}
"""Else MLflow copies what it finds in the working folder into the model."""
PAGE: Final = 100


class Registry:
    """A study's models in MLflow's registry, under the study's own name.

    Every name that a study may have is one that the registry allows.

    Args:
        client: Connected to MLflow.
        study: The study's name.
    """

    def __init__(self, client: MlflowClient, study: str) -> None:
        self._client = client
        self._study = study

    @classmethod
    @explained
    def open(cls, tracking_uri: str, study: str) -> "Registry":
        """Reach MLflow.

        Raises:
            BadInputError: It cannot be reached.
        """
        return cls(connect(tracking_uri), study)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write while no other process of this machine does, and fail within seconds."""
        database = database_of(self._client.tracking_uri)
        with locked(lock_of(database)) if database else nullcontext(), failing_fast():
            yield

    @explained
    def find(self, trial: RecordedTrial) -> str | None:
        """The version of a trial's network; ``None`` where it is not registered."""
        wanted = _identity(trial)
        for version in self._versions():
            if wanted.items() <= version.tags.items():
                return str(version.version)
        return None

    @explained
    def register(self, trial: RecordedTrial, network: ExportedNetwork, loader: Path) -> str:
        """Log a trial's network as a model, and register that as a new version.

        Args:
            trial: Whose run the model belongs to.
            network: What was exported.
            loader: The file that loads it wherever it is served.

        Returns:
            The version.
        """
        model = self._find_logged(trial) or self._log(trial, network, loader)
        self._create_registered_model()
        version = self._client.create_model_version(
            self._study,
            # An address and no `models:/` one, which MLflow would look up at its global address.
            source=model.artifact_location,
            run_id=trial.run_id,
            tags=_identity(trial) | {CONFIRMED: "false"},
            description=_in_words(network.description),
            model_id=model.model_id,
        )
        said = json.dumps([{"name": self._study, "version": int(version.version)}])
        self._client.set_logged_model_tags(model.model_id, {VERSIONS_OF_MODEL: said})
        return str(version.version)

    @explained
    def point(self, alias: str, version: str) -> None:
        """Move an alias to a version."""
        if self._by_alias().get(alias) != version:
            self._client.set_registered_model_alias(self._study, alias, version)

    @explained
    def follow(self, version: str) -> None:
        """Move the champion to a version, unless a confirmation has found another."""
        champion = self._by_alias().get(CHAMPION)
        if champion is None or not self._is_confirmed(champion):
            self.point(CHAMPION, version)

    @explained
    def confirm(self, version: str) -> None:
        """Make a version the champion that a confirmation has found."""
        self._client.set_model_version_tag(self._study, version, CONFIRMED, "true")
        self.point(CHAMPION, version)

    @explained
    def aliases(self) -> dict[str, str]:
        """The address of each aliased version, ``models:/STUDY/3``, by alias."""
        found = self._by_alias()
        return {alias: self.address(found[alias]) for alias in ALIASES if alias in found}

    @explained
    def run_of(self, alias: str) -> str:
        """The run of the trial whose network has an alias.

        Raises:
            BadInputError: No version has it.
        """
        version = self._by_alias().get(alias)
        if version is None:
            expected = "a study with one: `pipeline run` registers its networks"
            raise BadInputError(
                where=f"study {self._study!r}",
                key="trial",
                got=f"{alias!r}, which no registered model has",
                expected=expected,
            )
        return str(self._client.get_model_version(self._study, version).run_id)

    def address(self, version: str) -> str:
        """Where MLflow loads a version from."""
        return f"models:/{self._study}/{version}"

    def _is_confirmed(self, version: str) -> bool:
        tags = self._client.get_model_version(self._study, version).tags
        return tags.get(CONFIRMED) == "true"

    def _by_alias(self) -> dict[str, str]:
        try:
            model = self._client.get_registered_model(self._study)
        except MlflowException as error:
            if _is(error, RESOURCE_DOES_NOT_EXIST):
                return {}
            raise
        return {alias: str(version) for alias, version in model.aliases.items()}

    def _versions(self) -> Iterator[ModelVersion]:
        token: str | None = None
        while True:
            page = self._client.search_model_versions(
                f"name = '{self._study}'", max_results=PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def _create_registered_model(self) -> None:
        try:
            self._client.create_registered_model(self._study, tags={names.STUDY: self._study})
        except MlflowException as error:
            if not _is(error, RESOURCE_ALREADY_EXISTS):
                raise

    def _find_logged(self, trial: RecordedTrial) -> LoggedModel | None:
        """A model that a killed process has logged whole; one that is not whole is deleted."""
        experiment_id = self._client.get_run(trial.run_id).info.experiment_id
        condition = f"source_run_id = '{trial.run_id}'"
        for model in self._client.search_logged_models([experiment_id], condition):
            if not _identity(trial).items() <= model.tags.items():
                continue
            if model.status is LoggedModelStatus.READY:
                return model
            self._client.delete_logged_model(model.model_id)
        return None

    def _log(self, trial: RecordedTrial, network: ExportedNetwork, loader: Path) -> LoggedModel:
        client = self._client
        model = client.create_logged_model(
            client.get_run(trial.run_id).info.experiment_id,
            name=trial.run_name,
            source_run_id=trial.run_id,
            tags=_identity(trial),
            params={name: str(value) for name, value in trial.record.trial.params.items()},
            model_type="dropout-search",
        )
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "model"
            write_model(folder, network, loader, run_id=trial.run_id, model_id=model.model_id)
            runs.refuse_links_above(model.artifact_location, client.tracking_uri)
            client.log_model_artifacts(model.model_id, str(folder))
        client.log_outputs(trial.run_id, [LoggedModelOutput(model.model_id, step=0)])
        return client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def _identity(trial: RecordedTrial) -> dict[str, str]:
    """What tells a network from all others of its study."""
    config = trial.record.trial
    return {
        names.STUDY: config.study,
        "trial": str(config.shown_number),
        names.REPEAT: str(config.repeat),
        names.WEIGHTS_SHA256: str(trial.record.weights_sha256),
    }


def _in_words(said: Mapping[str, Any]) -> str:
    """What MLflow's page says of a version."""
    inputs, outputs = said["inputs"], said["outputs"]
    takes = f"{inputs['dtype']} [{', '.join(map(str, inputs['shape']))}] ({inputs['layout']})"
    gives = f"[{', '.join(map(str, outputs['shape']))}] ({outputs['meaning']})"
    return f"The network of trial {said['trial']}: takes {takes}, gives {gives}."


def _is(error: MlflowException, code: int) -> bool:
    return bool(error.error_code == ErrorCode.Name(code))


def write_model(
    folder: Path,
    network: ExportedNetwork,
    loader: Path,
    *,
    run_id: str | None = None,
    model_id: str | None = None,
) -> None:
    """Write a network as MLflow's model folder; nothing in it is pickled.

    Args:
        folder: Not there yet.
        network: What was exported.
        loader: Becomes the model's own code.
        run_id: Of the trial.
        model_id: Of the logged model.
    """
    with tempfile.TemporaryDirectory() as name, environment(ONLY_OURS), _import_warnings_ignored():
        from mlflow.models import Model
        from mlflow.pyfunc import save_model

        program = Path(name) / "model.pt2"
        program.write_bytes(network.program)
        save_model(
            folder,
            loader_module=LOADER,
            data_path=str(program),
            code_paths=[str(loader)],
            mlflow_model=Model(run_id=run_id, model_id=model_id, model_uuid=model_id),
            input_example=np.array(network.example, dtype=network.description["inputs"]["dtype"]),
            signature=_signature(network.description),
            pip_requirements=[f"torch=={network.torch_version}", "numpy"],
            metadata=dict(network.description),
        )


@contextmanager
def _import_warnings_ignored() -> Iterator[None]:
    """MLflow 3.17 warns of its own type hints while ``mlflow.pyfunc`` is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _signature(said: Mapping[str, Any]) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Schema, TensorSpec

    def schema(rows: Mapping[str, Any]) -> Schema:
        return Schema([TensorSpec(np.dtype(rows["dtype"]), (-1, *rows["shape"][1:]))])

    return ModelSignature(inputs=schema(said["inputs"]), outputs=schema(said["outputs"]))
