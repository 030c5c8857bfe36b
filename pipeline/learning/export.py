"""Export a trial's network: as a torch program or as ONNX, checked by another process."""

import io
import logging
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch.export import Dim, ExportedProgram

from pipeline.errors import BadInputError, WorkFailedError, first_line
from pipeline.learning import exported_network
from pipeline.learning.arithmetic import arithmetic
from pipeline.learning.custom.datamodule import CustomData
from pipeline.learning.data import PreparedData
from pipeline.learning.prepared_network import TriedNetwork, try_network
from pipeline.trial import (
    DESCRIPTION,
    ExportedNetwork,
    TrainedNetwork,
    TrialOutcome,
    TrialRecord,
    TrialState,
    description_json,
)

ONNX_PACKAGES: Final = ("onnx", "onnxscript", "onnxruntime")
TOLERANCES: Final = {".pt2": 0.0, ".onnx": 1e-5}
"""How far outputs may differ, as a part of the largest; torch's own must be the same to the bit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was found when a file was run by another process.

    Attributes:
        rows: So many were given to the file and to the trial's network.
        of: ``validation``, or ``drawn`` where the data is not here.
        largest_difference: Of outputs, as a part of the largest.
        tolerance: What is allowed of it.
    """

    rows: int
    of: str
    largest_difference: float
    tolerance: float


def export_in_worker(network: TrainedNetwork, data: PreparedData | CustomData) -> TrialOutcome:
    """Export a network where it could be trained; a failure is the outcome's cause."""
    number = network.record.trial.number
    try:
        exported = export_program(open_network(network, data))
    except WorkFailedError as error:
        return TrialOutcome(number=number, state=TrialState.FAIL, cause=str(error))
    return TrialOutcome(number=number, state=TrialState.COMPLETE, exported=exported)


def open_network(network: TrainedNetwork, data: PreparedData | CustomData | None) -> TriedNetwork:
    """Build a trial's network with its preprocessing: see ``try_network``.

    Raises:
        WorkFailedError: It cannot be built, or gives no outputs that could be exported.
    """
    with _explained(network.record, "it cannot be run"):
        return try_network(network, data)


def export_program(tried: TriedNetwork) -> ExportedNetwork:
    """Export a network as a torch program, and hold that against the network.

    Raises:
        WorkFailedError: torch.export cannot, or its program gives other outputs.
    """
    program = _exported(tried)
    with (
        _explained(tried.trained.record, "its exported program cannot be run"),
        arithmetic(tried.threads),
        torch.no_grad(),
    ):
        again = program.module()(tried.rows)
    if not torch.equal(tried.outputs, again):
        message = f"{_name(tried.trained.record)}: its exported program gives other outputs"
        raise WorkFailedError(message)
    program.example_inputs = None  # they would travel along, pickled
    file = io.BytesIO()
    description = tried.description
    torch.export.save(program, file, extra_files={DESCRIPTION: description_json(description)})
    return ExportedNetwork(
        program=file.getvalue(),
        torch_version=torch.__version__.partition("+")[0],
        example=tried.example.tolist(),
        description=description,
    )


def export_onnx(tried: TriedNetwork) -> bytes:
    """Export a network as ONNX; its description is in the model's metadata.

    Raises:
        WorkFailedError: torch.onnx cannot.
    """
    with _explained(tried.trained.record, "torch.onnx cannot export it"), _quiet():
        program = torch.onnx.export(
            _exported(tried),
            input_names=["rows"],
            output_names=["outputs"],
            dynamo=True,
            verbose=False,
        )
    assert program is not None, "dynamo's exporter gives a program"  # noqa: S101
    model = program.model_proto
    model.metadata_props.add(key=DESCRIPTION, value=description_json(tried.description))
    return bytes(model.SerializeToString())


def check_has_onnx() -> None:
    """Refuse to export ONNX where its packages are not installed.

    Raises:
        BadInputError: With the command that installs them.
    """
    lacking = [name for name in ONNX_PACKAGES if find_spec(name) is None]
    if lacking:
        problem = f"no package {', '.join(lacking)}: pip install 'dropout-search[onnx]'"
        raise BadInputError(where="--format onnx", problem=problem)


def check_file(path: Path, tried: TriedNetwork) -> Check:
    """Run an exported file in a process without this project, and compare outputs.

    Args:
        path: Ends with ``.pt2`` or ``.onnx``.
        tried: The network that it was exported from.

    Raises:
        WorkFailedError: It does not run there, or gives other outputs.
    """
    outputs, again = tried.outputs.numpy(), _run_alone(path, tried)
    difference = _difference(outputs, again)
    tolerance = TOLERANCES[path.suffix]
    if not difference <= tolerance:
        message = (
            f"{_name(tried.trained.record)}: as {path.suffix} it gives outputs that differ by "
            f"{difference:.3g} of the largest, expected at most {tolerance:g}; no file was written"
        )
        raise WorkFailedError(message)
    return Check(
        rows=len(outputs),
        of="validation" if tried.is_validation else "drawn",
        largest_difference=difference,
        tolerance=tolerance,
    )


def _difference(outputs: npt.NDArray[Any], again: npt.NDArray[Any]) -> float:
    """The largest difference, as a part of the largest output; infinite of other shapes."""
    if outputs.shape != again.shape:
        return float("inf")
    if outputs.tobytes() == again.tobytes():
        return 0.0
    largest = float(np.abs(outputs).max()) or 1.0
    return float(np.abs(outputs.astype(np.float64) - again).max()) / largest


def _run_alone(path: Path, tried: TriedNetwork) -> npt.NDArray[Any]:
    with tempfile.TemporaryDirectory() as name:
        rows, outputs = Path(name) / "rows.npy", Path(name) / "outputs.npy"
        np.save(rows, tried.rows.numpy(), allow_pickle=False)
        # -P: beside the script lie modules that must not hide others.
        words = ["-P", exported_network.__file__, path, rows, outputs, tried.threads]
        done = subprocess.run(
            [sys.executable, *map(str, words)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            message = (
                f"{_name(tried.trained.record)}: as {path.suffix} it does not run: {lines[-1]}"
            )
            raise WorkFailedError(message)
        found: npt.NDArray[Any] = np.load(outputs, allow_pickle=False)
        return found


def _exported(tried: TriedNetwork) -> ExportedProgram:
    with _explained(tried.trained.record, "torch.export cannot export it"), _quiet():
        return torch.export.export(
            tried.network, (tried.example,), dynamic_shapes=({0: Dim.DYNAMIC},)
        )


@contextmanager
def _explained(record: TrialRecord, what: str) -> Iterator[None]:
    """Say in one line why a network cannot be exported; torch and a user's code raise anything."""
    try:
        yield
    except WorkFailedError:
        raise
    except Exception as error:
        message = f"{_name(record)}: {what}: {first_line(error)}"
        raise WorkFailedError(message) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch's exporters say of themselves."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _name(record: TrialRecord) -> str:
    """What an error calls a network."""
    model = record.trial.model
    return f"{model.class_path or model.name} of trial {record.trial.shown_number}"
