"""Learning that is made up: the losses of a trial follow from a formula or from LCBench's model."""

import hashlib
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from benchmarks.search.lcbench import Surrogate
from benchmarks.search.training import end_of
from pipeline.config import StudyConfig, TrialConfig
from pipeline.trial import Assignment, Cohort, EpochScores, TrialOutcome

EPOCHS: Final = 20
EPOCH_SECONDS: Final = 10.0
"""Virtual seconds that an epoch takes in the mean."""
SPREAD: Final = 0.3
"""Standard deviation of the logarithm of the epoch's seconds, from trial to trial."""
WEIGHTS: Final = bytes(1_024)
"""What stands for a trial's weights: as many bytes as one small network has."""
SPACE: Final[Mapping[str, Any]] = {
    "depth": {"low": 1, "high": 4},
    "width": {"choices": [128, 256, 512]},
    "input_dropout": {"low": 0.0, "high": 0.3},
    "dropout": {"low": 0.0, "high": 0.6, "per_layer": True},
    "batch_size": {"choices": [32, 64, 128, 256]},
    "learning_rate": {"low": 1.0e-4, "high": 1.0e-2, "log": True},
}
"""The demo's: nine parameters."""


class Problem(Protocol):
    """A space with a curve of losses for each trial."""

    def study(self, search: Mapping[str, Any]) -> StudyConfig:
        """The study file of a search."""

    def losses(self, config: TrialConfig) -> Sequence[float]:
        """The validation losses of a trial that is trained for all of its epochs."""


class Formula:
    """The demo's space; a curve falls exponentially to a floor that follows from the setting."""

    def study(self, search: Mapping[str, Any]) -> StudyConfig:
        """The study file of a search; its data and its model are names alone."""
        return StudyConfig.model_validate(
            {
                "name": "simulated",
                "data": {"name": "digits"},
                "model": {"name": "mlp"},
                "space": dict(SPACE),
                "training": {"epochs": EPOCHS},
                "search": dict(search),
            }
        )

    def losses(self, config: TrialConfig) -> list[float]:
        """Losses [20]; noise follows from the trial's seed."""
        chance = chance_of(config)
        rate = abs(math.log10(float(config.params["learning_rate"])) + 3.0)
        dropout = sum(abs(rate - 0.3) for rate in config.values_of("dropout"))
        floor = 0.2 + 0.3 * rate + 0.1 * dropout + chance.uniform(0.0, 0.02)
        speed = chance.uniform(0.2, 0.6)
        return [floor + math.exp(-speed * epoch) for epoch in range(1, EPOCHS + 1)]


class LcBench:
    """One table of LCBench's surrogate.

    Args:
        folder: With the surrogate's files.

    Raises:
        ImportError: There is no onnxruntime.
        OSError: A file is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._surrogate = Surrogate(folder)
        self._task = self._surrogate.tasks[0]

    def study(self, search: Mapping[str, Any]) -> StudyConfig:
        """The study file of a search."""
        return self._surrogate.study(search)

    def losses(self, config: TrialConfig) -> list[float]:
        """Losses [51] without noise."""
        losses: list[float] = self._surrogate.curve(self._task, config.params).tolist()
        return losses


def chance_of(config: TrialConfig) -> random.Random:
    """A trial's own chance."""
    text = f"{config.study_seed} {config.number}"
    return random.Random(hashlib.sha256(text.encode()).hexdigest())  # noqa: S311 - no secret


class Learning:
    """Fits cohorts without training: it is what a ``SimulatedEngine`` is given.

    A trial that has paused goes on after its last epoch, as from a checkpoint.

    Args:
        problem: Where losses come from.

    Attributes:
        seconds: Of the processor that made up the losses: they are none of the driver's.
    """

    def __init__(self, problem: Problem) -> None:
        self._losses: Callable[[TrialConfig], Sequence[float]] = problem.losses
        self._n_told: dict[int, int] = {}
        self.seconds = 0.0

    def __call__(
        self, cohort: Cohort, context: Any, report: Callable[[EpochScores], None]
    ) -> list[TrialOutcome]:
        """Fit a cohort."""
        del context
        began = time.process_time()
        try:
            return [self.fit_one(one, report) for one in cohort.assignments]
        finally:
            self.seconds += time.process_time() - began

    def fit_one(
        self, assignment: Assignment, report: Callable[[EpochScores], None]
    ) -> TrialOutcome:
        """Fit a trial, or go on with it."""
        config = assignment.config
        row = end_of(assignment, self._losses(config))
        assert row is not None, "a problem has a loss for each epoch"
        seconds = EPOCH_SECONDS * chance_of(config).lognormvariate(0.0, SPREAD)
        curve = tuple(
            epoch_scores(config.number, epoch, loss, seconds=seconds)
            for epoch, loss in enumerate(row.scores, start=1)
        )
        for scores in curve[self._n_told.pop(config.number, 0) :]:
            report(scores)
        if not row.state.is_finished:
            self._n_told[config.number] = len(curve)
        return TrialOutcome(
            number=config.number,
            state=row.state,
            cause=row.cause,
            curve=curve,
            n_parameters=1,
            weights=WEIGHTS,
            seconds={"training": seconds * len(curve)},
        )


def epoch_scores(number: int, epoch: int, loss: float, *, seconds: float) -> EpochScores:
    """An epoch's scores, as many as a classifier has."""
    return EpochScores(
        number=number,
        epoch=epoch,
        ended_at_ms=1_000 * epoch,
        train_loss=loss + 0.1,
        train_accuracy=0.5,
        train_loss_no_dropout=loss - 0.1,
        val_loss=loss,
        val_accuracy=0.5,
        learning_rate=0.001,
        epoch_seconds=seconds,
    )
