"""The gate inside a block: after its first epochs a trial pauses, and the better ones go on.

A trial is compared with all trials up to it, by the best score that each had at the gate's epoch,
those that were stopped there included. Nothing is compared with a later trial, not even of its own
block: so the decision is one of numbers alone, and more trials change no row that is there.
"""

import math
from bisect import insort
from collections.abc import Sequence

from pipeline.config import StudyConfig
from pipeline.trial import Cutoffs, TrialRow, TrialState

RULE = "halving"


class Gate:
    """Decides which trials go on beyond an epoch: successive halving with one rung.

    Args:
        epoch: After so many epochs trials pause.
        reduction: One trial in so many goes on.
    """

    def __init__(self, *, epoch: int, reduction: int) -> None:
        self.epoch = epoch
        self._reduction = reduction
        self._losses: list[float] = []

    @classmethod
    def of(cls, study: StudyConfig) -> "Gate | None":
        """The gate of a study; ``None`` where its trials do not pause."""
        search = study.search
        if search.stopping != RULE or search.first_rung is None or search.reduction is None:
            return None
        return cls(epoch=search.first_rung, reduction=search.reduction)

    def judge(self, trials: Sequence[TrialRow]) -> dict[int, str]:
        """Decide about the trials of a block; each block's are judged once, in order.

        A trial that has ended is not stopped, and one that has gone on beyond the gate in an
        earlier run goes on.

        Args:
            trials: By number; those that have paused are RUNNING.

        Returns:
            Why a trial is stopped, by its number; the others go on.
        """
        found = {trial.number: self._judge(trial) for trial in trials}
        return {number: cause for number, cause in found.items() if cause is not None}

    def _judge(self, trial: TrialRow) -> str | None:
        loss = self._loss_of(trial)
        if loss is None:
            return None
        insort(self._losses, loss)
        is_here = trial.state is TrialState.RUNNING and len(trial.scores) == self.epoch
        return self._cutoffs().verdict(trial.losses, trial.objective) if is_here else None

    def _loss_of(self, trial: TrialRow) -> float | None:
        """The lowest loss up to the gate; ``None`` where a trial failed before it."""
        losses = trial.losses[: self.epoch]
        is_there = trial.state is TrialState.COMPLETE or len(losses) == self.epoch
        return min(losses) if is_there and all(map(math.isfinite, losses)) else None

    def _cutoffs(self) -> Cutoffs:
        """The largest loss that is among the best 1 / reduction so far; at least one is."""
        n_best = math.ceil(len(self._losses) / self._reduction)
        before = (math.inf,) * (self.epoch - 1)
        return Cutoffs(rule=RULE, limits=(*before, self._losses[n_best - 1]))
