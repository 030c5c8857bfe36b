"""A member of a cohort: one trial while it is trained."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from safetensors.torch import save
from torch import Tensor
from torch.optim import Optimizer

from pipeline.config import TrialConfig, derive_seed
from pipeline.learning.checkpoints.keeper import State, curve_of, curve_state
from pipeline.learning.cohort.rows import Scores, SplitTensors
from pipeline.learning.failures import describe_failure
from pipeline.learning.modules.build import Network, Seeds, build_network
from pipeline.learning.modules.network import learning_rate_at, make_optimizer
from pipeline.trial import Assignment, EpochScores, FoldScores, TrialState


class Progress:
    """Holds a trial's curve, and decides at each epoch's end whether the trial goes on.

    Args:
        assignment: The trial, its epochs and its stopping rules.

    Attributes:
        state: How it ended; ``None`` while it is trained.
    """

    def __init__(self, assignment: Assignment) -> None:
        """Start before the first epoch."""
        self.assignment = assignment
        self.curve: list[EpochScores] = []
        self.state: TrialState | None = None
        self.cause: str | None = None

    def take(self, scores: EpochScores) -> bool:
        """Take an epoch's scores and decide what follows.

        Returns:
            Whether the weights are to be kept: the lowest ``val_loss`` so far or, where the trial
            is a refit, its last epoch.
        """
        lowest = min((past.val_loss for past in self.curve), default=math.inf)
        self.curve.append(scores)
        self._decide(scores)
        if self.assignment.is_refit:
            return self.state is TrialState.COMPLETE
        return scores.val_loss < lowest

    def _decide(self, scores: EpochScores) -> None:
        losses = [past.val_loss for past in self.curve]
        cutoffs, patience = self.assignment.cutoffs, self.assignment.patience
        deciding = [scores.train_loss] + ([] if self.assignment.is_refit else [scores.val_loss])
        if not all(math.isfinite(loss) for loss in deciding):
            self.fail(
                f"diverged: train_loss {scores.train_loss}, val_loss {scores.val_loss} "
                f"at epoch {scores.epoch}"
            )
        elif len(losses) == self.assignment.epochs:
            self.state = TrialState.COMPLETE
        elif cutoffs is not None and (verdict := cutoffs.verdict(losses)):
            self.state, self.cause = TrialState.PRUNED, verdict
        elif patience is not None and len(losses) - 1 - losses.index(min(losses)) >= patience:
            self.state = TrialState.COMPLETE

    @contextmanager
    def failing_alone(self) -> Iterator[None]:
        """End this trial, and no other of its cohort, where what is done for it raises."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - any fault of a trial is recorded as its cause
            self.fail(describe_failure(error))

    def fail(self, cause: str) -> None:
        """End the trial with a cause."""
        self.state, self.cause = TrialState.FAIL, cause


@dataclass(frozen=True)
class Measures:
    """What an epoch came to: losses and accuracies, NaN where something is not measured."""

    train: Scores
    no_dropout: Scores
    validation: Scores


class Learner:
    """What is trained on the rows of one fold, or of the study where it has no folds.

    Args:
        member: The trial that it belongs to.
        fold: Counted from 1; 0 where the study has no folds.

    Attributes:
        place: Its place among those that it is trained as one with, ``n_companions`` in all.
        alone_because: Why it is not fused with others; ``None`` where it may be.
        measures: Of the last epoch.
    """

    network: Network
    optimizer: Optimizer
    measures: Measures

    def __init__(self, member: "Member", fold: int) -> None:
        """Start before the first step; ``build`` comes next."""
        self.member = member
        self.fold = fold
        self.place, self.n_companions = 0, 1
        self.alone_because: str | None = None
        self._kept: Mapping[str, Any] | None = None

    @property
    def config(self) -> TrialConfig:
        """The trial's setting."""
        return self.member.assignment.config

    def build(self, parts: SplitTensors) -> Network:
        """Build the network, on the CPU; Lightning moves it."""
        self.network = build_network(
            self.config,
            image_shape=parts.image_shape,
            n_classes=parts.n_classes,
            seeds=seeds_of(self.config, self.fold),
        )
        return self.network

    def begin(self) -> Optimizer:
        """Make the optimizer, once the weights are where they will be trained."""
        self.optimizer = make_optimizer(self.config, list(self.network.parameters()))
        if self._kept is not None:
            self.network.load_state_dict(self._kept["network"])
            self.optimizer.load_state_dict(self._kept["optimizer"])
            self._kept = None
        return self.optimizer

    def state(self) -> dict[str, Any]:
        """All that its next step depends on, beside the number of that step."""
        weights = dict(self.network.state_dict())
        return {"network": weights, "optimizer": self.optimizer.state_dict()}

    def take_up(self, state: Mapping[str, Any]) -> None:
        """Go on from a state: ``begin`` will put it in place."""
        self._kept = state

    def begin_epoch(self, epoch: int) -> None:
        """Set the learning rate of an epoch, counted from 1."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(self.config, epoch)

    def weights(self) -> Mapping[str, Tensor]:
        """Copy the weights as they are; those of a fold are named ``fold_1.…``."""
        prefix = f"fold_{self.fold}." if self.fold else ""
        return {
            f"{prefix}{name}": value.detach().cpu().clone()
            for name, value in self.network.state_dict().items()
        }


def seeds_of(config: TrialConfig, fold: int) -> Seeds:
    """The seeds of a trial's network on one fold; 0: the trial's own."""
    if not fold:
        return config.seeds
    own = ("initialisation", "dropout")
    return {name: derive_seed(config.seeds[name], "fold", fold) for name in own}


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
