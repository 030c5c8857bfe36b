"""Paired comparisons: two policies on the same seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import stats

CONFIDENCE: Final = 0.95
LEAST: Final = 2
"""Pairs from which a spread can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How much higher the first of two policies scores than the second, paired by seed.

    Attributes:
        n: Pairs.
        mean: Of the differences; below 0 the first is better where less is better.
        low: Lower end of the 95 % interval of the mean (Student's t).
        high: Upper end.
        p_t: Of the paired t-test, two-sided.
        p_wilcoxon: Of Wilcoxon's signed-rank test, two-sided.
    """

    n: int
    mean: float
    low: float
    high: float
    p_t: float
    p_wilcoxon: float


def compare(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Compare scores of the same seeds.

    Args:
        first: One score a seed, finite.
        second: The same seeds' scores, in the same order.

    Raises:
        ValueError: They are not as many, or fewer than two.
    """
    if len(first) != len(second) or len(first) < LEAST:
        message = f"expected as many scores of both, at least {LEAST}: {len(first)}, {len(second)}"
        raise ValueError(message)
    gaps = np.subtract(first, second)
    if np.ptp(gaps) == 0:
        return _without_spread(gaps)
    test: Any = stats.ttest_rel(first, second)
    low, high = test.confidence_interval(CONFIDENCE)
    return Difference(
        n=len(gaps),
        mean=float(gaps.mean()),
        low=float(low),
        high=float(high),
        p_t=float(test.pvalue),
        p_wilcoxon=float(stats.wilcoxon(gaps).pvalue),
    )


def _without_spread(gaps: Any) -> Difference:
    """Compare where all differences are equal: nothing is uncertain."""
    mean = float(gaps[0])
    p_wilcoxon = float(stats.wilcoxon(gaps).pvalue) if mean else 1.0
    p_t = 0.0 if mean else 1.0
    return Difference(n=len(gaps), mean=mean, low=mean, high=mean, p_t=p_t, p_wilcoxon=p_wilcoxon)


def compare_common(
    first: Mapping[Any, float], second: Mapping[Any, float]
) -> tuple[Difference | None, int]:
    """Compare what two policies have in common; infinite scores are left out and counted.

    Args:
        first: Scores by seed, or by task and seed.
        second: The other's.

    Returns:
        The difference, ``None`` where fewer than two pairs are finite, and how many are not.
    """
    common = sorted(first.keys() & second.keys())
    finite = [key for key in common if math.isfinite(first[key]) and math.isfinite(second[key])]
    n_left_out = len(common) - len(finite)
    if len(finite) < LEAST:
        return None, n_left_out
    return compare([first[key] for key in finite], [second[key] for key in finite]), n_left_out
