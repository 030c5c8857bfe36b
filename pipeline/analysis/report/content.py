"""What a report is made from: plain records, whoever read them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any, Final

from pipeline.analysis.gap import Gap
from pipeline.config import Objective, Scalar, StudyConfig
from pipeline.trial import (
    Best,
    Curve,
    Effect,
    Ranked,
    SearchSummary,
    Settled,
    TimeSpent,
    TrialRecord,
    TrialRow,
    TrialState,
    answer_json,
    find_best,
    rank,
)
from pipeline.trial.effects import RATE

STATES: Final = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "stopped",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
"""What a trial's state is called on the page; a stopped trial is Optuna's PRUNED."""


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """A study as its report shows it.

    Attributes:
        study: The study file.
        rows: Its table, by number.
        curves: The epochs of each trial that has any, by number.
        summary: What the search has come to; ``None`` where no trial is complete.
        gap: How the generalization gap depends on the parameters and on the epoch.
        settled: Why the search ended before all its trials were done.
        confirmation: ``confirmation.json`` of the latest finished ``confirm``.
        time: Where the seconds went.
        records: Of each trial that has ended, its record and the SHA-256 of that file, by number.
        faults: What could not be read, a sentence each.
        made_at: When the report is made, as people read it.
        version: Of this project.
    """

    study: StudyConfig
    rows: Sequence[TrialRow]
    curves: Mapping[int, Curve]
    summary: SearchSummary | None = None
    gap: Gap | None = None
    settled: Settled | None = None
    confirmation: Mapping[str, Any] | None = None
    time: TimeSpent = field(default_factory=TimeSpent)
    records: Mapping[int, tuple[TrialRecord, str]] = field(default_factory=dict)
    faults: Sequence[str] = ()
    made_at: str
    version: str

    @property
    def objective(self) -> Objective:
        """Which score the values are."""
        return self.study.objective

    @property
    def remarks(self) -> Sequence[tuple[str, bool]]:
        """What is said beside the parameters' own sentences, and whether it is a warning."""
        summary, gap = self.summary, self.gap
        said = [(sentence, False) for sentence in gap.sentences] if gap else []
        if summary is None:
            return said
        together = [(one.sentence, False) for one in summary.interactions]
        warning = [(summary.warning, True)] if summary.warning else []
        settled = [(f"the search {self.settled.sentence}", False)] if self.settled else []
        search = [(sentence, False) for sentence in summary.sentences]
        return [*together, *said, *warning, *settled, *search]

    @property
    def answer(self) -> Mapping[str, Any]:
        """What each parameter does, in words and numbers, as the command line's JSON holds it."""
        found = answer_json(self.effects, self.summary.interactions if self.summary else ())
        of_gap = self.gap.as_json() if self.gap else {"words": []}
        return found | {"words": [*found["words"], *of_gap["words"]], "gap": of_gap}

    @property
    def effects(self) -> Sequence[Effect]:
        """What each parameter does; empty where there are too few trials."""
        return self.summary.effects if self.summary else ()

    @cached_property
    def best(self) -> Best | None:
        """The best trial; ``None`` where none is complete."""
        return find_best(self.rows)

    @cached_property
    def ranked(self) -> Sequence[Ranked]:
        """The settings of complete trials, the best first."""
        return rank(self.rows)

    @property
    def n_first(self) -> int | None:
        """How many first trials no model suggested; ``None`` where no model suggested any."""
        return self.summary.gain.n_first if self.summary and self.summary.gain else None

    @cached_property
    def counts(self) -> Mapping[TrialState, int]:
        """How many trials are in each state; states that no trial is in are left out."""
        states = [row.state for row in self.rows]
        return {state: states.count(state) for state in STATES if state in states}

    @cached_property
    def varied(self) -> Sequence[str]:
        """The parameters that differ between trials, as the study file orders them."""
        values: dict[str, set[Scalar]] = {}
        for row in self.rows:
            for name, value in row.params.items():
                values.setdefault(name, set()).add(value)
        is_partial = {name for name in values if any(name not in row.params for row in self.rows)}
        order = {name: index for index, name in enumerate(self.study.space.domains)}
        found = [name for name in values if len(values[name]) > 1 or name in is_partial]
        return sorted(found, key=lambda name: order.get(name, len(order)))

    @property
    def rates(self) -> Sequence[str]:
        """The parameters that are probabilities to drop."""
        names = dict.fromkeys(name for row in self.rows for name in row.params)
        return [name for name in names if RATE.fullmatch(name)]

    def best_so_far(self, rows: Sequence[TrialRow]) -> tuple[list[int], list[float]]:
        """The best value of complete trials so far, in an order of theirs.

        Returns:
            The number of each complete trial, and the best value up to it.
        """
        losses = {row.number: row.loss for row in rows if row.loss is not None}
        lowest = accumulate(losses.values(), min)
        return list(losses), [self.objective.loss(loss) for loss in lowest]


def is_number(value: object) -> bool:
    """Whether a value is a finite number; a truth value is none."""
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and math.isfinite(value)  # type: ignore[arg-type]  # is_real holds


def shown(value: Scalar | None) -> str:
    """A value as tables show it.

    >>> [shown(value) for value in (0.30000000000000004, 64, "relu", None)]
    ['0.3', '64', 'relu', '']
    """
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
