"""Means over seeds with their 95 % intervals, also that of a mean that was chosen for being low."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from pipeline.config import VAL_LOSS, Objective

CONFIDENCE: Final = 0.95
TAIL: Final = (1 - CONFIDENCE) / 2
"""A mean is beyond either bound of its interval with this probability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean with the bounds of its 95 % interval.

    Attributes:
        mean: ``None`` where a value is missing or not finite.
        low: ``None`` where fewer than two values leave the spread unknown.
        high: As ``low``.
    """

    mean: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """``0.1858 [0.1790, 0.1926]``, as far as it is known."""
        if self.mean is None:
            return ""
        bounds = "" if self.low is None else f" [{self.low:.4f}, {self.high:.4f}]"
        return f"{self.mean:.4f}{bounds}"

    def __neg__(self) -> "Interval":
        """The interval of the negative."""
        low, high = (None if bound is None else -bound for bound in (self.high, self.low))
        return Interval(mean=None if self.mean is None else -self.mean, low=low, high=high)

    def __sub__(self, value: float) -> "Interval":
        """The interval of the mean's distance to a number that is known."""
        parts = (None if one is None else one - value for one in (self.mean, self.low, self.high))
        return Interval(**dict(zip(("mean", "low", "high"), parts, strict=True)))

    @property
    def contains_zero(self) -> bool:
        """Whether the mean may be 0; of an unknown spread everything may be."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high

    def as_json(self) -> dict[str, float | None]:
        """The interval as the command line's JSON holds it."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


def interval(values: Sequence[float]) -> Interval:
    """Estimate a mean by Student's t.

    The bounds are m ∓ t·s/√n, where m is the mean and s the standard deviation of the n values,
    and t the 0.975 quantile of Student's distribution with n - 1 degrees of freedom (Student,
    "The Probable Error of a Mean", Biometrika 6, 1908).

    >>> interval([1.0])
    Interval(mean=1.0, low=None, high=None)

    Args:
        values: Independent of one another.
    """
    return _interval(values)


def interval_of_best(
    values: Sequence[float], n_rivals: int, objective: Objective = VAL_LOSS
) -> Interval:
    """Estimate a mean that was chosen for being the best of several, by the same values.

    The lowest of k means lies below its own expectation by chance, and hardly ever above. So the
    bound on the worse side is that of an error of 0.05 / k, and the other one stays: of k equals
    the interval covers 95 %, and more where they are not equal (after Benjamini, Hechtlinger and
    Stark, "Confidence intervals for selected parameters", 2019). It is ``interval`` up to k = 2.

    Args:
        values: Of the chosen one, or its differences to another one, by seeds.
        n_rivals: How many may have been chosen by chance, the chosen one included.
        objective: Which side is the worse one.
    """
    worse = (1 - CONFIDENCE) / max(n_rivals, 2)
    below, above = (worse, TAIL) if objective.is_maximized else (TAIL, worse)
    return _interval(values, below, above)


def _interval(values: Sequence[float], below: float = TAIL, above: float = TAIL) -> Interval:
    if not values or not all(map(math.isfinite, values)):
        return Interval(mean=None)
    if len(values) == 1:
        return Interval(mean=fmean(values))
    mean, low, high = bounded(values, below, above)
    return Interval(mean=mean, low=low, high=high)


def bounded(
    values: Sequence[float], below: float = TAIL, above: float = TAIL
) -> tuple[float, float, float]:
    """The mean of at least two finite values, with bounds that it is beyond so improbably."""
    mean, degrees = fmean(values), len(values) - 1
    error = math.sqrt(variance(values) / len(values))
    low = mean - quantile(degrees, 1 - below) * error
    return mean, low, mean + quantile(degrees, 1 - above) * error


def variance(values: Sequence[float]) -> float:
    """The variance of at least two values; ``statistics.variance`` takes 50 times as long."""
    mean = fmean(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)


def quantile(degrees: int, probability: float) -> float:
    """The quantile of Student's distribution."""
    # Half of scipy.stats' import time, and no command but this one pays it.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))
