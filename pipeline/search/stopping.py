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
from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.config import StudyConfig
from pipeline.trial import Cutoffs, TrialRow, TrialState

MEDIAN_STARTUP_TRIALS = 5
FIRST_RUNG = 1
REDUCTIONS: Mapping[str, int] = {"asha": 4, "hyperband": 3}
"""Where a study file does not say: those of Optuna's pruners."""

WITHOUT_CUTOFFS = ("none", "halving")
"""Rules by which no trial ends while it is trained."""

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
        self._epochs = study.training.most_epochs
        self._name = study.search.stopping
        self._first_rung = study.search.first_rung or FIRST_RUNG
        self._reduction = study.search.reduction or REDUCTIONS.get(self._name, 1)
        self._losses: dict[int, LossesByEpoch] = {}
        self._cutoffs: dict[int, Cutoffs | None] = {}

    def tell(self, trial: TrialRow) -> None:
        """Make a trial's outcome visible to all later trials."""
        if self._name in WITHOUT_CUTOFFS:
            return
        if self._name == "median" and trial.state is not TrialState.COMPLETE:
            return
        bracket = self._bracket(trial.number)
        for losses, loss in zip(self._losses_in(bracket), trial.lowest_so_far, strict=False):
            insort(losses, loss)
        self._cutoffs.pop(bracket, None)

    def cutoffs(self, number: int) -> Cutoffs | None:
        """Give a trial its cut-offs; Hyperband puts it into a bracket by its number."""
        if self._name in WITHOUT_CUTOFFS:
            return None
        bracket = self._bracket(number)
        if bracket not in self._cutoffs:
            limits = self._limits(bracket)
            self._cutoffs[bracket] = Cutoffs(rule=self._name, limits=limits)
        return self._cutoffs[bracket]

    def _bracket(self, number: int) -> int:
        if self._name != "hyperband":
            return 0
        return hyperband_bracket(
            self._study.name,
            number,
            self._epochs,
            first_rung=self._first_rung,
            reduction=self._reduction,
        )

    def _losses_in(self, bracket: int) -> LossesByEpoch:
        return self._losses.setdefault(bracket, [[] for _ in range(self._epochs)])

    def _limits(self, bracket: int) -> tuple[float, ...]:
        """The limits of a bracket; only Hyperband has more than one."""
        losses = self._losses_in(bracket)
        if self._name == "median":
            return _medians(losses, first_rung=self._first_rung)
        first_rung = self._first_rung * self._reduction**bracket
        return _halving(losses, first_rung=first_rung, reduction=self._reduction)


def _medians(losses: LossesByEpoch, *, first_rung: int) -> tuple[float, ...]:
    """The median of the complete trials' losses at each epoch from the first rung on."""
    if len(losses[0]) < MEDIAN_STARTUP_TRIALS:
        return (math.inf,) * len(losses)
    return (math.inf,) * (first_rung - 1) + tuple(map(_median, losses[first_rung - 1 :]))


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


def hyperband_bracket(
    study_name: str, number: int, epochs: int, *, first_rung: int = 1, reduction: int = 3
) -> int:
    """The bracket that Optuna's ``HyperbandPruner`` puts a trial into: a hash of its name.

    Args:
        study_name: The study's name.
        number: The trial's number.
        epochs: The most epochs of a trial.
        first_rung: The fewest epochs of a trial.
        reduction: One trial in so many goes on.
    """
    # Rounded as Optuna rounds it: at 243 epochs it counts one bracket less than the paper.
    n_brackets = math.floor(math.log(epochs / first_rung, reduction)) + 1
    budgets = [
        math.ceil(n_brackets * reduction**rest / (rest + 1)) for rest in reversed(range(n_brackets))
    ]
    slot = binascii.crc32(f"{study_name}_{number}".encode()) % sum(budgets)
    for bracket, budget in enumerate(budgets):
        slot -= budget
        if slot < 0:
            return bracket
    message = "the budgets add up to the modulus"
    raise AssertionError(message)
