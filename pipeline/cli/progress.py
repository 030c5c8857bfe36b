"""What a terminal shows while work goes on; all of it on stderr."""

import math
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from pipeline.app.progress import Tally
from pipeline.cli.render.studies import STATES
from pipeline.config import label_of
from pipeline.errors import counted
from pipeline.trial import EpochScores, TrialOutcome, TrialRow

if TYPE_CHECKING:
    from pipeline.config import StudyConfig, TrialConfig


class _Bar:
    """A bar on a terminal, a line for each thing done elsewhere.

    Args:
        title: Stands before the bar.
        total: How many things there are to do.
    """

    def __init__(self, title: str, total: int) -> None:
        self._total = total
        self._done = 0
        self._bar = _progress() if sys.stderr.isatty() else None
        self._task = self._bar.add_task(title, total=total, text="") if self._bar else None

    def __enter__(self) -> Self:
        """Show the bar."""
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it was last drawn."""
        if self._bar:
            self._bar.stop()

    def tell(self, line: str) -> None:
        """Write a line; a bar stays below it."""
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def _show(self, text: str, line: str = "") -> None:
        """Draw the bar and a text beside it; without a terminal, print a line if one is given."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=self._done, text=text)
        elif line:
            print(f"[{self._done}/{self._total}] {line}", file=sys.stderr, flush=True)


class StudyProgress(_Bar):
    """Counts the finished trials of a study, and names the best value.

    Args:
        study: Its name and total are shown.
    """

    def __init__(self, study: "StudyConfig") -> None:
        super().__init__(study.name, study.search.trials)
        self._tally = Tally(study.objective)

    def take_up(self, rows: Sequence[TrialRow]) -> None:
        """Count what earlier runs have finished."""
        self._tally.take_up(rows)
        self._done = self._tally.done
        self._show(self._tally.best_text)

    def watch(self, event: EpochScores | TrialOutcome) -> None:
        """Count a finished trial; epochs are too many to show."""
        if isinstance(event, EpochScores):
            return
        self._tally.take(event)
        self._done = self._tally.done
        best = self._tally.best_text
        self._show(best, f"{_ending(event)}; {best}")


class RepeatsProgress(_Bar):
    """Counts the trainings of a confirmation.

    Args:
        study: Its name.
        n_candidates: How many trials are trained again.
        n_seeds: On how many new seeds each.
    """

    def __init__(self, study: str, *, n_candidates: int, n_seeds: int) -> None:
        super().__init__("", n_candidates * n_seeds)
        trials, seeds = counted(n_candidates, "trial"), counted(n_seeds, "new seed")
        print(f"confirm {study}: {trials} on {seeds}", file=sys.stderr, flush=True)

    def plan(self, n_done: int, n_most: int) -> None:
        """Take up what was trained before, and how many trainings there may be in all."""
        if n_done and not self._done:
            self.tell(f"{counted(n_done, 'training')} of an earlier call taken up")
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


class Epochs:
    """Shows each epoch of one trial: a line written over, or a line each without a terminal."""

    def __enter__(self) -> Self:
        """Show nothing before the first epoch."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the line that is written over."""
        if sys.stderr.isatty():
            print(file=sys.stderr)

    def watch(self, event: EpochScores | TrialOutcome) -> None:
        """Show an epoch's score; a refit has its training loss alone."""
        if isinstance(event, EpochScores):
            end = "\r" if sys.stderr.isatty() else "\n"
            name, score = event.objective.metric, event.score
            if math.isnan(score):
                name, score = "train_loss", event.train_loss
            line = f"epoch {event.epoch}: {name} {score:.6f}"
            print(line, end=end, file=sys.stderr, flush=True)


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
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, step: str) -> None:
        """Show a step; without a terminal, what is quick is not shown."""
        now = time.monotonic()
        self._shown_at = now if self._shown_at is None else self._shown_at
        if sys.stderr.isatty():
            print(f"\r\x1b[K{step}", end="", file=sys.stderr, flush=True)
        elif now - self._shown_at >= self._seconds_between:
            print(step, file=sys.stderr, flush=True)
            self._shown_at = now


def _progress() -> Progress:
    return Progress(
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
