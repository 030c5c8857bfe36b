"""What is exported gives a trial's own outputs where this project is not known."""

import json
import re
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from pipeline.config import TrialConfig
from pipeline.errors import WorkFailedError
from pipeline.learning import exported_network
from pipeline.learning.cohort.fit import fit_cohort
from pipeline.learning.custom.datamodule import CustomData
from pipeline.learning.custom.load import load_module
from pipeline.learning.data import PreparedData
from pipeline.learning.export import check_file, export_onnx, export_program, open_network
from pipeline.learning.modules.build import load_network
from pipeline.trial import (
    DESCRIPTION,
    Assignment,
    Cohort,
    TrainedNetwork,
    TrialRecord,
)
from tests.learning.custom.trials import MLP, MODULES, fit_on_own, own_trial
from tests.learning.custom.trials import fit as fit_own
from tests.learning.data.own_arrays import COLOUR, LABELS, prepared_npz, saved
from tests.learning.trials import fit_one, trial
from tests.warm.python import PYTHON

pytestmark = pytest.mark.slow

Trained = tuple[TrainedNetwork, PreparedData | CustomData]

ALONE = """
import sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        assert name.split(".")[0] not in ("pipeline", "pytorch_lightning", "torchvision"), name

sys.meta_path.insert(0, Forbidden())
import runpy
loader = runpy.run_path(sys.argv[1])
import numpy, pathlib, torch
torch.set_num_threads(1)
for name in sys.argv[2:]:
    path = pathlib.Path(name)
    load = loader["load_onnx"] if path.suffix == ".onnx" else loader["load_program"]
    rows = numpy.load(path.parent / "rows.npy")
    numpy.save(f"{name}.npy", load(name)(rows))
    if path.suffix == ".pt2":
        load(name)(rows[:1])
"""
"""Runs files in a process in which this project, Lightning and torchvision cannot be imported."""


@dataclass(frozen=True)
class Case:
    """A network that was exported, and what the trial itself gives."""

    folder: Path
    expected: Tensor
    description: dict[str, Any]

    def found(self, suffix: str) -> Tensor:
        """What the other process has found."""
        return torch.from_numpy(np.load(self.folder / f"network.{suffix}.npy"))


def trained(config: TrialConfig, data: PreparedData | CustomData, outcome: Any) -> Trained:
    """What a trial leaves."""
    record = TrialRecord.of(config, outcome)
    assert outcome.weights is not None
    fold = 1 if config.data.folds else None
    return TrainedNetwork(record=record, weights=outcome.weights, fold=fold), data


def built_in(config: TrialConfig, data: PreparedData) -> Trained:
    """A built-in network after two epochs."""
    return trained(config, data, fit_one(data, config, epochs=2))


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """Twelve coloured images, with names for their classes."""
    folder = tmp_path_factory.mktemp("colours")
    names = np.array(["cat", "<b>dog</b>", "hen ☂"])
    path = saved(folder, x_train=COLOUR, y_train=LABELS, class_names=names)
    return prepared_npz(path, folder / "cache")


Make = Callable[[PreparedData, PreparedData, PreparedData], Trained]
NPZ: dict[str, Any] = {
    "data": {"name": "npz", "path": "own.npz", "validation": 0.3, "test": 0},
    "batch_size": 4,
}
CASES: dict[str, Make] = {
    "mlp": lambda digits, _, __: built_in(trial(), digits),
    "dropconnect": lambda digits, _, __: built_in(trial(regularizer="dropconnect"), digits),
    "autoencoder": lambda digits, _, __: built_in(trial(model="autoencoder"), digits),
    "regression": lambda _, numbers, __: built_in(
        trial(training={"loss": "huber"}, data={"task": "regression"}), numbers
    ),
    "folds": lambda digits, _, __: built_in(trial(data={"folds": 3}), digits),
    "cnn in colour": lambda _, __, colours: built_in(trial(model="cnn", **NPZ), colours),
    "a module of one's own": lambda digits, _, __: trained(
        own_trial("Plain"), digits, fit_own(digits, own_trial("Plain"), epochs=2)
    ),
    "a data module of one's own": lambda _, __, ___: trained(
        own_trial("mlp", data="Blobs", **MLP),
        CustomData(f"{MODULES}.Blobs"),
        fit_on_own(own_trial("mlp", data="Blobs", **MLP), epochs=2),
    ),
}
OF_ONNX = ("mlp", "autoencoder", "cnn in colour", "a module of one's own")
"""Of these ONNX is made as well, which takes a second each."""


@pytest.fixture(scope="module")
def cases(
    digits: PreparedData,
    numbers: PreparedData,
    colours: PreparedData,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Case]:
    """Every case exported, and run by one other process."""
    torch.set_num_threads(1)
    found = {}
    for name, make in CASES.items():
        folder = tmp_path_factory.mktemp(re.sub(r"\W", "-", name))
        network, data = make(digits, numbers, colours)
        tried = open_network(network, data)
        exported = export_program(tried)
        (folder / "network.pt2").write_bytes(exported.program)
        if name in OF_ONNX:
            (folder / "network.onnx").write_bytes(export_onnx(tried))
        np.save(folder / "rows.npy", tried.rows.numpy())
        description = dict(exported.description)
        found[name] = Case(folder, own_outputs(network, tried.rows), description)
    files = [str(file) for case in found.values() for file in case.folder.glob("network.*")]
    words = [PYTHON, "-P", "-c", ALONE, exported_network.__file__, *files]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return found


def own_outputs(network: TrainedNetwork, rows: Tensor) -> Tensor:
    """What ``load_model`` gives for rows that are prepared as the study's documents say."""
    record = network.record
    load = load_module if record.trial.model.class_path else load_network
    module = load(record, network.weights, fold=network.fold)
    facts = record.facts
    assert facts is not None
    if record.trial.data.class_path is None:
        assert facts.scale is not None
        rows = rows / facts.scale
        rows = rows.permute(0, 3, 1, 2) if rows.dim() == 4 else rows.unsqueeze(1)
    with torch.no_grad():
        outputs: Tensor = module(rows)
    return outputs


@pytest.mark.parametrize("name", CASES)
def test_program_gives_a_trial_s_outputs_to_the_bit(cases: dict[str, Case], name: str) -> None:
    case = cases[name]
    assert torch.equal(case.found("pt2"), case.expected)


@pytest.mark.parametrize("name", OF_ONNX)
def test_onnx_gives_a_trial_s_outputs_within_a_hundred_thousandth(
    cases: dict[str, Case], name: str
) -> None:
    case = cases[name]
    difference = (case.found("onnx") - case.expected).abs().max()
    assert case.found("onnx").shape == case.expected.shape
    assert difference <= 1e-5 * case.expected.abs().max()


@pytest.mark.parametrize(
    ("name", "shape", "scale", "meaning"),
    [
        ("mlp", ["rows", 8, 8], 16, "logits"),
        ("autoencoder", ["rows", 8, 8], 16, "reconstructions"),
        ("regression", ["rows", 8, 8], 16, "targets"),
        ("cnn in colour", ["rows", 4, 5, 3], 255, "logits"),
        ("a module of one's own", ["rows", 8, 8], 16, "what the module's forward gives"),
    ],
)
def test_files_describe_what_they_take_and_give(
    cases: dict[str, Case], name: str, shape: list[Any], scale: float, meaning: str
) -> None:
    case = cases[name]
    extra = {DESCRIPTION: ""}
    torch.export.load(case.folder / "network.pt2", extra_files=extra)
    assert json.loads(extra[DESCRIPTION]) == case.description
    if name in OF_ONNX:
        said = onnx.load(case.folder / "network.onnx").metadata_props
        assert json.loads({one.key: one.value for one in said}[DESCRIPTION]) == case.description
    inputs, outputs = case.description["inputs"], case.description["outputs"]
    assert (inputs["shape"], inputs["scale"], inputs["dtype"]) == (shape, scale, "float32")
    assert outputs["meaning"].startswith(meaning)
    assert outputs["shape"] == ["rows", *case.expected.shape[1:]]


def test_description_names_classes_and_the_targets_standardisation(cases: dict[str, Case]) -> None:
    assert cases["mlp"].description["class_names"] == list("0123456789")
    assert cases["cnn in colour"].description["class_names"] == ["cat", "<b>dog</b>", "hen ☂"]
    targets = cases["regression"].description["targets"]
    assert targets["mean"] == pytest.approx([4.5], abs=0.1)
    assert targets["std"] == pytest.approx([2.9], abs=0.1)
    assert cases["regression"].description["class_names"] is None
    assert cases["mlp"].description["targets"] is None
    assert cases["folds"].description["fold"] == 1


def test_program_holds_nothing_that_is_pickled_and_no_row_of_the_data(
    cases: dict[str, Case],
) -> None:
    with zipfile.ZipFile(cases["mlp"].folder / "network.pt2") as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    assert not [name for name, content in contents.items() if content[:2] in (b"\x80\x02", b"PK")]
    assert contents["archive/data/sample_inputs/model.pt"] == b""


def test_program_takes_the_pixels_of_a_file_as_they_are(cases: dict[str, Case]) -> None:
    case = cases["cnn in colour"]
    run = exported_network.load_program(str(case.folder / "network.pt2"))
    rows = np.load(case.folder / "rows.npy").astype(np.uint8)
    assert np.array_equal(run(rows), case.expected.numpy())


def test_without_the_data_rows_are_drawn(digits: PreparedData) -> None:
    network, _ = built_in(trial(), digits)
    tried = open_network(network, None)
    assert not tried.is_validation
    assert tried.rows.shape == (64, 8, 8)
    assert 8 < tried.rows.max() <= 16


def test_a_file_that_gives_other_outputs_is_refused(digits: PreparedData, tmp_path: Path) -> None:
    network, data = built_in(trial(), digits)
    tried = open_network(network, data)
    file = tmp_path / "network.pt2"
    file.write_bytes(export_program(tried).program)
    other = replace(tried, outputs=tried.outputs.nextafter(torch.tensor(9.0)))
    with pytest.raises(WorkFailedError, match=r"mlp of trial 0: as \.pt2 it gives outputs that"):
        check_file(file, other)
    file.write_bytes(b"PK")
    with pytest.raises(WorkFailedError, match=r"mlp of trial 0: as \.pt2 it does not run: "):
        check_file(file, tried)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("Branching", "torch.export cannot export it: "),
        ("TwoOutputs", r"it cannot be run: its forward gives tuple, expected one tensor"),
    ],
)
def test_a_module_that_cannot_be_exported_is_told_in_one_line(
    digits: PreparedData, model: str, reason: str
) -> None:
    config = own_trial(model)
    network, data = trained(config, digits, fit_own(digits, config, epochs=1))
    assignment = Assignment(config=config, epochs=0, network=network)
    (outcome,) = fit_cohort(Cohort((assignment,)), data, lambda _: None)
    assert outcome.exported is None
    assert outcome.cause is not None
    assert re.match(rf"{MODULES}\.{model} of trial 0: {reason}", outcome.cause)
    assert "\n" not in outcome.cause
