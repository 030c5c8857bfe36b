"""What the record knows of the machine and of the sources."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
import torch

import pipeline
from pipeline.config import TrainingConfig
from pipeline.learning.provenance import (
    PACKAGES,
    SOURCES,
    DataFacts,
    collect_facts,
    name_device,
    project_commit,
    resolve_device,
)
from pipeline.trial import Facts

DATA = DataFacts("d", "s", (8, 8), 10)
SECRET = "environment-value-that-no-record-may-hold"  # noqa: S105 - a word to look for


def facts(**training: object) -> Facts:
    """The facts of this process."""
    config = TrainingConfig.model_validate({"epochs": 1, "device": "cpu"} | training)
    return collect_facts(config, DATA, stack_index=1, stack_size=2)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that is committed in a git checkout of its own."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)  # a hook that runs the tests sets these to its own checkout
    package = tmp_path / "checkout" / "some_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("ONE = 1\n")
    git(package, "init", "--quiet")
    git(package, "add", ".")
    git(package, "commit", "--quiet", "--message", "First")
    return package


def git(folder: Path, *words: str) -> str:
    """Run git as somebody."""
    someone = ["-c", "user.name=Someone", "-c", "user.email=someone@example.org"]
    command = ["git", *someone, "-c", "commit.gpgsign=false", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_sources_cover_each_file_of_the_package_by_its_digest() -> None:
    root = Path(pipeline.__file__).parents[1]
    files = {path.relative_to(root).as_posix(): path for path in root.glob("pipeline/**/*.py")}
    assert SOURCES.keys() == files.keys()
    masks = files["pipeline/learning/modules/masks.py"].read_bytes()
    assert SOURCES["pipeline/learning/modules/masks.py"] == hashlib.sha256(masks).hexdigest()


def test_a_committed_package_is_known_by_its_commit_and_clean(checkout: Path) -> None:
    assert project_commit(checkout) == (git(checkout, "rev-parse", "HEAD"), True)


@pytest.mark.parametrize("name", ["__init__.py", "new.py"], ids=["changed", "added"])
def test_a_package_with_a_changed_file_is_not_clean(checkout: Path, name: str) -> None:
    (checkout / name).write_text("ONE = 2\n")
    assert project_commit(checkout) == (git(checkout, "rev-parse", "HEAD"), False)


def test_a_package_that_its_checkout_does_not_track_has_no_commit(checkout: Path) -> None:
    installed = checkout.parent / "site-packages" / "other_package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").touch()
    assert project_commit(installed) == (None, None)


def test_a_package_outside_any_checkout_has_no_commit(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").touch()
    assert project_commit(tmp_path) == (None, None)


def test_a_machine_without_git_knows_no_commit(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert project_commit(checkout) == (None, None)


def test_facts_hold_no_value_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", SECRET)
    text = facts().model_dump_json()
    assert SECRET not in text
    assert str(Path.home()) not in text


def test_facts_name_what_the_arithmetic_depends_on() -> None:
    known = facts(precision="bf16-mixed")
    assert known.packages.keys() == set(PACKAGES)
    assert known.packages["torch"] == torch.__version__
    assert known.threads == torch.get_num_threads()
    assert torch.backends.cpu.get_cpu_capability() in known.processor
    assert (known.precision, known.device) == ("bf16-mixed", "cpu")
    assert (known.stack_index, known.stack_size) == (1, 2)


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_a_named_device_is_taken_at_its_word(device: str) -> None:
    assert resolve_device(device) == device


def test_an_automatic_device_is_one_that_can_be_used() -> None:
    assert torch.ones(1, device=resolve_device("auto")).item() == 1


def test_a_gpu_is_named_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100")
    assert [name_device(device) for device in ("cpu", "cuda")] == ["cpu", "cuda (NVIDIA H100)"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has such a device")
def test_a_gpu_that_is_not_there_has_no_kind() -> None:
    assert name_device("cuda") == "cuda"
