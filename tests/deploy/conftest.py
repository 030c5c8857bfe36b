"""The deployment that the tests of this folder share, and a study run on it."""

import io
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.app.studies import file_of
from tests.deploy.deployment import Deployment, deployment


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Both servers; this process and its children have the passwords in their environment."""
    with (
        deployment(tmp_path_factory.mktemp("deployment")) as started,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in started.environment.items():
            patch.setenv(name, value)
        yield started


@pytest.fixture(scope="module")
def study_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study's file."""
    return file_of(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def told(
    deployed: Deployment, study_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A home and all that was printed there by each command that reads or writes a study."""
    home = tmp_path_factory.mktemp("driver") / "home"
    commands = {
        "run": [str(study_file), "--workers", "2"],
        "list": [],
        "show": ["small"],
        "doctor": [],
        "reproduce": ["small"],
        "confirm": ["small", "--top", "2", "--seeds", "2"],
        "report": ["small", "--out", str(home / "report.html")],
    }
    places = ["--home", str(home), "--storage", deployed.storage]
    return home, "".join(typed(name, *words, *places) for name, words in commands.items())


def typed(*words: str) -> str:
    """Type a command in this process, and give what it prints."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["pipeline", *words])
        with redirect_stdout(printed), redirect_stderr(printed), pytest.raises(SystemExit) as left:
            main()
    assert left.value.code == 0, (words, printed.getvalue())
    return printed.getvalue()
