"""What a notebook shows of a run, and which classes it may name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.app.progress import NotebookProgress
from pipeline.trial import TrialOutcome, TrialRow, TrialState
from tests.app.studies import study_in

ROOT = Path(__file__).parents[2]
SCRIPT = """
from pipeline.learning.lightning import LightningModule
from pipeline import Study

class Net(LightningModule):
    pass

space = {"learning_rate": 0.1}
Study(
    name="mine", data={"name": "digits"}, model=Net, space=space,
    training={"epochs": 1}, search={"trials": 1},
).run()
"""


class Handle:
    """Counts how often a display is updated."""

    def __init__(self) -> None:
        self.updates = 0

    def update(self, shown: object) -> None:
        """Count."""
        del shown
        self.updates += 1


def finished(number: int, value: float) -> TrialRow:
    """A trial of an earlier run."""
    return TrialRow(
        number=number,
        state=TrialState.COMPLETE,
        value=value,
        best_epoch=1,
        params={},
        run_id=None,
        weights_sha256=None,
        cause=None,
    )


@pytest.fixture
def progress(tmp_path: Path) -> NotebookProgress:
    """The progress of the small study, whose display counts its updates."""
    progress = NotebookProgress(study_in(tmp_path).config)
    progress._handle = Handle()
    return progress


def test_the_line_counts_trials_and_names_the_lowest(progress: NotebookProgress) -> None:
    progress.take_up([finished(0, 0.5), finished(1, 0.25)])
    assert "<td>2 of 14</td><td>lowest 0.2500 (trial 1)</td>" in progress._repr_html_()
    progress.watch(TrialOutcome(number=2, state=TrialState.FAIL, cause="x", curve=()))
    assert "<td>3 of 14</td><td>lowest 0.2500 (trial 1)</td>" in progress._repr_html_()
    assert repr(progress).startswith("study small, trials 3 of 14, val_loss lowest 0.2500")
    assert progress._handle.updates == 2, "the same display"


def test_before_the_first_value_the_line_says_so(progress: NotebookProgress) -> None:
    progress.take_up([])
    assert "<td>0 of 14</td><td>none complete yet</td>" in progress._repr_html_()


def test_what_is_told_is_shown_as_text(progress: NotebookProgress) -> None:
    progress.tell("<b>waiting</b>")
    assert "<p>&lt;b&gt;waiting&lt;/b&gt;</p>" in progress._repr_html_()


def test_without_a_kernel_nothing_is_shown(tmp_path: Path) -> None:
    assert NotebookProgress.here(study_in(tmp_path).config) is None


@pytest.mark.slow
def test_a_class_of_the_program_itself_is_refused_before_anything_runs(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT)
    words = [sys.executable, str(script)]
    done = subprocess.run(
        words,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "BadInputError: study: model.class_path: __main__.Net is defined in" in done.stderr
    assert "give my_module.Net" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]
