"""Stopping rules as cut-offs by epoch, frozen when a trial is asked for.

The rules are Optuna's own (``MedianPruner``, ``SuccessiveHalvingPruner`` with the asynchronous
promotion of Li et al. 2020, ``HyperbandPruner``), whose decision at an epoch is a comparison with
a threshold; the tests hold these thresholds against Optuna's pruners. Computed ahead, they travel
with the trial, and no worker has to ask. What is compared is the lowest loss so far, since that is
what a trial is worth in the end (docs/decisions/0003-stopping-rules.md).
"""

import binascii
import math
from collections.abc import Sequence

import numpy as np

from pipeline.config import StudyConfig
from pipeline.search.suggest import Seen
from pipeline.trial import Cutoffs, TrialState

MEDIAN_STARTUP_TRIALS = 5
ASHA_REDUCTION = 4
HYPERBAND_REDUCTION = 3


def cutoffs(study: StudyConfig, number: int, seen: Sequence[Seen]) -> Cutoffs | None:
    """Compute a trial's cut-offs from the outcomes that it may see.

    Args:
        study: Names the rule and the epochs.
        number: The trial's number; Hyperband puts it into a bracket by it.
        seen: The visible trials.
    """
    epochs = study.training.epochs
    match study.search.stopping:
        case "none":
            return None
        case "median":
            limits = tuple(_median(seen, epoch) for epoch in range(1, epochs + 1))
            return Cutoffs(rule="median", limits=limits)
        case "asha":
            limits = _halving(seen, epochs, first_rung=1, reduction=ASHA_REDUCTION)
            return Cutoffs(rule="asha", limits=limits)
        case "hyperband":
            bracket = hyperband_bracket(study.name, number, epochs)
            peers = [
                trial
                for trial in seen
                if hyperband_bracket(study.name, trial.number, epochs) == bracket
            ]
            first_rung = HYPERBAND_REDUCTION**bracket
            limits = _halving(peers, epochs, first_rung=first_rung, reduction=HYPERBAND_REDUCTION)
            return Cutoffs(rule="hyperband", limits=limits)


def _median(seen: Sequence[Seen], epoch: int) -> float:
    """The median of the complete trials' losses at an epoch."""
    complete = [trial for trial in seen if trial.state is TrialState.COMPLETE]
    losses = [trial.lowest[epoch - 1] for trial in complete if len(trial.lowest) >= epoch]
    if len(complete) < MEDIAN_STARTUP_TRIALS or not losses:
        return math.inf
    with np.errstate(invalid="ignore"):
        median = float(np.percentile(losses, 50.0))
    return math.inf if math.isnan(median) else median  # between two infinite losses


def _halving(
    seen: Sequence[Seen], epochs: int, *, first_rung: int, reduction: int
) -> tuple[float, ...]:
    limits = [math.inf] * epochs
    rung = first_rung
    while rung <= epochs:
        reached = [trial.lowest[rung - 1] for trial in seen if len(trial.lowest) >= rung]
        limits[rung - 1] = _promotion_limit(reached, reduction)
        rung *= reduction
    return tuple(limits)


def _promotion_limit(others: Sequence[float], reduction: int) -> float:
    """The largest loss that is still among the best 1 / reduction, the trial itself counted."""
    place = max((len(others) + 1) // reduction - 1, 0)
    return sorted(others)[place] if place < len(others) else math.inf


def hyperband_bracket(study_name: str, number: int, epochs: int) -> int:
    """The bracket that Optuna's ``HyperbandPruner`` puts a trial into: a hash of its name."""
    # Rounded as Optuna rounds it: at 243 epochs it counts one bracket less than the paper.
    n_brackets = math.floor(math.log(epochs, HYPERBAND_REDUCTION)) + 1
    budgets = [
        math.ceil(n_brackets * HYPERBAND_REDUCTION**rest / (rest + 1))
        for rest in reversed(range(n_brackets))
    ]
    place = binascii.crc32(f"{study_name}_{number}".encode()) % sum(budgets)
    for bracket, budget in enumerate(budgets):
        place -= budget
        if place < 0:
            return bracket
    message = "the budgets add up to the modulus"
    raise AssertionError(message)
