"""What a notebook shows of a run, and which classes it may name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.app.progress.notebook import NotebookProgress, NotebookRepeats
from pipeline.trial import TrialOutcome, TrialRow, TrialState
from tests.app.events import Told, record
from tests.app.studies import study_in
from tests.search.studies import study
from tests.tracking.builders import config, outcome, scores

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


def test_the_table_shows_what_the_live_screen_shows() -> None:
    asked = study(trials=30, sampler="random", stopping="halving", block=24)
    told, progress = record(asked, n_workers=8), NotebookProgress(asked)
    progress._handle = Handle()
    shown, tally = Told(told.news[:-40]).tell_again(progress)._repr_html_(), progress._tally
    assert f"<td>{tally.left_text}</td>" in shown
    assert f"<p>ended: {tally.ended_text}</p>" in shown
    assert f"<p>{tally.found_text}</p>" in shown
    assert shown.count("<code>") == 2
    assert 0 < shown.count("/9</td>") == len(tally.running) <= 16
    assert "<td>paused</td>" in shown or not any(one.is_paused for one in tally.running.values())
    whole = told.tell_again(NotebookProgress(asked))
    assert "running trial" not in whole._repr_html_()


def test_before_the_workers_train_the_table_says_what_is_waited_for(
    progress: NotebookProgress,
) -> None:
    progress.begin_step("decoding <images>")
    assert "<p>decoding &lt;images&gt;</p>" in progress._repr_html_()
    progress.begin_step("")
    assert "decoding" not in progress._repr_html_()


def test_a_confirmation_shows_its_trainings() -> None:
    shown = NotebookRepeats("a <study>")
    shown._handle = Handle()
    shown.plan(1, 10)
    repeat = config(12).model_copy(update={"repeat": 2})
    shown.watch(repeat, scores(12, 3))
    assert "<td>a &lt;study&gt;</td><td>1 of 10</td>" in shown._repr_html_()
    assert "trial 12, repeat 2: epoch 3" in repr(shown)
    shown.watch(repeat, outcome(12))
    assert "<td>2 of 10</td>" in shown._repr_html_()
    assert "epoch" not in repr(shown)
    assert NotebookRepeats.here("small") is None


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
