"""A member of a cohort: one trial while it is trained."""

import time
from collections.abc import Sequence
from statistics import fmean

from safetensors.torch import save
from torch import Tensor

from pipeline.learning.checkpoints.keeper import State, curve_of, curve_state
from pipeline.learning.learner import Learner
from pipeline.learning.optimizers import learning_rate_at
from pipeline.learning.progress import Progress
from pipeline.trial import Assignment, EpochScores, FoldScores


class Member(Progress):
    """Holds what is one trial's own: a network, or one for each fold.

    Args:
        assignment: The trial, its epochs and its stopping rules.
        n_folds: 0 where the study has none.

    Attributes:
        weights: Of the best epoch.
        is_kept: Whether its last checkpoint says how it ended.
        is_torn: Whether it failed with others and nobody knows whose fault it was.
    """

    def __init__(self, assignment: Assignment, *, n_folds: int = 0) -> None:
        """Start before the first step."""
        super().__init__(assignment)
        folds = range(1, n_folds + 1) if n_folds else [0]
        self.learners = [Learner(self, fold) for fold in folds]
        self.n_parameters = 0
        self.weights: dict[str, Tensor] | None = None
        self.is_kept = False
        self.is_torn = False

    def end_epoch(self, seconds: float) -> EpochScores:
        """Take what its networks measured, and keep their weights if they are the best.

        Args:
            seconds: How long the epoch took.
        """
        scores = self._scores(seconds)
        if self.take(scores):
            self.weights = {
                name: value
                for learner in self.learners
                for name, value in learner.weights().items()
            }
        return scores

    def _scores(self, seconds: float) -> EpochScores:
        measured = [learner.measures for learner in self.learners]
        train, no_dropout, validation = (
            _mean([getattr(one, part) for one in measured])
            for part in ("train", "no_dropout", "validation")
        )
        folds = [FoldScores(one.train[0], one.no_dropout[0], *one.validation) for one in measured]
        return EpochScores(
            number=self.assignment.config.number,
            epoch=len(self.curve) + 1,
            ended_at_ms=time.time_ns() // 1_000_000,
            train_loss=train[0],
            train_accuracy=train[1],
            train_loss_no_dropout=no_dropout[0],
            val_loss=validation[0],
            val_accuracy=validation[1],
            learning_rate=learning_rate_at(self.assignment.config, 1 + len(self.curve)),
            epoch_seconds=seconds,
            folds=tuple(folds) if len(folds) > 1 else (),
            repeat=self.assignment.config.repeat,
        )

    def to_keep(self) -> State:
        """All that is needed to go on from here; of one that has left, what it came to."""
        first = self.learners[0]
        return {
            "curve": curve_state(self.curve),
            "weights": self.weights,
            "company": (first.place, first.n_companions, first.alone_because),
            "learners": [learner.state() for learner in self.learners] if not self.state else [],
        }

    def take_up(self, state: State) -> None:
        """Stand where it stood when ``to_keep`` told its state, its verdict included."""
        for scores in curve_of(state["curve"]):
            self.take(scores)
        self.weights = state["weights"]
        self.is_kept = self.state is not None
        first = self.learners[0]
        first.place, first.n_companions, first.alone_because = state["company"]
        for learner, kept in zip(self.learners, state["learners"], strict=False):
            learner.take_up(kept)

    def weights_file(self) -> bytes | None:
        """The best epoch's weights as a safetensors file."""
        return None if self.weights is None else save(self.weights)


def _mean(scores: Sequence[tuple[float, float]]) -> tuple[float, float]:
    losses, accuracies = zip(*scores, strict=True)
    return fmean(losses), fmean(accuracies)
