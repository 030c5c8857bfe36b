"""Means with the bounds of their 95 % intervals, and what they can tell apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Final

CONFIDENCE: Final = 0.95


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
    if not values or not all(map(math.isfinite, values)):
        return Interval(mean=None)
    mean = fmean(values)
    if len(values) == 1:
        return Interval(mean=mean)
    half = _quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Interval(mean=mean, low=mean - half, high=mean + half)


def cannot_be_told_apart(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether the 95 % interval of the paired differences contains 0.

    Of one pair nothing is known, so the two cannot be told apart.

    Args:
        first: A candidate's losses, by seeds.
        second: Another's, on the same seeds in the same order.
    """
    found = interval([a - b for a, b in zip(first, second, strict=True)])
    return found.low is None or found.high is None or found.low <= 0 <= found.high


def _quantile(degrees: int) -> float:
    # Half of scipy.stats' import time, and no command but this one pays it.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))
