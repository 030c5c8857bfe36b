"""A member of a cohort: one trial's network, optimizer and curve while it is trained."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from safetensors.torch import save
from torch import Tensor
from torch.optim import Optimizer

from pipeline.learning.failures import describe_failure
from pipeline.learning.mlp import MLP, make_optimizer
from pipeline.learning.scores import Scores
from pipeline.trial import Assignment, EpochScores, TrialState


class Member:
    """Holds what is one trial's own, and decides at each epoch's end whether it goes on.

    Args:
        assignment: The trial, its epochs and its stopping rules.

    Attributes:
        state: How it ended; ``None`` while it is trained.
        place: Its place among those that it is trained as one with, ``n_companions`` in all.
        alone_because: Why it is not fused with others; ``None`` where it may be.
        is_torn: Whether it failed with others and nobody knows whose fault it was.
    """

    network: MLP
    optimizer: Optimizer

    def __init__(self, assignment: Assignment) -> None:
        """Start before the first step; ``build`` comes next."""
        self.assignment = assignment
        self.n_parameters = 0
        self.curve: list[EpochScores] = []
        self.state: TrialState | None = None
        self.cause: str | None = None
        self.weights: dict[str, Tensor] | None = None
        self.place, self.n_companions = 0, 1
        self.alone_because: str | None = None
        self.is_torn = False

    def build(self, *, n_inputs: int, n_classes: int) -> MLP:
        """Build the network, on the CPU; Lightning moves it."""
        self.network = MLP(self.assignment.config, n_inputs=n_inputs, n_classes=n_classes)
        self.n_parameters = sum(value.numel() for value in self.network.parameters())
        return self.network

    def begin(self) -> Optimizer:
        """Make the optimizer, once the weights are where they will be trained."""
        config = self.assignment.config
        self.optimizer = make_optimizer(config, list(self.network.parameters()))
        return self.optimizer

    def take(
        self, train: Scores, validation: Scores, train_loss_no_dropout: float, seconds: float
    ) -> EpochScores:
        """Take an epoch's scores, keep the weights if they are the best, and decide what follows.

        Args:
            train: Loss and accuracy over the epoch's batches, dropout on.
            validation: Loss and accuracy after the epoch, dropout off.
            train_loss_no_dropout: Loss on the probe, dropout off.
            seconds: How long the epoch took.
        """
        scores = EpochScores(
            number=self.assignment.config.number,
            epoch=len(self.curve) + 1,
            ended_at_ms=time.time_ns() // 1_000_000,
            train_loss=train[0],
            train_accuracy=train[1],
            train_loss_no_dropout=train_loss_no_dropout,
            val_loss=validation[0],
            val_accuracy=validation[1],
            learning_rate=self.assignment.config.learning_rate,
            epoch_seconds=seconds,
        )
        lowest = min((past.val_loss for past in self.curve), default=math.inf)
        self.curve.append(scores)
        if scores.val_loss < lowest:
            self.weights = {
                name: value.detach().cpu().clone()
                for name, value in self.network.state_dict().items()
            }
        self._decide(scores)
        return scores

    def _decide(self, scores: EpochScores) -> None:
        losses = [past.val_loss for past in self.curve]
        cutoffs, patience = self.assignment.cutoffs, self.assignment.patience
        if not (math.isfinite(scores.val_loss) and math.isfinite(scores.train_loss)):
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

    def weights_file(self) -> bytes | None:
        """The best epoch's weights as a safetensors file."""
        return None if self.weights is None else save(self.weights)
