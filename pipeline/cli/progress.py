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
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from pipeline.errors import counted
from pipeline.trial import EpochScores, TrialOutcome, TrialRow

if TYPE_CHECKING:
    from pipeline.config import StudyConfig, TrialConfig

WORDS = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


class StudyProgress:
    """A bar on a terminal, a line a trial elsewhere; both on stderr.

    Args:
        study: Its name and total are shown.
    """

    def __init__(self, study: "StudyConfig") -> None:
        """Start with nothing done."""
        self._total = study.search.trials
        self._done = 0
        self._best: tuple[float, int] | None = None
        self._bar = _bar() if sys.stderr.isatty() else None
        self._task: TaskID | None = None
        if self._bar:
            self._task = self._bar.add_task(study.name, total=self._total, best="")

    def __enter__(self) -> Self:
        """Show the bar."""
        if self._bar:
            self._bar.start()
            self._show()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it stands."""
        if self._bar:
            self._bar.stop()

    def take_up(self, rows: Sequence[TrialRow]) -> None:
        """Count what earlier runs have finished."""
        self._done = sum(row.state.is_finished for row in rows)
        values = [(row.value, row.number) for row in rows if row.value is not None]
        self._best = min(values, default=None)
        if self._bar:
            self._show()

    def watch(self, news: EpochScores | TrialOutcome) -> None:
        """Count a finished trial; epochs are too many to tell of."""
        if isinstance(news, EpochScores):
            return
        self._done += 1
        if news.value is not None:
            here = (news.value, news.number)
            self._best = min(self._best, here) if self._best else here
        self._show()
        if not self._bar:
            line = f"[{self._done}/{self._total}] {_told(news)}; {self._best_text()}"
            print(line, file=sys.stderr, flush=True)

    def tell(self, line: str) -> None:
        """Write a line; a bar stays below it."""
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def _show(self) -> None:
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=self._done, best=self._best_text())

    def _best_text(self) -> str:
        return f"best {self._best[0]:.4f} (trial {self._best[1]})" if self._best else "no best yet"


class Epochs:
    """Tells of each epoch of one trial, on stderr."""

    def __enter__(self) -> Self:
        """Nothing to show before the first epoch."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the line that is written over."""
        if sys.stderr.isatty():
            print(file=sys.stderr)

    def watch(self, news: EpochScores | TrialOutcome) -> None:
        """Show an epoch's validation loss; a refit has its training loss alone."""
        if isinstance(news, EpochScores):
            end = "\r" if sys.stderr.isatty() else "\n"
            is_refit = math.isnan(news.val_loss)
            name, loss = ("train", news.train_loss) if is_refit else ("val", news.val_loss)
            line = f"epoch {news.epoch}: {name}_loss {loss:.6f}"
            print(line, end=end, file=sys.stderr, flush=True)


class Steps:
    """Tells what is being done, on stderr: one line written over, or one a few seconds elsewhere.

    Args:
        seconds_between: How often a line is written where there is no terminal.
    """

    def __init__(self, seconds_between: float = 5.0) -> None:
        """Start with nothing told."""
        self._seconds_between = seconds_between
        self._told_at: float | None = None

    def __enter__(self) -> Self:
        """Nothing to show before the first step."""
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the line that was written over."""
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def tell(self, step: str) -> None:
        """Show a step; without a terminal, what is quick is not told of."""
        now = time.monotonic()
        self._told_at = now if self._told_at is None else self._told_at
        if sys.stderr.isatty():
            print(f"\r\x1b[K{step}", end="", file=sys.stderr, flush=True)
        elif now - self._told_at >= self._seconds_between:
            print(step, file=sys.stderr, flush=True)
            self._told_at = now


class RepeatsProgress:
    """A bar over the repeats of a confirmation on a terminal, a line a repeat elsewhere.

    Args:
        study: Its name.
        n_candidates: How many trials are trained again.
        n_seeds: On how many new seeds each.
    """

    def __init__(self, study: str, *, n_candidates: int, n_seeds: int) -> None:
        """Start with nothing done."""
        self._told = f"confirm {study}: {counted(n_candidates, 'trial')} on "
        self._told += counted(n_seeds, "new seed")
        self._total = n_candidates * n_seeds
        self._done = 0
        self._bar = _bar() if sys.stderr.isatty() else None
        self._task: TaskID | None = None
        if self._bar:
            self._task = self._bar.add_task("", total=self._total, best="")

    def __enter__(self) -> Self:
        """Say what begins."""
        print(self._told, file=sys.stderr, flush=True)
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it stands."""
        if self._bar:
            self._bar.stop()

    def watch(self, config: "TrialConfig", news: EpochScores | TrialOutcome) -> None:
        """Count a repeat that has ended; on a terminal each epoch moves the text."""
        place = f"trial {config.number}, repeat {config.repeat}"
        if isinstance(news, EpochScores):
            self._show(f"{place}, epoch {news.epoch}")
            return
        self._done += 1
        ended = news.cause if news.value is None else f"val_loss {news.value:.4f}"
        self._show(f"{place}: {ended}")
        if not self._bar:
            n_epochs = counted(len(news.curve), "epoch")
            line = f"[{self._done}/{self._total}] {place}: {ended} after {n_epochs}"
            print(line, file=sys.stderr, flush=True)

    def _show(self, text: str) -> None:
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=self._done, best=text)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[best]}"),
        console=Console(stderr=True),
    )


def _told(outcome: TrialOutcome) -> str:
    word = f"trial {outcome.number} {WORDS[outcome.state]}"
    if outcome.cause:
        return f"{word}: {outcome.cause}"
    return f"{word}: val_loss {outcome.value:.4f} after {len(outcome.curve)} epochs"
