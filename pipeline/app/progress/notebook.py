"""What a notebook shows while a study or a confirmation runs: a table that is drawn over."""

import sys
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final, Self

from pipeline.app.progress.sparkline import sparkline
from pipeline.app.progress.tally import RunningTrial, Tally
from pipeline.config import ShownNumber, StudyConfig, TrialConfig, label_of
from pipeline.trial import Cohort, EpochScores, Event, Progress, TrialOutcome, TrialRow

SECONDS_BETWEEN: Final = 1.0
"""How often a notebook's table is drawn while no trial ends."""
MOST_RUNNING: Final = 16
"""More of the running trials are counted, not shown."""
WIDTH: Final = 24
"""Characters of a curve."""


class _Table(ABC):
    """A table that is drawn over in place."""

    def __init__(self) -> None:
        self._line = ""
        self._started = self._drawn = time.perf_counter()
        self._handle: Any = None

    def tell(self, line: str) -> None:
        """Show a line below the table, in place of the one before."""
        self._line = line
        self._draw()

    @property
    @abstractmethod
    def _cells(self) -> dict[str, str]:
        """The table's one row, by its titles."""

    @property
    def _seconds(self) -> str:
        return f"{self._drawn - self._started:.0f}"

    def _draw(self) -> None:
        self._drawn = time.perf_counter()
        if self._handle is None:
            from IPython.display import display

            self._handle = display(self, display_id=True)
        else:
            self._handle.update(self)

    def _draw_at_times(self) -> None:
        if time.perf_counter() - self._drawn >= SECONDS_BETWEEN:
            self._draw()

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        line = f"<p>{escape(self._line)}</p>" if self._line else ""
        return f"{_table([self._cells])}{line}"

    def __repr__(self) -> str:
        """What is shown where there is no HTML."""
        text = ", ".join(f"{title} {value}" for title, value in self._cells.items() if value)
        return f"{text}\n{self._line}".rstrip()


class NotebookProgress(_Table, Progress):
    """How far a study is: its trials, the best value, the trials that run, the time left.

    Args:
        study: The study that is run.
    """

    def __init__(self, study: StudyConfig) -> None:
        super().__init__()
        self._tally = Tally(study)

    @classmethod
    def here(cls, study: StudyConfig) -> Self | None:
        """One for this process, if a notebook's kernel runs it."""
        return cls(study) if _is_notebook() else None

    def take_up(self, rows: Sequence[TrialRow]) -> None:
        """Count what earlier runs have finished, and show the table."""
        self._tally.take_up(rows)
        self._draw()

    def begin_step(self, step: str) -> None:
        """Show what the start-up waits for."""
        self._tally.begin_step(step)
        self._draw()

    def hand_out(self, cohort: Cohort) -> None:
        """Show trials that the workers were handed."""
        self._tally.hand_out(cohort)
        self._draw_at_times()

    def watch(self, event: Event) -> None:
        """Count a finished trial; of epochs show that time goes on."""
        self._tally.watch(event)
        if isinstance(event, TrialOutcome):
            self._draw()
        else:
            self._draw_at_times()

    @property
    def _cells(self) -> dict[str, str]:
        tally = self._tally
        return {
            "study": tally.study,
            "trials": f"{tally.done} of {tally.total}",
            tally.objective.metric: tally.best_text,
            "seconds": self._seconds,
            "time left": tally.left_text,
        }

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return super()._repr_html_() + "".join(self._details())

    def _details(self) -> list[str]:
        """What stands below the table: what is waited for, or the curves and the running trials."""
        tally = self._tally
        if tally.step:
            return [f"<p>{escape(tally.step)}</p>"]
        best = [f"best value by trial <code>{sparkline(tally.history, 2 * WIDTH)}</code>"]
        if tally.best:
            curve = sparkline(tally.best.scores, WIDTH)
            best.append(f"curve of trial {tally.best.number} <code>{curve}</code>")
            best.append(escape(tally.found_text))
        lines = [f"ended: {escape(tally.ended_text)}", *best * bool(tally.best)]
        return [*(f"<p>{line}</p>" for line in lines), self._running()]

    def _running(self) -> str:
        running = self._tally.best_running(MOST_RUNNING)
        n_more = len(self._tally.running) - len(running)
        more = f"<p>and {n_more} more running</p>" if n_more else ""
        return (_table(map(self._running_cells, running)) if running else "") + more

    def _running_cells(self, trial: RunningTrial) -> dict[str, str]:
        return {
            "running trial": str(trial.number),
            "epoch": trial.epoch_text,
            self._tally.objective.metric: trial.score_text,
            "curve": "paused" if trial.is_paused else sparkline(trial.scores, WIDTH),
        }


class NotebookRepeats(_Table):
    """How far a confirmation is.

    Args:
        study: Its name.
    """

    def __init__(self, study: str) -> None:
        super().__init__()
        self._study = study
        self._done = self._total = 0
        self._epochs: dict[tuple[ShownNumber, int], int] = {}

    @classmethod
    def here(cls, study: str) -> Self | None:
        """One for this process, if a notebook's kernel runs it."""
        return cls(study) if _is_notebook() else None

    def plan(self, n_done: int, n_most: int) -> None:
        """Take up what was trained before, and how many trainings there may be in all."""
        self._done, self._total = n_done, n_most
        self._draw()

    def watch(self, config: TrialConfig, event: Event) -> None:
        """Count a training that has ended; of epochs show the last."""
        key = config.shown_number, config.repeat
        if isinstance(event, EpochScores):
            self._epochs[key] = event.epoch
            self._draw_at_times()
            return
        self._epochs.pop(key, None)
        self._done += 1
        self._draw()

    @property
    def _cells(self) -> dict[str, str]:
        running = (
            f"{label_of(number)}, repeat {repeat}: epoch {epoch}"
            for (number, repeat), epoch in self._epochs.items()
        )
        return {
            "confirm": self._study,
            "trainings": f"{self._done} of {self._total}",
            "seconds": self._seconds,
            "running": "; ".join(running),
        }


def _is_notebook() -> bool:
    """Whether a notebook's kernel runs this process; IPython is not imported to ask."""
    ask = getattr(sys.modules.get("IPython"), "get_ipython", None)
    if ask is None or not hasattr(ask(), "kernel"):
        return False
    # tqdm says it when Optuna and MLflow import it; no bar of theirs is shown.
    warnings.filterwarnings("ignore", "IProgress not found")
    return True


def _table(rows: Iterable[Mapping[str, str]]) -> str:
    """Rows of the same titles as HTML."""
    shown = list(rows)
    titles = "".join(f"<th>{escape(title)}</th>" for title in shown[0])
    lines = ("".join(f"<td>{escape(cell)}</td>" for cell in row.values()) for row in shown)
    return f"<table><tr>{titles}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
