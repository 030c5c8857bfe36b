"""Forecast what a trial would come to from the first part of its curve."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.search.sampling.surrogate import Vector

LEAST_CURVES: Final = 4
"""Complete trials that a line is fitted to; with fewer the shift alone is known."""

LEAST_LOSS: Final = 1e-12
"""A loss of 0 or below, where all complete trials have more, has no logarithm."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The lowest loss at an epoch against the lowest at the end: a straight line.

    On logarithms where all losses are above 0: a loss that is twice another at the fifth epoch is
    less than twice as large at the end. On 384 settings of the demo's space (`benchmarks.search`)
    the error of the line is a third of that of a common factor.

    Attributes:
        slope: In [0, 1]: curves come closer to each other, and do not cross in the mean.
        doubt: Standard deviation around the line.
        is_log: Whether the line is one of logarithms.
    """

    slope: float
    intercept: float
    doubt: float
    is_log: bool

    def at(self, loss: float) -> tuple[float, float]:
        """Forecast the value of a trial that has this lowest loss, with its standard deviation."""
        if not self.is_log:
            return self.intercept + self.slope * loss, self.doubt
        value = math.exp(self.intercept + self.slope * math.log(max(loss, LEAST_LOSS)))
        return value, value * self.doubt


def forecast(curves: Sequence[Sequence[float]], epoch: int) -> Forecast:
    """Learn from complete trials how the loss at an epoch tells the value.

    Args:
        curves: Of each complete trial the lowest loss so far, by epoch.
        epoch: From 1. A trial that ended before counts with its last epoch.
    """
    if not curves:
        return Forecast(slope=1.0, intercept=0.0, doubt=0.0, is_log=False)
    pairs = np.array([(curve[min(epoch, len(curve)) - 1], curve[-1]) for curve in curves])
    is_log = bool((pairs > 0).all())
    early, late = (np.log(pairs) if is_log else pairs).T
    slope = _slope(early, late) if len(early) >= LEAST_CURVES else 1.0
    left = late - slope * early
    return Forecast(
        slope=slope, intercept=float(left.mean()), doubt=float(left.std()), is_log=is_log
    )


def _slope(early: Vector, late: Vector) -> float:
    """Of the line of least squares, kept between 0 and 1."""
    spread = float(((early - early.mean()) ** 2).mean())
    if spread == 0.0:
        return 1.0
    shared = float(((early - early.mean()) * (late - late.mean())).mean())
    return min(max(shared / spread, 0.0), 1.0)
