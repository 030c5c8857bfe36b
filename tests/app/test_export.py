"""``pipeline export``: a network as a file, checked, or nothing at all."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline import load_model
from pipeline.app.export import Exported, export
from pipeline.app.retraining.refit import refit
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.learning.prepared_network import PreparedNetwork
from tests.app.planted import Planted, make_home, workspace_of
from tests.app.studies import run_command

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of a finished study on a user's npz file."""
    return make_home(tmp_path_factory.mktemp("exported"))


@pytest.fixture
def planted(finished: Path, tmp_path: Path) -> Planted:
    """A copy, to write to."""
    return Planted.copy(finished, tmp_path / "home")


def exported(home: Path, target: str = "small", **options: Any) -> Exported:
    """Export from a home that holds its data."""
    return export(workspace_of(home), target, **options)


def test_a_file_stands_in_the_home_and_takes_raw_pixels(planted: Planted) -> None:
    answer = exported(planted.home, trial=1)
    assert answer.path == planted.home / "exports" / "small-trial-1.pt2"
    assert answer.as_json() | {"checked": 0, "description": 0, "run_id": 0} == {
        "study": "small",
        "trial": 1,
        "format": "pt2",
        "path": str(answer.path),
        "checked": 0,
        "description": 0,
        "run_id": 0,
    }
    assert answer.check.of == "validation"
    assert (answer.check.rows, answer.check.largest_difference) == (60, 0)
    rows = torch.randint(0, 256, (5, 6, 6), dtype=torch.uint8)
    network = load_model("small", trial=1, workspace=workspace_of(planted.home))
    with torch.no_grad():
        found = torch.export.load(answer.path).module()(rows)
        assert torch.equal(found, network(rows / 255))
    assert list((planted.home / "exports").iterdir()) == [answer.path]


def test_a_network_outlives_its_data(planted: Planted) -> None:
    (planted.home / "digits.npz").unlink()
    answer = exported(planted.home)
    assert answer.check.of == "drawn"
    assert answer.path is not None


def test_a_refit_is_exported_by_its_run(planted: Planted) -> None:
    again = refit(workspace_of(planted.home), "small", trial=0)
    answer = exported(planted.home, again.run_id, out=planted.home / "refit.bin")
    assert answer.run_id == again.run_id
    assert answer.description["weights_sha256"] == again.weights_sha256
    torch.export.load(planted.home / "refit.bin")


def test_a_network_that_forgot_to_divide_is_not_written(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.learning import export as module

    def spoilt(tried: Any) -> Any:
        return replace(whole(tried), program=whole(forgetful(tried)).program)

    def forgetful(tried: Any) -> Any:
        careless = PreparedNetwork(tried.network.network, tried.network.shape, scale=1.0)
        return replace(tried, network=careless, outputs=careless(tried.rows).detach())

    whole = module.export_program
    monkeypatch.setattr(module, "export_program", spoilt)
    with pytest.raises(WorkFailedError, match=r"mlp of trial \d: as \.pt2 it gives outputs that"):
        exported(planted.home)
    assert not list((planted.home / "exports").iterdir())


def test_damaged_weights_are_not_exported(planted: Planted) -> None:
    planted.file("weights.safetensors").write_bytes(b"other")
    with pytest.raises(WorkFailedError, match="the weights do not have the SHA-256 of the record"):
        exported(planted.home, trial=0)
    assert not (planted.home / "exports").exists()


@pytest.mark.parametrize(
    ("target", "options", "problem"),
    [
        ("none", {}, "study: got 'none', expected one of: small"),
        ("small", {"trial": 99}, "trial: got 99, expected 'best' or a number from 0 to 1"),
        ("small", {"trial": "champion"}, "trial: got 'champion', which no registered model has"),
        ("small", {"out": Path("/none/file")}, "--out: got /none/file in a folder that is not"),
        ("small", {"out": Path("/tmp")}, r"--out: got /tmp \(a folder\), expected a file"),
        (
            "small",
            {"out": Path("file"), "format": "mlflow"},
            "--out: not allowed with --format mlflow, which makes no file",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_input_writes_nothing(
    finished: Path, target: str, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(BadInputError, match=problem):
        exported(finished, target, **options)
    assert not (finished / "exports").exists()


def test_onnx_without_its_packages_says_what_to_install(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.learning import export as module

    monkeypatch.setattr(module, "ONNX_PACKAGES", ("onnx", "no_such_package"))
    expected = r"no package no_such_package: pip install 'dropout-search\[onnx\]'"
    with pytest.raises(BadInputError, match=expected):
        exported(finished, format="onnx")
    assert not (finished / "exports").exists()


def test_the_command_tells_what_was_checked(planted: Planted) -> None:
    words: list[str | Path] = [
        "export",
        "small",
        "--home",
        planted.home,
        "--data-dir",
        planted.home,
    ]
    done = run_command(*words, "--format", "onnx", "--json")
    answer = json.loads(done.stdout)
    assert Path(answer["path"]).name == f"small-trial-{answer['trial']}.onnx"
    assert answer["checked"]["tolerance"] == 1e-5
    assert 0 <= answer["checked"]["largest_difference"] <= 1e-5
    refused = run_command(*words, "--trial", "worst", code=2)
    assert (
        "got 'worst', expected a trial's number, 'best', 'champion' or 'baseline'" in refused.stderr
    )
