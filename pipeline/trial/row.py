"""A trial as a line of its study's table."""

import math
from dataclasses import dataclass, field, fields
from itertools import accumulate

from pipeline.config import VAL_LOSS, Finalist, Objective, Scalar, TrialConfig
from pipeline.trial.records import TrialOutcome, TrialState

NOT_IN_JSON = ("scores", "finalist", "objective")
"""Of a ``TrialRow``: curves are MLflow's, and the objective is the study's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """A trial as tables show it and as the search sees it.

    Attributes:
        value: Null unless the trial is complete.
        run_id: Of its MLflow run; ``None`` where it has none or none is known.
        finalist: ``None`` where the search suggested the setting.
        n_parameters: Weights of the network; ``None`` where an earlier version did not store it
            or the trial failed before it had a network.
        scores: The objective's, one an epoch, as measured; empty where only MLflow's tags were
            read.
        objective: Which score of an epoch says what the trial is worth.
    """

    number: int
    state: TrialState
    value: float | None
    best_epoch: int | None
    params: dict[str, Scalar]
    run_id: str | None
    weights_sha256: str | None
    cause: str | None
    warning: str | None = None
    finalist: Finalist | None = None
    n_parameters: int | None = None
    scores: tuple[float, ...] = field(default=(), repr=False)
    objective: Objective = VAL_LOSS

    @classmethod
    def of(cls, config: TrialConfig, outcome: TrialOutcome) -> "TrialRow":
        """The row of a trial that has just ended."""
        return cls(
            number=outcome.number,
            state=outcome.state,
            value=outcome.value,
            best_epoch=outcome.best.epoch if outcome.best else None,
            params=dict(config.params),
            run_id=None,
            weights_sha256=outcome.weights_sha256,
            cause=outcome.cause,
            warning=outcome.warning,
            finalist=config.finalist,
            n_parameters=outcome.n_parameters or None,
            scores=outcome.scores,
            objective=config.objective,
        )

    @property
    def loss(self) -> float | None:
        """What ranks the trial: its value, or the negative where it is maximised."""
        return None if self.value is None else self.objective.loss(self.value)

    @property
    def losses(self) -> tuple[float, ...]:
        """What the search compares, one entry an epoch: lower is better."""
        return tuple(map(self.objective.loss, self.scores))

    @property
    def best_score(self) -> float | None:
        """The best of the epochs; ``None`` where none is finite."""
        lowest = min(filter(math.isfinite, self.losses), default=None)
        return None if lowest is None else self.objective.loss(lowest)

    @property
    def lowest_so_far(self) -> tuple[float, ...]:
        """The lowest loss up to each epoch: what the trial would be worth there."""
        finite = (loss if math.isfinite(loss) else math.inf for loss in self.losses)
        return tuple(accumulate(finite, min))

    def as_json(self) -> dict[str, object]:
        """The row as the command line's JSON holds it; curves are MLflow's."""
        names = (one.name for one in fields(self) if one.name not in NOT_IN_JSON)
        finalist_of = self.finalist.setting_of if self.finalist else None
        return {name: getattr(self, name) for name in names} | {"finalist_of": finalist_of}
