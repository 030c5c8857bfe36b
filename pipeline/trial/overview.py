"""What a study's own run says of it: its settings, the best value so far, and how its trials ended.

All of it follows from the study file and the table, so a run that was written by several processes,
each killed, is the same in the end.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Final

from pipeline.config import Objective, StudyConfig
from pipeline.trial.ranking import find_best
from pipeline.trial.records import TrialState
from pipeline.trial.row import TrialRow
from pipeline.trial.snapshots import Point

SECTIONS: Final = ("data", "model", "training", "search", "space")
MOST_SETTINGS: Final = 100
"""MLflow's server takes no more parameters at once."""
LARGEST_SETTING: Final = 250
"""Characters; older stores cut longer ones."""
COUNTED: Final = {
    "n_complete": TrialState.COMPLETE,
    "n_pruned": TrialState.PRUNED,
    "n_failed": TrialState.FAIL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What a study's run says.

    Attributes:
        settings: The study file's, by the keys that ``--set`` takes.
        best_so_far: The best value of the trials up to each number, those before an unfinished
            trial alone. A point of it never changes, unless a failed trial is trained again.
        totals: What sums the study up once it is done; they change where it goes on.
        n_trials: How many trials have ended: the step of the totals.
    """

    settings: Mapping[str, str]
    best_so_far: Mapping[Point, float] = field(default_factory=dict)
    totals: Mapping[str, float] = field(default_factory=dict)
    n_trials: int = 0

    @classmethod
    def of(
        cls, study: StudyConfig, rows: Sequence[TrialRow], *, is_done: bool, n_first: int = 0
    ) -> "Overview":
        """What the run of a study is to say.

        Args:
            study: The study file.
            rows: Its table.
            is_done: Whether nothing of it is left to train.
            n_first: How many first trials were suggested without a model; 0: not known, or all.
        """
        best = f"best_{study.objective.metric}"
        lowest = dict(_best_so_far(study.objective, rows))
        totals = _totals(study.objective, rows) if is_done else {}
        if is_done and n_first - 1 in lowest:
            totals[f"first_design_{study.objective.metric}"] = lowest[n_first - 1]
        return cls(
            settings=dict(list(_settings(study))[:MOST_SETTINGS]),
            best_so_far={(best, number): value for number, value in lowest.items()},
            totals=totals,
            n_trials=len(rows),
        )

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of all metrics."""
        return tuple(dict.fromkeys([*(name for name, _ in self.best_so_far), *self.totals]))

    def untrue(self, known: Mapping[Point, Sequence[float]]) -> set[str]:
        """The metrics of which a run has a best value that is not so, or has it twice.

        Args:
            known: The values that the run has by (metric, step).
        """
        names = {name for name, _ in self.best_so_far}
        return {
            point[0]
            for point, values in known.items()
            if point[0] in names and list(values) != [self.best_so_far.get(point)]
        }

    def missing(self, known: Mapping[Point, Sequence[float]]) -> list[Point]:
        """The best values that a run does not have."""
        return [point for point in self.best_so_far if point not in known]

    def is_news(self, latest: Mapping[str, float]) -> bool:
        """Whether the latest values of a run's metrics are not these totals."""
        return any(latest.get(name) != value for name, value in self.totals.items())


def _settings(study: StudyConfig) -> Iterator[tuple[str, str]]:
    """The settings by dotted key, but for the number of trials, which may grow."""
    objective = study.objective.model_dump(mode="json")
    sections = {"objective": objective} | {name: study.document[name] for name in SECTIONS}
    for section, values in sections.items():
        for key, value in values.items():
            if (section, key) != ("search", "trials"):
                yield f"{section}.{key}", _text(value)[:LARGEST_SETTING]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _best_so_far(objective: Objective, rows: Sequence[TrialRow]) -> Iterator[tuple[int, float]]:
    best: float | None = None
    for row in takewhile(lambda row: row.state.is_finished, rows):
        if row.loss is not None:
            best = row.loss if best is None else min(best, row.loss)
        if best is not None:
            yield row.number, objective.loss(best)


def _totals(objective: Objective, rows: Sequence[TrialRow]) -> dict[str, float]:
    states = [row.state for row in rows]
    counts = {name: float(states.count(state)) for name, state in COUNTED.items()}
    best = find_best(rows)
    if best is None or best.ranked.finalist is None:
        return counts
    return counts | {f"best_mean_{objective.metric}": best.value}
