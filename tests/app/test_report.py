"""``pipeline report``: from the ledgers to one file, its answer the same on the command line."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from pipeline.app.browse import show_study
from pipeline.app.doctor import examine
from pipeline.app.report import write_report
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError
from pipeline.tracking.store import confine_artifacts
from tests.app.studies import run_command, study_in, trial_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reported(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The small study, run, in a home of this module's own."""
    path = tmp_path_factory.mktemp("reported") / "home"
    shutil.copytree(home, path)
    confine_artifacts(path)
    return study_in(path)


def in_run(home: Path, run_id: str) -> Path:
    """The artifacts of the study run."""
    (folder,) = (home / "artifacts").rglob(f"{run_id}/artifacts")
    return folder


def test_command_answers_in_json_and_writes_the_file_and_its_artifacts(reported: Study) -> None:
    home = reported.workspace.home
    done = run_command("report", "small", "--home", home, "--json")
    answer = json.loads(done.stdout)
    path = home / "reports" / "small.html"
    assert answer["path"] == str(path)
    assert set(answer["answer"]) >= {"words", "effects"}
    for told in answer["answer"]["effects"].values():
        assert len(told["best"]) >= 1
        assert "importance" in told
    assert answer["faults"] == []
    page = path.read_text(encoding="utf-8")
    assert "Do |tables| stay the same?" in page
    assert re.search(r"seconds in \d+ runs?", page)
    folder = in_run(home, answer["run_id"])
    assert (folder / "report.html").read_bytes() == path.read_bytes()
    pictures = {file.name for file in (folder / "pictures").iterdir()}
    assert {"history.png", "curves.png"} <= pictures
    assert [file.name for file in path.parent.iterdir()] == ["small.html"]
    assert examine(reported.workspace).is_healthy


def test_python_writes_the_report_where_it_is_told_to(reported: Study, tmp_path: Path) -> None:
    out = tmp_path / "answer.html"
    written = reported.report(out=out)
    assert written.path == out
    shown = show_study(reported.workspace, "small", with_answer=True)
    answer = shown.as_json()["answer"]
    assert written.answer["words"][: len(answer["words"])] == answer["words"]
    assert out.stat().st_size < 6_000_000


def test_gap_of_a_study_is_smoothed_by_parameter_and_averaged_by_epoch(reported: Study) -> None:
    found = write_report(reported.workspace, "small").answer["gap"]
    epochs = found["epochs"]
    assert [one["epoch"] for one in epochs] == list(range(1, len(epochs) + 1))
    assert all(one["low"] <= one["mean"] <= one["high"] for one in epochs)
    assert set(found) == {"words", "parameters", "epochs"}


def test_a_damaged_record_is_said_on_the_page(reported: Study, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(reported.workspace.home, home)
    confine_artifacts(home)
    run = trial_runs(home)[0]
    (in_run(home, run.info.run_id) / "record.json").write_text("{")
    written = write_report(Workspace(home=home, tracking_uri=None), "small")
    (fault,) = written.faults
    assert "trial-000): record.json is damaged" in fault
    assert "record.json is damaged" in written.path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("out", "words"),
    [
        (".", r"--out: got .* \(a folder\), expected a file to write"),
        ("absent/report.html", "in a folder that is not there"),
        ("locked/report.html", r"locked \(read-only\), expected a folder to write to"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_done(
    reported: Study, tmp_path: Path, out: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir()
    asked = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path).name != "locked" and asked(path, mode)
    )
    with pytest.raises(BadInputError, match=words):
        reported.report(out=tmp_path / out)
    assert list(tmp_path.rglob("*.html*")) == []


def test_a_full_disk_leaves_no_half_of_a_report(
    reported: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "report.html"
    out.write_text("the one before")

    def fill(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:1_000])
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fill)
        with pytest.raises(OSError, match="No space left"):
            reported.report(out=out)
    assert out.read_text() == "the one before"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_study_that_is_not_there_is_refused(reported: Study, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="got 'absent', expected one of: small"):
        write_report(reported.workspace, "absent")
    empty = Workspace(home=tmp_path / "empty", tracking_uri=None)
    with pytest.raises(BadInputError, match="has none yet"):
        write_report(empty, "small")
    assert not (tmp_path / "empty").exists()
