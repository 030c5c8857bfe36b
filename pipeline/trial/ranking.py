"""Which trial of a study is the best: the one place that decides it.

The best of many values is a lucky one: it is that of a good setting on a good seed. So a study
trains the settings that are predicted to be the best again, on new seeds, and the mean over those
decides; the value by which a setting was chosen does not count. A study without finalists has only
the values of single trials.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pipeline.config import Objective, Scalar
from pipeline.errors import counted
from pipeline.trial.row import TrialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalistSetting:
    """A setting that was trained again on new seeds as the last part of a study.

    Attributes:
        setting_of: The trial that had the setting first.
        trials: One for each new seed, by number.
    """

    setting_of: int
    trials: tuple[TrialRow, ...]

    @property
    def values(self) -> tuple[float, ...]:
        """By seed; those of failed trials are left out."""
        return tuple(trial.value for trial in self.trials if trial.value is not None)

    @property
    def failed(self) -> tuple[int, ...]:
        """The numbers of the trials that failed."""
        return tuple(trial.number for trial in self.trials if trial.value is None)

    @property
    def mean(self) -> float | None:
        """What the setting is worth; ``None`` where all its trials failed."""
        return fmean(self.values) if self.values else None

    @property
    def objective(self) -> Objective:
        """Which score the values are."""
        return self.trials[0].objective

    @property
    def best_trial(self) -> TrialRow:
        """The trial of the best value, whose weights stand for the setting."""
        return _by_loss(self.trials)[0]

    @property
    def params(self) -> Mapping[str, Scalar]:
        """The setting."""
        return self.trials[0].params

    @property
    def sentence(self) -> str:
        """What the setting is worth, in words."""
        numbers = ", ".join(str(trial.number) for trial in self.trials)
        failed = f" (failed: {', '.join(map(str, self.failed))})" if self.failed else ""
        again = f"trained again as {numbers}{failed}"
        if self.mean is None:
            return f"setting of trial {self.setting_of}, {again}"
        seeds = counted(len(self.values), "new seed")
        spread = f"{min(self.values):.4f} to {max(self.values):.4f}"
        mean = f"mean {self.objective.metric} {self.mean:.4f} over {seeds} ({spread})"
        return f"setting of trial {self.setting_of}, {mean}, {again}"

    def as_json(self) -> dict[str, Any]:
        """The setting as the command line's JSON holds it."""
        return {
            "setting_of": self.setting_of,
            "numbers": [trial.number for trial in self.trials],
            "failed": list(self.failed),
            "mean": self.mean,
            "lowest": min(self.values, default=None),
            "highest": max(self.values, default=None),
            "params": dict(self.params),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A trial with what it stands for.

    Attributes:
        trial: Complete.
        value: What ranks it: its own value or, of a finalist, the mean over seeds.
        finalist: ``None`` where the trial stands for itself.
    """

    trial: TrialRow
    value: float
    finalist: FinalistSetting | None = None

    @property
    def n_seeds(self) -> int:
        """How many values there are."""
        return len(self.finalist.values) if self.finalist else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best trial of a study.

    Attributes:
        ranked: The trial, and what ranks it.
        finalists: All of them, the best first; empty where the study has none, or not yet.
    """

    ranked: Ranked
    finalists: tuple[FinalistSetting, ...] = ()

    @property
    def trial(self) -> TrialRow:
        """The trial: of the best finalist, that of the best value."""
        return self.ranked.trial

    @property
    def value(self) -> float:
        """The trial's value; with finalists, the mean over the setting's new seeds."""
        return self.ranked.value

    @property
    def objective(self) -> Objective:
        """Which score the value is."""
        return self.trial.objective

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.trial.number

    @property
    def params(self) -> dict[str, Scalar]:
        """The trial's setting."""
        return self.trial.params

    @property
    def run_id(self) -> str | None:
        """Of the trial's MLflow run."""
        return self.trial.run_id

    def as_json(self) -> dict[str, Any]:
        """The best trial as the command line's JSON holds it."""
        return {
            "number": self.number,
            "value": self.value,
            "params": self.params,
            "run_id": self.run_id,
            "seeds": self.ranked.n_seeds,
            "value_of_trial": self.trial.value,
            "finalists": [setting.as_json() for setting in self.finalists],
        }


def find_best(rows: Sequence[TrialRow]) -> Best | None:
    """Find the best trial; ``None`` where none is complete.

    Args:
        rows: The study's table.
    """
    finalists = _finalists(rows)
    ranked = _rank(rows, finalists)
    return Best(ranked=ranked[0], finalists=finalists) if ranked else None


def rank(rows: Sequence[TrialRow]) -> list[Ranked]:
    """Rank complete trials, the best first.

    Finalists come first, by their mean over seeds, each as its trial of the best value. Those of
    which a seed failed come after the others: a mean over survivors flatters. Then come the trials
    of other settings by their value, of equals the first.

    Args:
        rows: The study's table.
    """
    return _rank(rows, _finalists(rows))


def _rank(rows: Sequence[TrialRow], finalists: Sequence[FinalistSetting]) -> list[Ranked]:
    settings = [dict(finalist.params) for finalist in finalists]
    others = [row for row in _by_loss(rows) if row.value is not None]
    return [
        *(
            Ranked(trial=finalist.best_trial, value=finalist.mean, finalist=finalist)
            for finalist in finalists
            if finalist.mean is not None
        ),
        *(
            Ranked(trial=row, value=row.value)
            for row in others
            if row.value is not None and dict(row.params) not in settings
        ),
    ]


def _finalists(rows: Sequence[TrialRow]) -> tuple[FinalistSetting, ...]:
    """The finalists that were trained last, the best first.

    A study that goes on trains others; until those have all ended, the earlier ones count.
    """
    groups: dict[range, list[tuple[int, TrialRow]]] = {}
    for row in rows:
        if row.finalist is not None:
            group = groups.setdefault(row.finalist.numbers, [])
            group.append((row.finalist.setting_of, row))
    ended = [numbers for numbers, group in groups.items() if _has_ended(numbers, group)]
    settings: dict[int, list[TrialRow]] = {}
    for setting_of, row in groups[max(ended, key=_first)] if ended else ():
        settings.setdefault(setting_of, []).append(row)
    found = [
        FinalistSetting(setting_of=number, trials=tuple(sorted(trials, key=_number)))
        for number, trials in settings.items()
    ]
    return tuple(sorted(found, key=_worth))


def _has_ended(numbers: range, group: Sequence[tuple[int, TrialRow]]) -> bool:
    return len(group) == len(numbers) and all(row.state.is_finished for _, row in group)


def _number(row: TrialRow) -> int:
    return row.number


def _first(numbers: range) -> int:
    return numbers.start


def _worth(finalist: FinalistSetting) -> tuple[bool, float, int]:
    """Orders finalists: those that are whole first, by their mean, of equals the first."""
    mean = finalist.mean
    loss = math.inf if mean is None else finalist.objective.loss(mean)
    return bool(finalist.failed), loss, finalist.setting_of


def _by_loss(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """The lowest loss first, of equals the first trial; those without one last."""
    return sorted(rows, key=lambda row: (row.loss is None, row.loss or 0.0, row.number))
