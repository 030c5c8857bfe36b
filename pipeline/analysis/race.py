"""Which candidates go on to further seeds: those that have lost are dropped on the way.

The tests are paired: candidates are trained on the same seeds, so what a seed does to all of them
cancels out. How often they are wrong is measured in
docs/decisions/0034-who-wins-and-by-how-much.md.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean
from typing import Final

from pipeline.analysis.candidates import Candidate, Dropped, Repeat
from pipeline.analysis.intervals import quantile, variance
from pipeline.config import VAL_LOSS, Objective, ShownNumber

EARLY_ERROR: Final = 0.02
"""The truly best candidate is dropped on the way in at most so many of all confirmations."""
LAST_ERROR: Final = 0.03
"""And told from the winner at the end in at most so many."""
FIRST_LOOK: Final = 3
"""Nobody is dropped before so many seeds."""
GROWTH: Final = 1.5
"""After so many times as many seeds the candidates are looked at again."""

Train = Callable[[Sequence[ShownNumber], range], Mapping[ShownNumber, Sequence[Repeat]]]
"""Trains the named candidates on these repeats."""


def race(
    candidates: Sequence[Candidate],
    train: Train,
    *,
    n_seeds: int,
    objective: Objective = VAL_LOSS,
) -> list[Candidate]:
    """Train candidates on new seeds; those that cannot win any more get no further ones.

    After 3, 5, 8, 12 … seeds a candidate is dropped that is worse than the best one beyond doubt
    (``beaten``), or of which a repeat failed. The baseline goes on unless it failed.

    Args:
        candidates: Without repeats.
        train: Called once for each part of the race.
        n_seeds: How many seeds the winner is trained on.
        objective: Says which mean is the best.

    Returns:
        The candidates with their repeats, in the order given.
    """
    looks = early_looks(n_seeds)
    for before, after in pairwise((0, *looks, n_seeds)):
        racing = [one.number for one in candidates if one.is_in_race]
        found = train(racing, range(before + 1, after + 1)) if racing else {}
        candidates = [
            replace(one, repeats=(*one.repeats, *found.get(one.number, ()))) for one in candidates
        ]
        if after < n_seeds:
            candidates = _drop(candidates, EARLY_ERROR / len(looks), objective)
    return list(candidates)


def early_looks(n_seeds: int) -> tuple[int, ...]:
    """After how many seeds candidates may be dropped.

    >>> early_looks(20)
    (3, 5, 8, 12, 18)
    """
    looks, after = [], FIRST_LOOK
    while after < n_seeds:
        looks.append(after)
        after = math.ceil(after * GROWTH)
    return tuple(looks)


def _drop(candidates: Sequence[Candidate], error: float, objective: Objective) -> list[Candidate]:
    lost = beaten(candidates, error=error, objective=objective)
    return [
        one if one.is_baseline else replace(one, dropped=one.dropped or lost.get(one.number))
        for one in candidates
    ]


def beaten(
    candidates: Sequence[Candidate], *, error: float, objective: Objective = VAL_LOSS
) -> dict[ShownNumber, Dropped]:
    """Find candidates that are worse than the one of the best mean, beyond doubt.

    Each is compared with that one by a one-sided paired t test. The error is shared by all
    comparisons that may be made (Bonferroni), so whichever is truly the best is beaten with at most
    this probability, however many are equal to it. Of few seeds a variance may be small by chance:
    that of a pair counts as no less than the one pooled over all pairs, with the degrees of freedom
    of two pairs.

    Args:
        candidates: All of them; those that can still win are compared, on the same seeds.
        error: The probability.
        objective: Says which mean is the best.
    """
    losses = {
        one.number: [objective.loss(value) for value in one.values]
        for one in candidates
        if one.is_in_race
    }
    n_seeds = min(map(len, losses.values()), default=0)
    if n_seeds < 2 or len(losses) < 2:  # noqa: PLR2004 - one value has no spread
        return {}
    best = min(losses, key=lambda number: fmean(losses[number]))
    pooled = _pooled_variance(list(losses.values()))
    degrees = min(len(losses) - 1, 2) * (n_seeds - 1)
    least = quantile(degrees, 1 - error / (len(candidates) - 1)) / math.sqrt(n_seeds)
    found = {}
    for number, own in losses.items():
        above = [a - b for a, b in zip(own, losses[best], strict=True)]
        difference = fmean(above)
        if difference > least * math.sqrt(max(variance(above), pooled)):
            found[number] = Dropped(after=n_seeds, by=best, difference=difference)
    return found


def _pooled_variance(losses: Sequence[Sequence[float]]) -> float:
    """The variance of a difference of two candidates on a seed, pooled over all pairs.

    Twice the residual variance of losses [candidates, seeds] once the means of candidates and of
    seeds are taken out: with two candidates it is that of their differences.
    """
    of_seeds = [fmean(column) for column in zip(*losses, strict=True)]
    centred = [[a - b for a, b in zip(row, of_seeds, strict=True)] for row in losses]
    return 2 * fmean(map(variance, centred)) * len(losses) / (len(losses) - 1)
