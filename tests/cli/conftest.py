"""The command line, typed in this process."""

import sys
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.cli.typed import Answer, TypeIn, snapshot


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder; the default home would lie in it."""
    for name in ("PIPELINE_HOME", "PIPELINE_DATA", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def type_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> TypeIn:
    """Runs the command line in the folder, and sees that it writes nothing."""

    def run(*words: str) -> Answer:
        before = snapshot(folder)
        monkeypatch.setattr(sys, "argv", ["pipeline", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit, match=r"^\d+$") as left:
            main()
        assert snapshot(folder) == before
        printed = capsys.readouterr()
        return Answer(code=left.value.code, stdout=printed.out, stderr=printed.err)

    return run
