"""A curve as one line of text."""

import math
from collections.abc import Sequence
from typing import Final

BARS: Final = "▁▂▃▄▅▆▇█"
GAP: Final = "·"
"""Stands where a value is not finite."""


def sparkline(values: Sequence[float], width: int) -> str:
    """Draw values as bars between the lowest and the highest of them.

    More values than there is room for are drawn as the last of each part.

    >>> sparkline([3.0, 2.0, 1.0], 8)
    '█▅▁'
    >>> sparkline([1.0, float("nan"), 1.0, 1.0], 2)
    '·▁'

    Args:
        values: In their order.
        width: Characters, at most.
    """
    n_bars = min(len(values), max(width, 0))
    shown = [values[(index + 1) * len(values) // n_bars - 1] for index in range(n_bars)]
    finite = [value for value in shown if math.isfinite(value)]
    lowest, span = min(finite, default=0.0), max(finite, default=0.0) - min(finite, default=0.0)
    return "".join(_bar(value, lowest, span) for value in shown)


def _bar(value: float, lowest: float, span: float) -> str:
    if not math.isfinite(value):
        return GAP
    height = (value - lowest) / span if 0 < span < math.inf else 0.0
    return BARS[min(int(height * len(BARS)), len(BARS) - 1)]
