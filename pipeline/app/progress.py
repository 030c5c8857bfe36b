"""How far a study's run has come, and the line of a table that a notebook shows of it."""

import sys
import time
import warnings
from collections.abc import Sequence
from html import escape
from typing import Any, Final, Self

from pipeline.config import Objective, StudyConfig
from pipeline.trial import Event, TrialOutcome, TrialRow

SECONDS_BETWEEN: Final = 1.0
"""How often a notebook's line is drawn while no trial ends."""


class Tally:
    """Counts the finished trials of a study, and keeps the best value.

    Args:
        objective: The study's.

    Attributes:
        done: How many trials have ended.
    """

    def __init__(self, objective: Objective) -> None:
        self.done = 0
        self._objective = objective
        self._best: tuple[float, int] | None = None

    def take_up(self, rows: Sequence[TrialRow]) -> None:
        """Count what earlier runs have finished."""
        self.done = sum(row.state.is_finished for row in rows)
        losses = [(row.loss, row.number) for row in rows if row.loss is not None]
        self._best = min(losses, default=None)

    def take(self, outcome: TrialOutcome) -> None:
        """Count a trial that has ended."""
        self.done += 1
        if outcome.value is not None:
            here = (self._objective.loss(outcome.value), outcome.number)
            self._best = min(self._best, here) if self._best else here

    @property
    def best_text(self) -> str:
        """``lowest 0.1774 (trial 58)``."""
        if self._best is None:
            return "none complete yet"
        loss, number = self._best
        return f"{self._objective.best_word} {self._objective.loss(loss):.4f} (trial {number})"


class NotebookProgress:
    """A line of a table that is drawn over in place.

    Args:
        study: Its name and total are shown.
    """

    def __init__(self, study: StudyConfig) -> None:
        self._study = study.name
        self._total = study.search.trials
        self._metric = study.objective.metric
        self._tally = Tally(study.objective)
        self._line = ""
        self._started = self._drawn = time.perf_counter()
        self._handle: Any = None

    @classmethod
    def here(cls, study: StudyConfig) -> Self | None:
        """One for this process, if a notebook's kernel runs it; IPython is not imported to ask."""
        ask = getattr(sys.modules.get("IPython"), "get_ipython", None)
        if ask is None or not hasattr(ask(), "kernel"):
            return None
        # tqdm says it when Optuna and MLflow import it; no bar of theirs is shown.
        warnings.filterwarnings("ignore", "IProgress not found")
        return cls(study)

    def take_up(self, rows: Sequence[TrialRow]) -> None:
        """Count what earlier runs have finished, and show the table."""
        self._tally.take_up(rows)
        self._draw()

    def watch(self, event: Event) -> None:
        """Count a finished trial; of epochs show that time goes on."""
        if isinstance(event, TrialOutcome):
            self._tally.take(event)
            self._draw()
        elif time.perf_counter() - self._drawn >= SECONDS_BETWEEN:
            self._draw()

    def tell(self, line: str) -> None:
        """Show a line below the table, in place of the one before."""
        self._line = line
        self._draw()

    def _draw(self) -> None:
        self._drawn = time.perf_counter()
        if self._handle is None:
            from IPython.display import display

            self._handle = display(self, display_id=True)
        else:
            self._handle.update(self)

    @property
    def _cells(self) -> dict[str, str]:
        return {
            "study": self._study,
            "trials": f"{self._tally.done} of {self._total}",
            self._metric: self._tally.best_text,
            "seconds": f"{self._drawn - self._started:.0f}",
        }

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        titles = "".join(f"<th>{escape(title)}</th>" for title in self._cells)
        values = "".join(f"<td>{escape(value)}</td>" for value in self._cells.values())
        line = f"<p>{escape(self._line)}</p>" if self._line else ""
        return f"<table><tr>{titles}</tr><tr>{values}</tr></table>{line}"

    def __repr__(self) -> str:
        """What is shown where there is no HTML."""
        text = ", ".join(f"{title} {value}" for title, value in self._cells.items() if value)
        return f"{text}\n{self._line}".rstrip()
