"""What an epoch measured, and curves of it."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeline.config import VAL_LOSS, Objective

TrialKey = tuple[int, int]
"""A trial's number and its repeat: what tells trainings of one study apart."""


class FoldScores(NamedTuple):
    """What one epoch measured on one fold; ``EpochScores`` holds the means over folds."""

    train_loss: float
    train_loss_no_dropout: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochScores:
    """What one epoch of one trial measured; losses are means over rows.

    A classifier's are cross-entropies in nats, an autoencoder's squared errors, a regression's
    those of standardised targets. A score that the
    trial does not have (an autoencoder's accuracy) is NaN.

    Attributes:
        number: The trial's number.
        epoch: Counted from 1; MLflow's step.
        ended_at_ms: Unix time in milliseconds, taken once by the worker: with it MLflow knows a
            point that is written twice.
        train_loss: Over the epoch's batches, dropout on, while the weights change.
        train_loss_no_dropout: After the epoch, dropout off, on a fixed part of the training data
            as large as the validation set.
        repeat: As ``TrialConfig.repeat``.
        folds: Where the data section has folds, the scores of each; all others are their means.
        logged: What a user's module logs beside these, by its own names; of a regression
            ``val_mae`` and ``val_r2``.
        objective: Which of them says what the trial is worth.
    """

    number: int
    epoch: int
    ended_at_ms: int
    train_loss: float
    train_accuracy: float
    train_loss_no_dropout: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    epoch_seconds: float
    folds: tuple[FoldScores, ...] = ()
    repeat: int = 0
    logged: Mapping[str, float] = field(default_factory=dict, hash=False)
    objective: Objective = VAL_LOSS

    @property
    def key(self) -> TrialKey:
        """The training that it is of."""
        return self.number, self.repeat

    @property
    def generalization_gap(self) -> float:
        """How much worse the network is on rows that it was not trained on.

        A user's module may log its loss by another name, that of the objective.
        """
        loss = self.val_loss
        if math.isnan(loss) and not self.objective.is_maximized:
            loss = self.logged.get(self.objective.metric, math.nan)
        return loss - self.train_loss_no_dropout

    @property
    def score(self) -> float:
        """The objective's score; NaN where it was not measured."""
        return self.measured.get(self.objective.metric, math.nan)

    @property
    def loss(self) -> float:
        """What the search compares: the score, or its negative where it is maximised."""
        return self.objective.loss(self.score)

    def with_score(self, score: float) -> "EpochScores":
        """The epoch with another score of the objective."""
        metric = self.objective.metric
        is_own = metric in self.__dataclass_fields__
        changes: dict[str, Any] = (
            {metric: score} if is_own else {"logged": {**self.logged, metric: score}}
        )
        return replace(self, **changes)

    @property
    def measured(self) -> dict[str, float]:
        """The scores that are equal each time the trial is trained, by metric name."""
        return (
            {
                "train_loss": self.train_loss,
                "train_accuracy": self.train_accuracy,
                "train_loss_no_dropout": self.train_loss_no_dropout,
                "val_loss": self.val_loss,
                "val_accuracy": self.val_accuracy,
                "generalization_gap": self.generalization_gap,
                "learning_rate": self.learning_rate,
            }
            | {
                f"{name}_fold_{fold}": score
                for fold, scores in enumerate(self.folds, start=1)
                for name, score in scores._asdict().items()
            }
            | {name: score for name, score in self.logged.items() if math.isfinite(score)}
        )

    @property
    def metrics(self) -> dict[str, float]:
        """Everything that MLflow shows of the epoch, by metric name."""
        return self.measured | {"epoch_seconds": self.epoch_seconds}


Curve = tuple[EpochScores, ...]


class SealedScores(NamedTuple):
    """What weights score on rows that neither trained nor chose them; of folds, the means.

    Attributes:
        loss: The measure of ``val_loss``.
        accuracy: ``None`` where the model has none.
        metrics: What a user's module logs there, by its own names.
    """

    loss: float
    accuracy: float | None = None
    metrics: Mapping[str, float] = MappingProxyType({})


def shared_scores(scores: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """The values of each name that all have, in the order of the first.

    >>> shared_scores([{"f1": 0.5, "acc": 0.9}, {"f1": 0.7}])
    {'f1': [0.5, 0.7]}
    """
    first, *others = scores
    names = [name for name in first if all(name in other for other in others)]
    return {name: [one[name] for one in scores] for name in names}


def curve_sha256(curve: Sequence[EpochScores]) -> str:
    """Digest a curve's repeatable scores; equal digests mean equal curves to the bit."""
    text = json.dumps([[scores.epoch, scores.measured] for scores in curve], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
