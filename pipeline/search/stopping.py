"""Stopping rules as cut-offs by epoch, frozen when a trial is suggested.

The rules are Optuna's own: ``MedianPruner``, ``SuccessiveHalvingPruner`` with asynchronous
promotion (https://arxiv.org/abs/1810.05934) and ``HyperbandPruner``
(https://arxiv.org/abs/1603.06560). Their decision at an epoch is a comparison with a threshold;
the tests compare these thresholds with Optuna's pruners. Computed ahead, they travel with the
trial, and no worker has to ask. What is compared is the lowest loss so far, since that is what a
trial is worth in the end (docs/decisions/0003-stopping-rules.md).
"""

import binascii
import math
from bisect import insort
from collections.abc import Sequence

import numpy as np

from pipeline.config import StudyConfig
from pipeline.trial import Cutoffs, TrialRow, TrialState

MEDIAN_STARTUP_TRIALS = 5
ASHA_REDUCTION = 4
HYPERBAND_REDUCTION = 3

LossesByEpoch = list[list[float]]
"""Of the trials that are compared with, the lowest losses so far: entry *e* - 1 is sorted."""


class StoppingRule:
    """The study's stopping rule and the outcomes that it may see.

    Losses are kept sorted, so that neither an outcome nor a trial costs more than the one before.

    Args:
        study: Names the rule and the epochs.
    """

    def __init__(self, study: StudyConfig) -> None:
        self._study = study
        self._epochs = study.training.epochs
        self._losses: dict[int, LossesByEpoch] = {}
        self._cutoffs: dict[int, Cutoffs | None] = {}

    def tell(self, trial: TrialRow) -> None:
        """Make a trial's outcome visible to all later trials."""
        rule = self._study.search.stopping
        if rule == "none" or (rule == "median" and trial.state is not TrialState.COMPLETE):
            return
        bracket = self._bracket(trial.number)
        for losses, loss in zip(self._losses_in(bracket), trial.lowest_so_far, strict=False):
            insort(losses, loss)
        self._cutoffs.pop(bracket, None)

    def cutoffs(self, number: int) -> Cutoffs | None:
        """Give a trial its cut-offs; Hyperband puts it into a bracket by its number."""
        bracket = self._bracket(number)
        if bracket not in self._cutoffs:
            self._cutoffs[bracket] = self._compute(bracket)
        return self._cutoffs[bracket]

    def _bracket(self, number: int) -> int:
        if self._study.search.stopping != "hyperband":
            return 0
        return hyperband_bracket(self._study.name, number, self._epochs)

    def _losses_in(self, bracket: int) -> LossesByEpoch:
        return self._losses.setdefault(bracket, [[] for _ in range(self._epochs)])

    def _compute(self, bracket: int) -> Cutoffs | None:
        losses = self._losses_in(bracket)
        match self._study.search.stopping:
            case "none":
                return None
            case "median":
                limits = _medians(losses)
            case "asha":
                limits = _halving(losses, first_rung=1, reduction=ASHA_REDUCTION)
            case "hyperband":
                first_rung = HYPERBAND_REDUCTION**bracket
                limits = _halving(losses, first_rung=first_rung, reduction=HYPERBAND_REDUCTION)
        return Cutoffs(rule=self._study.search.stopping, limits=limits)


def _medians(losses: LossesByEpoch) -> tuple[float, ...]:
    """The median of the complete trials' losses at each epoch."""
    if len(losses[0]) < MEDIAN_STARTUP_TRIALS:
        return (math.inf,) * len(losses)
    return tuple(map(_median, losses))


def _median(losses: Sequence[float]) -> float:
    if not losses:
        return math.inf
    half, odd = divmod(len(losses), 2)
    middle = losses[max(half - 1, 0) : half + 1 + odd]
    with np.errstate(invalid="ignore"):
        median = float(np.percentile(middle, 50.0))
    return math.inf if math.isnan(median) else median  # between two infinite losses


def _halving(losses: LossesByEpoch, *, first_rung: int, reduction: int) -> tuple[float, ...]:
    limits = [math.inf] * len(losses)
    rung = first_rung
    while rung <= len(losses):
        limits[rung - 1] = _promotion_limit(losses[rung - 1], reduction)
        rung *= reduction
    return tuple(limits)


def _promotion_limit(others: Sequence[float], reduction: int) -> float:
    """The largest loss that is still among the best 1 / reduction, the trial itself counted."""
    rank = max((len(others) + 1) // reduction - 1, 0)
    return others[rank] if rank < len(others) else math.inf


def hyperband_bracket(study_name: str, number: int, epochs: int) -> int:
    """The bracket that Optuna's ``HyperbandPruner`` puts a trial into: a hash of its name."""
    # Rounded as Optuna rounds it: at 243 epochs it counts one bracket less than the paper.
    n_brackets = math.floor(math.log(epochs, HYPERBAND_REDUCTION)) + 1
    budgets = [
        math.ceil(n_brackets * HYPERBAND_REDUCTION**rest / (rest + 1))
        for rest in reversed(range(n_brackets))
    ]
    slot = binascii.crc32(f"{study_name}_{number}".encode()) % sum(budgets)
    for bracket, budget in enumerate(budgets):
        slot -= budget
        if slot < 0:
            return bracket
    message = "the budgets add up to the modulus"
    raise AssertionError(message)
