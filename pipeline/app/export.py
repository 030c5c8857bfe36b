"""Give a trial's network away: as a file that another process has run, or to MLflow's registry."""

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from pipeline.app.inputs import Data, find_trial_classes, names_custom_class, prepare_trial
from pipeline.app.output_file import check_writable, replacing
from pipeline.app.registration import trained_network, version_of
from pipeline.app.retraining.reproduce import RUN_ID
from pipeline.app.workspace import Workspace
from pipeline.config import TrialConfig
from pipeline.errors import BadInputError
from pipeline.trial import RecordedTrial

if TYPE_CHECKING:
    from pipeline.learning.export import Check
    from pipeline.learning.prepared_network import TriedNetwork

Format = Literal["pt2", "onnx", "mlflow"]
Alias = Literal["best", "champion", "baseline"]
Target = int | Alias
FOLDER: Final = "exports"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A network that was given away, and what was checked of it.

    Attributes:
        path: The file; ``None`` where the network was registered.
        model_uri: MLflow's address of the registered model; ``None`` of a file.
        check: What another process has found.
        description: What the file says of the network.
    """

    study: str
    trial: int | str
    run_id: str
    format: Format
    path: Path | None = None
    model_uri: str | None = None
    check: "Check"
    description: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The answer as ``export --json`` prints it."""
        place = {"path": str(self.path)} if self.path else {"model_uri": self.model_uri}
        return {
            "study": self.study,
            "trial": self.trial,
            "run_id": self.run_id,
            "format": self.format,
            **place,
            "checked": asdict(self.check),
            "description": self.description,
        }


def export(
    workspace: Workspace,
    target: str,
    *,
    trial: Target | None = None,
    format: Format = "pt2",  # noqa: A002 - the option of the command
    out: Path | None = None,
) -> Exported:
    """Export a network with its preprocessing, and have another process run it.

    Args:
        workspace: Where the ledger and the data are; without the data, rows are drawn.
        target: A study's name or, where ``trial`` is not given, a run id: also of a refit.
        trial: Its number, or an alias; ``best`` where only a study is named.
        format: ``pt2``: a torch program; ``onnx``; ``mlflow``: a version of the registered model.
        out: The file; by default ``HOME/exports/STUDY-trial-N.FORMAT``.

    Raises:
        BadInputError: There is no such study or trial, it has no weights, a package is missing, or
            a class is not here or not the user's own.
        WorkFailedError: A record or the weights are damaged, the network cannot be exported, or it
            gives other outputs in another process.
    """
    if out is not None and format == "mlflow":
        problem = "not allowed with --format mlflow, which makes no file"
        raise BadInputError(where="--out", problem=problem)
    workspace.check_has_studies(target)
    workspace.check_home(to_write=True)
    if out is not None:
        check_writable(out)
    recorded = read_target(workspace, target, trial)
    network = trained_network(recorded)
    where, config = f"run {recorded.run_id}", recorded.record.trial
    data = _data(config, workspace, where=where)
    from pipeline.learning.export import check_has_onnx, open_network

    if format == "onnx":
        check_has_onnx()
    tried = open_network(network, data)
    name = f"{config.study}-trial-{config.shown_number}.{format}"
    path = out or workspace.home / FOLDER / name
    is_file = format != "mlflow"
    made = _write(path, tried, f".{format}") if is_file else _register(workspace, recorded, tried)
    return Exported(
        study=config.study,
        trial=config.shown_number,
        run_id=recorded.run_id,
        format=format,
        path=path if is_file else None,
        model_uri=made.model_uri,
        check=made.check,
        description=tried.description,
    )


class _Made(NamedTuple):
    check: "Check"
    model_uri: str | None = None


def read_target(workspace: Workspace, target: str, trial: Target | None) -> RecordedTrial:
    """Read the trial whose network is meant: as ``export`` names it."""
    from pipeline.tracking.models import Registry
    from pipeline.tracking.reader import read_run, read_trial

    uri = workspace.ledger_uri
    if trial is None and RUN_ID.match(target):
        return read_run(uri, target)
    best_or_number: int | Literal["best"] = trial if isinstance(trial, int) else "best"
    recorded = read_trial(uri, target, best_or_number)
    if trial in (None, "best") or isinstance(trial, int):
        return recorded
    return read_run(uri, Registry.open(uri, target).run_of(trial))


def _data(config: TrialConfig, workspace: Workspace, *, where: str) -> Data | None:
    """Rows to try a network on; ``None`` where the data is gone, which a network outlives.

    Raises:
        BadInputError: A class is not here, or is not the user's own.
    """
    if names_custom_class(config):
        find_trial_classes(config, workspace, where=where)
        from pipeline.learning.custom.classes import find_classes

        find_classes(config, where)
    try:
        return prepare_trial(config, workspace, where=where)
    except BadInputError:
        if config.data.class_path is not None:
            raise
        return None


def _write(path: Path, tried: "TriedNetwork", suffix: str) -> _Made:
    """Write a file, have it run by another process, and only then give it its name."""
    from pipeline.learning.export import check_file, export_onnx, export_program

    content = export_onnx(tried) if suffix == ".onnx" else export_program(tried).program
    with replacing(path, suffix) as file:
        file.write_bytes(content)
        return _Made(check_file(file, tried))


def _register(workspace: Workspace, recorded: RecordedTrial, tried: "TriedNetwork") -> _Made:
    """Have another process run the program, and register it if it is not yet."""
    from pipeline.learning.export import check_file, export_program
    from pipeline.tracking.models import Registry

    exported = export_program(tried)
    with TemporaryDirectory() as name:
        file = Path(name) / "model.pt2"
        file.write_bytes(exported.program)
        check = check_file(file, tried)
    registry = Registry.open(workspace.ledger_uri, recorded.record.trial.study)
    with registry.writing():
        version = version_of(registry, recorded, lambda _network: exported)
    return _Made(check, registry.address(version))
