"""What a terminal shows while work goes on; all of it on stderr."""

import math
import sys
import time
from collections.abc import Sequence
from functools import partial
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bar

from pipeline.app.progress.tally import Tally
from pipeline.cli.live import Region
from pipeline.cli.render.frame import frame, last_frame
from pipeline.cli.render.studies import STATES
from pipeline.cli.terminal import can_draw_over
from pipeline.config import label_of
from pipeline.errors import counted, visible
from pipeline.trial import Cohort, EpochScores, Progress, TrialOutcome, TrialRow

if TYPE_CHECKING:
    from pipeline.config import StudyConfig, TrialConfig


class StudyProgress(Progress):
    """Shows how far a study is: a live screen on a terminal, lines elsewhere.

    Args:
        study: The study that is run.
    """

    def __init__(self, study: "StudyConfig") -> None:
        self._tally = tally = Tally(study)
        if can_draw_over():
            self._shown: Region | StudyLines = Region(
                partial(frame, tally), partial(last_frame, tally)
            )
        else:
            self._shown = StudyLines(tally)

    def __enter__(self) -> Self:
        """Begin to show it."""
        self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state."""
        self._shown.stop()

    def take_up(self, rows: Sequence[TrialRow]) -> None:
        """Count what earlier runs have finished."""
        with self._shown.lock:
            self._tally.take_up(rows)

    def begin_step(self, step: str) -> None:
        """Say what the start-up waits for."""
        with self._shown.lock:
            self._tally.begin_step(step)

    def hand_out(self, cohort: Cohort) -> None:
        """Count trials that the workers were handed as running."""
        with self._shown.lock:
            self._tally.hand_out(cohort)

    def watch(self, event: EpochScores | TrialOutcome) -> None:
        """Take an epoch, or count a finished trial."""
        with self._shown.lock:
            self._tally.watch(event)
        if isinstance(event, TrialOutcome):
            self._shown.tell_ended(f"{_ending(event)}; {self._tally.best_text}")

    def tell(self, line: str) -> None:
        """Print a line; a live screen stays below it."""
        self._shown.tell(line)


class StudyLines:
    """Prints a line for each trial that ends, for what takes long, and now and then the time left.

    Args:
        tally: What is known of the study; whoever changes it holds ``lock`` meanwhile.
        seconds_between: From one line that says how far the study is to the next.
        slow_seconds: A step of the start-up that takes longer is named.
    """

    def __init__(
        self, tally: Tally, *, seconds_between: float = 60.0, slow_seconds: float = 3.0
    ) -> None:
        self.lock = RLock()
        self._tally = tally
        self._seconds_between = seconds_between
        self._slow_seconds = slow_seconds
        self._told: set[str] = set()
        self._told_at = self._summed_up_at = time.monotonic()
        self._over = Event()
        self._thread = Thread(target=self._look_now_and_then, daemon=True)

    def start(self) -> None:
        """Begin to look at the clock."""
        self._thread.start()

    def stop(self) -> None:
        """Print nothing more."""
        self._over.set()
        self._thread.join()

    def tell(self, line: str) -> None:
        """Print a line."""
        self._told_at = time.monotonic()
        print(visible(line), file=sys.stderr, flush=True)

    def tell_ended(self, line: str) -> None:
        """Print a line about a trial that has ended."""
        self.tell(f"{self._count} {line}")

    @property
    def _count(self) -> str:
        return f"[{self._tally.done}/{self._tally.total}]"

    def _look_now_and_then(self) -> None:
        while not self._over.wait(min(self._slow_seconds / 4, 1.0)):
            with self.lock:
                self._look()

    def _look(self) -> None:
        """Name a step that takes long; once trials are trained, say now and then how far it is."""
        now, step = time.monotonic(), self._tally.step
        if step:
            if step not in self._told and now - self._told_at >= self._slow_seconds:
                self._told.add(step)
                self.tell(step)
        elif self._tally.running and now - self._summed_up_at >= self._seconds_between:
            self._summed_up_at = now
            tally = self._tally
            facts = tally.running_text, tally.best_text, tally.left_text
            self.tell(f"{self._count} {'; '.join(filter(None, facts))}")


class RepeatsProgress:
    """Counts the trainings of a confirmation: a bar on a terminal, a line for each elsewhere.

    Args:
        study: Its name.
        n_candidates: How many trials are trained again.
        n_seeds: On how many new seeds each.
    """

    def __init__(self, study: str, *, n_candidates: int, n_seeds: int) -> None:
        self._total = n_candidates * n_seeds
        self._done = 0
        self._bar = _progress() if can_draw_over() else None
        self._task = self._bar.add_task("", total=self._total, text="") if self._bar else None
        trials, seeds = counted(n_candidates, "trial"), counted(n_seeds, "new seed")
        print(f"confirm {study}: {trials} on {seeds}", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        """Show the bar."""
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it was last drawn."""
        if self._bar:
            self._bar.stop()

    def plan(self, n_done: int, n_most: int) -> None:
        """Take up what was trained before, and how many trainings there may be in all."""
        if n_done and not self._done:
            self._tell(f"{counted(n_done, 'training')} of an earlier call taken up")
        self._done, self._total = n_done, n_most
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=n_done, total=n_most)

    def watch(self, config: "TrialConfig", event: EpochScores | TrialOutcome) -> None:
        """Count a repeat that has ended; on a terminal, name each epoch too."""
        repeat = f"{label_of(config.shown_number)}, repeat {config.repeat}"
        if isinstance(event, EpochScores):
            self._show(f"{repeat}, epoch {event.epoch}")
            return
        self._done += 1
        ending = event.cause if event.value is None else _worth(event)
        n_epochs = counted(len(event.curve), "epoch")
        self._show(f"{repeat}: {ending}", f"{repeat}: {ending} after {n_epochs}")

    def _tell(self, line: str) -> None:
        """Write a line; a bar stays below it."""
        if self._bar:
            self._bar.console.print(visible(line), markup=False, highlight=False)
        else:
            print(visible(line), file=sys.stderr, flush=True)

    def _show(self, text: str, line: str = "") -> None:
        """Draw the bar and a text beside it; without a terminal, print a line if one is given."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=self._done, text=escape(visible(text)))
        elif line:
            self._tell(f"[{self._done}/{self._total}] {line}")


class Epochs:
    """Shows each epoch of one trial: a line written over, or a line each without a terminal."""

    def __enter__(self) -> Self:
        """Say what the first epoch waits for; it is soon written over."""
        if can_draw_over():
            print("reading the record, starting a worker", end="", file=sys.stderr, flush=True)
        return self

    def __exit__(self, *_: object) -> None:
        """End the line that is written over."""
        if can_draw_over():
            print(file=sys.stderr)

    def watch(self, event: EpochScores | TrialOutcome) -> None:
        """Show an epoch's score; a refit has its training loss alone."""
        if isinstance(event, EpochScores):
            name, score = event.objective.metric, event.score
            if math.isnan(score):
                name, score = "train_loss", event.train_loss
            line = f"epoch {event.epoch}: {name} {score:.6f}"
            begin, end = ("\r\x1b[K", "") if can_draw_over() else ("", "\n")
            print(f"{begin}{line}", end=end, file=sys.stderr, flush=True)


class Steps:
    """Shows what is being done: a line written over, or one every few seconds without a terminal.

    Args:
        seconds_between: How often a line is written where there is no terminal.
    """

    def __init__(self, seconds_between: float = 5.0) -> None:
        self._seconds_between = seconds_between
        self._shown_at: float | None = None

    def __enter__(self) -> Self:
        """Show nothing before the first step."""
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the line that was written over."""
        if can_draw_over():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, step: str) -> None:
        """Show a step; without a terminal, what is quick is not shown."""
        now = time.monotonic()
        self._shown_at = now if self._shown_at is None else self._shown_at
        if can_draw_over():
            print(f"\r\x1b[K{step}", end="", file=sys.stderr, flush=True)
        elif now - self._shown_at >= self._seconds_between:
            print(step, file=sys.stderr, flush=True)
            self._shown_at = now


def _progress() -> Bar:
    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}"),
        console=Console(stderr=True),
    )


def _ending(outcome: TrialOutcome) -> str:
    state = f"trial {outcome.number} {STATES[outcome.state]}"
    if outcome.cause:
        return f"{state}: {outcome.cause}"
    return f"{state}: {_worth(outcome)} after {counted(len(outcome.curve), 'epoch')}"


def _worth(outcome: TrialOutcome) -> str:
    return f"{outcome.objective.metric} {outcome.value:.4f}"
