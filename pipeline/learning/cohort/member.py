"""A trial while it is trained: its curve, how it ends, and its networks."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import Any, NamedTuple

from safetensors.torch import save
from torch import Tensor
from torch.optim import Optimizer

from pipeline.config import TrialConfig
from pipeline.learning.checkpoints.states import State, curve_of, curve_state
from pipeline.learning.cohort.rows import Scores, SplitTensors
from pipeline.learning.failures import describe_failure
from pipeline.learning.modules.build import build_network
from pipeline.learning.modules.network import Network
from pipeline.trial import Assignment, EpochScores, FoldScores, TrialState


class Progress:
    """Holds a trial's curve, and decides at the end of each epoch whether the trial goes on.

    Args:
        assignment: The trial, its epochs and its stopping rules.

    Attributes:
        state: How it ended, or RUNNING where it pauses; ``None`` while it is trained.
    """

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.curve: list[EpochScores] = []
        self._losses: list[float] = []
        self.state: TrialState | None = None
        self.cause: str | None = None

    @property
    def is_paused(self) -> bool:
        """Whether it pauses, by its curve so far."""
        return self.state is TrialState.RUNNING

    @property
    def has_ended(self) -> bool:
        """Whether it is never trained again."""
        return self.state is not None and not self.is_paused

    def take(self, scores: EpochScores) -> bool:
        """Add an epoch's scores and decide what follows.

        Returns:
            Whether the weights are to be retained: those of the best score so far or, in
            a refit, of the last epoch.
        """
        lowest = min(self._losses, default=math.inf)
        self.curve.append(scores)
        self._losses.append(scores.loss)
        self._decide(scores)
        if self.assignment.is_refit:
            return self.state is TrialState.COMPLETE
        return scores.loss < lowest

    def _decide(self, scores: EpochScores) -> None:
        losses, objective = self._losses, self.assignment.config.objective
        cutoffs, patience = self.assignment.cutoffs, self.assignment.patience
        deciding = {"train_loss": scores.train_loss}
        if not self.assignment.is_refit:
            deciding[objective.metric] = scores.score
        if not all(map(math.isfinite, deciding.values())):
            said = ", ".join(f"{name} {score}" for name, score in deciding.items())
            self.fail(f"diverged: {said} at epoch {scores.epoch}")
        elif len(losses) == self.assignment.epochs:
            self.state = TrialState.COMPLETE
        elif cutoffs is not None and (verdict := cutoffs.verdict(losses, objective)):
            self.state, self.cause = TrialState.PRUNED, verdict
        elif patience is not None and len(losses) - 1 - losses.index(min(losses)) >= patience:
            self.state = TrialState.COMPLETE
        elif len(losses) == self.assignment.pause_at:
            self.state = TrialState.RUNNING

    def forget(self) -> None:
        """Begin anew, with an empty curve."""
        self.curve.clear()
        self._losses.clear()
        self.state = self.cause = None

    @contextmanager
    def failing_alone(self) -> Iterator[None]:
        """On an exception, fail this trial and no other of its cohort."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - any fault of a trial is recorded as its cause
            self.fail(describe_failure(error))

    def fail(self, cause: str) -> None:
        """End the trial with a cause."""
        self.state, self.cause = TrialState.FAIL, cause


class SplitScores(NamedTuple):
    """A network's scores of one epoch; NaN where something is not measured."""

    train: Scores
    no_dropout: Scores
    validation: Scores


class Member(Progress):
    """A trial of a cohort, with one network or, in a study with folds, one for each.

    Args:
        assignment: The trial, its epochs and its stopping rules.
        n_folds: 0 where the study has none.

    Attributes:
        networks: By fold.
        optimizers: By fold.
        scores: Of the last epoch, by fold.
        stack_index: Its index in the stack that it is trained in, and the stack's size.
        alone_because: Why it is not fused with others; ``None`` where it may be.
        best_weights: Of the best epoch.
        is_checkpointed: Whether its last checkpoint says how it ended, or where it pauses.
    """

    def __init__(self, assignment: Assignment, *, n_folds: int = 0) -> None:
        super().__init__(assignment)
        self.folds = range(1, n_folds + 1) if n_folds else range(1)
        self.networks: list[Network] = []
        self.optimizers: list[Optimizer] = []
        self.scores: dict[int, SplitScores] = {}
        self.stack_index, self.stack_size = 0, 1
        self.alone_because: str | None = None
        self.best_weights: dict[str, Tensor] | None = None
        self.is_checkpointed = False
        self._restored: Sequence[Mapping[str, Any]] = ()

    @property
    def config(self) -> TrialConfig:
        """The trial's setting."""
        return self.assignment.config

    @property
    def n_parameters(self) -> int:
        """Weights of one network; 0 where none could be built."""
        return sum(weight.numel() for one in self.networks[:1] for weight in one.parameters())

    def build(self, splits: Sequence[SplitTensors]) -> None:
        """Build the networks, on the CPU; Lightning moves them."""
        for fold, split in zip(self.folds, splits, strict=True):
            network = build_network(
                self.config,
                image_shape=split.image_shape,
                labels=split.labels,
                fold=fold,
            )
            self.networks.append(network)

    def make_optimizers(self) -> list[Optimizer]:
        """Make the optimizers, once the weights are on the device, and restore their state."""
        self.optimizers = [network.make_optimizer() for network in self.networks]
        pairs = zip(self.networks, self.optimizers, self._restored, strict=False)
        for network, optimizer, state in pairs:
            network.load_state_dict(state["network"])
            optimizer.load_state_dict(state["optimizer"])
        self._restored = ()
        return self.optimizers

    def begin_epoch(self) -> None:
        """Set the learning rate of the next epoch."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self._learning_rate()

    def end_epoch(self, seconds: float) -> EpochScores:
        """Add the epoch's scores to the curve, and retain the weights if they are the best.

        Args:
            seconds: How long the epoch took.
        """
        scores = self._epoch_scores(seconds)
        if self.take(scores):
            self.best_weights = self._weights()
        return scores

    def _learning_rate(self) -> float:
        return self.networks[0].optimization.learning_rate_at(1 + len(self.curve))

    def _weights(self) -> dict[str, Tensor]:
        """Copy the weights as they are; those of a fold are named ``fold_1.…``."""
        return {
            (f"fold_{fold}." if fold else "") + name: value.detach().cpu().clone()
            for fold, network in zip(self.folds, self.networks, strict=True)
            for name, value in network.state_dict().items()
        }

    def _epoch_scores(self, seconds: float) -> EpochScores:
        measured = [self.scores[index] for index in range(len(self.folds))]
        train, no_dropout, validation = (
            _mean([one[split] for one in measured]) for split in range(len(SplitScores._fields))
        )
        folds = [
            FoldScores(one.train.loss, one.no_dropout.loss, *one.validation[:2]) for one in measured
        ]
        return EpochScores(
            number=self.config.number,
            epoch=len(self.curve) + 1,
            ended_at_ms=time.time_ns() // 1_000_000,
            train_loss=train.loss,
            train_accuracy=train.accuracy,
            train_loss_no_dropout=no_dropout.loss,
            val_loss=validation.loss,
            val_accuracy=validation.accuracy,
            learning_rate=self._learning_rate(),
            epoch_seconds=seconds,
            folds=tuple(folds) if len(folds) > 1 else (),
            repeat=self.config.repeat,
            objective=self.config.objective,
            logged={f"val_{name}": score for name, score in validation.of_targets.items()},
        )

    def state_dict(self) -> State:
        """All that is needed to go on from here; of a trial that has ended, how it did."""
        states = zip(self.networks, self.optimizers, strict=True)
        return {
            "curve": curve_state(self.curve),
            "weights": self.best_weights,
            "stack": (self.stack_index, self.stack_size, self.alone_because),
            "networks": [
                {"network": dict(network.state_dict()), "optimizer": optimizer.state_dict()}
                for network, optimizer in (() if self.has_ended else states)
            ],
        }

    def load_state_dict(self, state: State) -> None:
        """Go on from where ``state_dict`` was called, the verdict of its curve included."""
        for scores in curve_of(state["curve"], self.config.objective):
            self.take(scores)
        self.best_weights = state["weights"]
        self.is_checkpointed = self.state is not None
        self.stack_index, self.stack_size, self.alone_because = state["stack"]
        self._restored = state["networks"]

    def weights_file(self) -> bytes | None:
        """The best epoch's weights as a safetensors file."""
        return None if self.best_weights is None else save(self.best_weights)


def _mean(scores: Sequence[Scores]) -> Scores:
    return Scores(*map(fmean, zip(*scores, strict=True)))
