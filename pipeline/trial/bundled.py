"""What a bundle holds of a study beside its study file, its records and its weights."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import ConfigDict, Field

from pipeline.config import NO_TRIAL, Finalist, Frozen, Objective, Params, ShownNumber
from pipeline.trial.records import TrialState
from pipeline.trial.row import TrialRow
from pipeline.trial.settled import Settled
from pipeline.trial.time_spent import TimeSpent
from pipeline.trial.warm_start import WarmStart

WITH_INFINITE = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="strings")
"""A diverged trial's score may be infinite or NaN, for which JSON has no number."""


class BundledTrial(Frozen):
    """A trial as Optuna's storage holds it; its MLflow run has another id in each home.

    Attributes:
        params: Those that its network has.
        inactive: Those that it does not have.
        value: Optuna's own: of a pruned trial the last score.
        scores: The objective's, one an epoch.
        earlier: Why each attempt before this one failed.
    """

    model_config = WITH_INFINITE

    number: int = Field(ge=0, lt=NO_TRIAL)
    state: TrialState
    params: Params
    inactive: Params
    value: float | None
    scores: tuple[float, ...]
    best_epoch: int | None
    weights_sha256: str | None
    cause: str | None
    warning: str | None
    n_parameters: int | None
    finalist: Finalist | None
    earlier: tuple[str | None, ...]
    began: datetime | None
    ended: datetime | None

    def row(self, objective: Objective, run_id: str | None = None) -> TrialRow:
        """The trial as tables show it."""
        return TrialRow(
            number=self.number,
            state=self.state,
            value=self.value if self.state is TrialState.COMPLETE else None,
            best_epoch=self.best_epoch,
            params=self.params,
            run_id=run_id,
            weights_sha256=self.weights_sha256,
            cause=self.cause,
            warning=self.warning,
            finalist=self.finalist,
            n_parameters=self.n_parameters,
            scores=self.scores,
            objective=objective,
        )


class BundledStudy(Frozen):
    """``study.json``: a study's trials, and what its search had come to.

    Attributes:
        digest: Of the study file.
        n_acknowledged: How many trials there were when the study last stopped for their failures.
        time: Where the seconds of all its runs went.
        test_openings: How often ``confirm`` opened the test part.
    """

    digest: str
    trials: tuple[BundledTrial, ...]
    settled: Settled | None
    warm_start: WarmStart | None
    n_acknowledged: int = Field(ge=0)
    time: TimeSpent
    test_openings: int = Field(ge=0)


class BundledEpoch(Frozen):
    """The scores of an epoch by their names in MLflow, which holds none that is not finite."""

    epoch: int = Field(ge=1)
    ended_at_ms: int = Field(ge=0)
    scores: dict[str, float]


class BundledRun(Frozen):
    """``run.json``: what MLflow holds of a training beside its record and its files.

    Attributes:
        test: What a repeat scored on the test part, by the names in MLflow.
    """

    epochs: tuple[BundledEpoch, ...]
    test: dict[str, float] = Field(default_factory=dict)


class BundledDrop(Frozen):
    """Why a candidate was not trained on all seeds: see ``analysis.Dropped``."""

    after: int
    by: ShownNumber
    difference: float


class BundledCandidate(Frozen):
    """A candidate of a confirmation; its means follow from the repeats.

    Attributes:
        metrics: What a user's module logged on the test part, by its own names.
    """

    number: ShownNumber
    is_baseline: bool
    is_search_best: bool
    search_value: float | None
    dropped: BundledDrop | None
    metrics: tuple[str, ...]

    @classmethod
    def of(cls, candidate: dict[str, Any]) -> Self:
        """Read a candidate of ``confirmation.json``."""
        said = {name: candidate.get(name) for name in ("number", "search_value", "dropped")}
        flags = {name: candidate.get(name, False) for name in ("is_baseline", "is_search_best")}
        return cls.model_validate(said | flags | {"metrics": tuple(candidate.get("metrics", ()))})


class BundledConfirmation(Frozen):
    """``confirmation.json``: a confirmation that came to its end.

    Attributes:
        test_openings: How often the test part had been opened, its own time included.
        test_opened: When it opened the test part; ``None``: it did not.
    """

    seeds: int = Field(ge=1)
    candidates: tuple[BundledCandidate, ...]
    test_openings: int = Field(ge=0)
    test_opened: datetime | None


def rows_of(trials: Sequence[BundledTrial], objective: Objective) -> list[TrialRow]:
    """The table of a study in a bundle."""
    return [trial.row(objective) for trial in trials]
