"""Successive halving that pauses trials and promotes them later, as its authors describe it."""

from collections.abc import Sequence
from typing import Final

from optuna.samplers import RandomSampler

from benchmarks.search.policies import OptunaPolicy
from pipeline.config import StudyConfig
from pipeline.trial import Assignment, TrialRow

REDUCTION: Final = 3
FIRST_RUNG: Final = 1


class PromotingAsha:
    """Asynchronous successive halving over random settings (https://arxiv.org/abs/1810.05934).

    A trial is paused at every rung. What is trained next is the best paused trial that is among
    the best third of its rung, of the highest rung that has one; else a new setting. Syne Tune had
    it as ``ASHA(type="promotion")``; since its version 0.14 it stops trials for good.

    Args:
        study: The space, the epochs and the seed.
    """

    def __init__(self, study: StudyConfig) -> None:
        self._new = OptunaPolicy(study, RandomSampler(seed=study.search.seed))
        self._rungs = rungs(study.training.most_epochs)
        self._losses: list[dict[int, float]] = [{} for _ in self._rungs]
        self._promoted: list[set[int]] = [set() for _ in self._rungs]
        self._trials: dict[int, Assignment] = {}

    def ask(self) -> Sequence[Assignment]:
        """Promote a trial, or begin one."""
        for level in reversed(range(len(self._rungs) - 1)):
            number = self._promotable(level)
            if number is not None:
                self._promoted[level].add(number)
                return [self._until(number, level + 1)]
        (new,) = self._new.ask()
        self._trials[new.config.number] = new
        return [self._until(new.config.number, 0)]

    def tell(self, trial: TrialRow) -> None:
        """Rank a trial among those that have come as far."""
        level = self._rungs.index(len(trial.scores))
        self._losses[level][trial.number] = trial.lowest_so_far[-1]

    def _promotable(self, level: int) -> int | None:
        losses = self._losses[level]
        best = sorted(losses, key=lambda number: (losses[number], number))
        best = best[: len(losses) // REDUCTION]
        return next((number for number in best if number not in self._promoted[level]), None)

    def _until(self, number: int, level: int) -> Assignment:
        return Assignment(config=self._trials[number].config, epochs=self._rungs[level])


def rungs(epochs: int) -> list[int]:
    """The epochs at which trials are paused; the last one is a whole trial's.

    >>> rungs(51)
    [1, 3, 9, 27, 51]
    """
    found, rung = [], FIRST_RUNG
    while rung < epochs:
        found.append(rung)
        rung *= REDUCTION
    return [*found, epochs]
