"""How far a trial has come: its curve, and whether it goes on."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.learning.failures import describe_failure
from pipeline.trial import Assignment, EpochScores, TrialState


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
