"""The space of a study as a unit cube, for searches that know numbers alone."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config import Choices, Domain, Params, Range, StudyConfig, is_fixed
from pipeline.config.space.domain import converted

Point = npt.NDArray[np.float64]


class Cube:
    """One side for each searched parameter; choices lie on theirs in the order of the file.

    Args:
        study: Its space.
    """

    def __init__(self, study: StudyConfig) -> None:
        domains = study.space.domains
        self._constants = {name: value for name, value in domains.items() if is_fixed(value)}
        self._searched = {name: one for name, one in domains.items() if not is_fixed(one)}

    @property
    def n_sides(self) -> int:
        """How many parameters are searched."""
        return len(self._searched)

    def params(self, point: Sequence[float] | Point) -> Params:
        """The setting at a point, those of inactive layers included."""
        searched = {
            name: _value(domain, float(side))
            for (name, domain), side in zip(self._searched.items(), point, strict=True)
        }
        return self._constants | searched

    def point(self, params: Mapping[str, Any], *, absent: float = 0.5) -> Point:
        """Where a setting lies.

        Args:
            params: Its parameters.
            absent: Where it lies on the side of a parameter that it does not have.
        """
        return np.array(
            [
                _side(domain, params[name]) if name in params else absent
                for name, domain in self._searched.items()
            ]
        )


def _value(domain: Domain, side: float) -> Any:
    if isinstance(domain, Choices):
        return domain.choices[min(int(side * len(domain.choices)), len(domain.choices) - 1)]
    assert isinstance(domain, Range)
    low, high = _ends(domain)
    value = low + side * (high - low)
    value = math.exp(value) if domain.log else value
    value = round(value) if isinstance(domain.low, int) else value
    return converted(domain, min(max(value, domain.low), domain.high))


def _side(domain: Domain, value: Any) -> float:
    if isinstance(domain, Choices):
        return (domain.choices.index(value) + 0.5) / len(domain.choices)
    assert isinstance(domain, Range)
    low, high = _ends(domain)
    number = math.log(value) if domain.log else float(value)
    return (number - low) / (high - low)


def _ends(domain: Range[Any]) -> tuple[float, float]:
    """The ends of a side; whole numbers have half a step more, so that all are as wide."""
    half = 0.5 if isinstance(domain.low, int) else 0.0
    low, high = domain.low - half, domain.high + half
    return (math.log(low), math.log(high)) if domain.log else (low, high)
