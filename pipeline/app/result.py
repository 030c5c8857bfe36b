"""What a run of a study has come to: its table, its best trial, and where the seconds went."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Final

from pipeline.app.registration import Registered
from pipeline.app.workspace import Workspace
from pipeline.errors import WorkFailedError
from pipeline.trial import (
    Best,
    SearchSummary,
    Settled,
    TrialRow,
    WarmStart,
    answer_json,
    find_best,
)

if TYPE_CHECKING:
    from pandas import DataFrame

    from pipeline.learning.lightning import LightningModule

PARAMS: Final = "params_"
"""Begins the name of a parameter's column, as in Optuna's own data frames."""
SHOWN: Final = 10
"""A notebook shows so many trials at most."""


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """The table of a study, and where the seconds of a run went.

    Attributes:
        trials: The table, by number.
        settled: Why the search ended before all its trials were done; ``None``: it did not.
        warm_start: What the study has taken over from another one; ``None``: nothing.
        search: What the search has come to; ``None`` where no trial is complete or nothing is
            searched.
        models: The networks that are registered in MLflow; ``None`` where none was to be.
        seconds: Where the wall time of this run went; ``total`` is the sum of the others.
        start_up: What the start-up waited for, in seconds that sum to its own.
        machinery: Seconds that the machinery took, whether or not a worker waited for it.
        workspace: Where the study lives.
    """

    study: str
    trials: Sequence[TrialRow]
    settled: Settled | None = None
    warm_start: WarmStart | None = None
    search: SearchSummary | None = None
    models: Registered | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    start_up: Mapping[str, float] = field(default_factory=dict)
    machinery: Mapping[str, float] = field(default_factory=dict)
    workspace: Workspace = field(default_factory=Workspace, repr=False, compare=False)

    @property
    def best(self) -> "BestTrial | None":
        """The complete trial of the best value or, with finalists, of the best mean."""
        best = find_best(self.trials)
        if best is None:
            return None
        ranked, finalists = best.ranked, best.finalists
        return BestTrial(
            ranked=ranked, finalists=finalists, study=self.study, workspace=self.workspace
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many trials are complete, pruned and failed."""
        states = Counter(row.state.name for row in self.trials)
        return {
            "complete": states["COMPLETE"],
            "pruned": states["PRUNED"],
            "failed": states["FAIL"],
        }

    def as_json(self) -> dict[str, Any]:
        """The result as ``run --json`` prints it."""
        return {
            "study": self.study,
            "trials": self.counts,
            "best": self.best and self.best.as_json(),
            "settled": self.settled and self.settled.as_json(),
            "warm_start": self.warm_start and self.warm_start.as_json(),
            "search": self.search and self.search.as_json(),
            "models": self.models and self.models.as_json(),
            "answer": self.search and answer_json(self.search.effects, self.search.interactions),
            "seconds": _rounded(self.seconds),
            "start_up": _rounded(self.start_up),
            "machinery": _rounded(self.machinery),
        }

    def to_dataframe(self, *, curves: bool = False) -> "DataFrame":
        """The table, or every epoch of it, for pandas.

        Args:
            curves: One row an epoch with every score that MLflow has of it, and not one a trial.

        Returns:
            By trial: ``number``, ``state``, ``value``, ``best_epoch``, a column ``params_<name>``
            for each parameter (missing where a trial does not have it), and what else
            ``show --json`` has. By epoch: ``number``, ``epoch`` and a column for each score.

        Raises:
            BadInputError: MLflow, from which curves are read, does not have the study.
        """
        from pandas import DataFrame

        if not curves:
            return DataFrame([flat(row.as_json()) for row in self.trials])
        from pipeline.tracking.reader import read_curves

        return DataFrame(
            [
                {"number": scores.number, "epoch": scores.epoch, **scores.metrics}
                for curve in read_curves(self.workspace.ledger_uri, self.study).values()
                for scores in curve
            ]
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the best trials of the study, the best one first."""
        table = self.to_dataframe()
        if not len(table):
            return f"<p>study {escape(self.study)} has no trial yet</p>"
        best = table.set_index("number", drop=False).loc[self._best_numbers()]
        params = [name for name in table.columns if name.startswith(PARAMS)]
        shown = best[["number", "value", "best_epoch", *params]].dropna(axis="columns", how="all")
        counts = ", ".join(f"{n} {state}" for state, n in self.counts.items())
        return f"<p>study {escape(self.study)}: {counts}</p>{shown.to_html(index=False)}"

    def _best_numbers(self) -> list[int]:
        """The numbers of the best complete trials, by their values."""
        ranked = sorted((row.loss, row.number) for row in self.trials if row.loss is not None)
        return [number for _, number in ranked[:SHOWN]]


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with a column for each parameter, after those that come before them."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name == "params":
            flat |= {PARAMS + parameter: one for parameter, one in value.items()}
        else:
            flat[name] = value
    return flat


@dataclass(frozen=True, kw_only=True)
class BestTrial(Best):
    """The best trial of a study, whose network can be loaded.

    Attributes:
        study: The study's name.
        workspace: Where it lives.
    """

    study: str
    workspace: Workspace = field(repr=False, compare=False)

    def load_model(self, *, fold: int | None = None) -> "LightningModule":
        """Build its network with the weights of its best epoch: see ``use.load_model``."""
        from pipeline.app.use import load_model

        return load_model(self.study, trial=self.number, fold=fold, workspace=self.workspace)


class StudyFailedError(WorkFailedError):
    """A study ended without a complete trial, and some of its trials failed.

    Attributes:
        result: Its table all the same.
    """

    def __init__(self, message: str, result: StudyResult) -> None:
        super().__init__(message)
        self.result = result


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {name: round(spent, 3) for name, spent in seconds.items()}
