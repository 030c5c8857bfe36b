"""The space as the unit cube: what the model of the search sees of a setting.

A range is a column from 0 to 1, logarithmic where the study file says so. Choices that are numbers
have an order and are a column as well, evenly spaced; other choices have one column each. The
parameters that a setting does not have, such as those of further layers, are set to one value: they
make no difference.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.config import Choices, Condition, Params, Range, Space, values_of

Matrix = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
INACTIVE: Final = 0.5
"""The place of a parameter that a setting does not have."""
LARGEST_LIST: Final = 1_000
"""A range of so many values at most is moved along value by value."""


@dataclass(frozen=True)
class NumberAxis:
    """A range: one column, from 0 at ``low`` to 1 at ``high``."""

    domain: Range[Any]

    width = 1

    @property
    def n_values(self) -> int:
        """How many values there are, if they are evenly spaced and can be listed; else 0."""
        if self.domain.log or (isinstance(self.domain.low, float) and self.domain.step is None):
            return 0
        n_values = round((self.domain.high - self.domain.low) / (self.domain.step or 1)) + 1
        return n_values if n_values <= LARGEST_LIST else 0

    def encode(self, value: Any) -> Sequence[float]:
        """Place a value."""
        low, high, value = (self._scaled(one) for one in (self.domain.low, self.domain.high, value))
        return [(value - low) / (high - low) if high > low else INACTIVE]

    def decode(self, columns: Matrix) -> list[Any]:
        """Find the values nearest to the places of rows, [n, 1]."""
        low, high = self._scaled(self.domain.low), self._scaled(self.domain.high)
        scaled = [low + place * (high - low) for place in columns[:, 0].tolist()]
        values = map(math.exp, scaled) if self.domain.log else scaled
        return [self.domain.nearest(value) for value in values]

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.domain.log else float(value)


@dataclass(frozen=True)
class OrderedAxis:
    """Choices that are numbers: one column, the smallest at 0 and the largest at 1."""

    domain: Choices[Any]

    width = 1

    @property
    def n_values(self) -> int:
        """How many values there are."""
        return len(self.domain.choices)

    def encode(self, value: Any) -> Sequence[float]:
        """Place a value by its rank."""
        return [sorted(self.domain.choices).index(value) / (self.n_values - 1)]

    def decode(self, columns: Matrix) -> list[Any]:
        """Find the values nearest to the places of rows, [n, 1]."""
        ordered = sorted(self.domain.choices)
        ranks = np.rint(columns[:, 0] * (self.n_values - 1)).astype(int)
        return [ordered[rank] for rank in ranks.clip(0, self.n_values - 1).tolist()]


@dataclass(frozen=True)
class NominalAxis:
    """Choices without an order: one column each, so that all are equally far from each other."""

    domain: Choices[Any]

    @property
    def width(self) -> int:
        """Columns."""
        return len(self.domain.choices)

    n_values = 0

    def encode(self, value: Any) -> Sequence[float]:
        """Mark the column of a value; two values differ by 1 in squares."""
        return [math.sqrt(0.5) * (choice == value) for choice in self.domain.choices]

    def decode(self, columns: Matrix) -> list[Any]:
        """Find the values of the largest columns of rows, [n, choices]."""
        return [self.domain.choices[index] for index in columns.argmax(axis=1).tolist()]


Axis = NumberAxis | OrderedAxis | NominalAxis


def axis_of(domain: Range[Any] | Choices[Any]) -> Axis:
    """Choose how a parameter is placed."""
    if isinstance(domain, Range):
        return NumberAxis(domain)
    is_number = not any(isinstance(choice, str | bool) for choice in domain.choices)
    return OrderedAxis(domain) if is_number else NominalAxis(domain)


class Encoding:
    """Places settings in the unit cube, and finds the settings of places.

    Args:
        space: The study's.

    Attributes:
        axes: By parameter name, those with more than one value.
        columns: The columns of each axis.
        owner: For each column the index of its axis, int [columns].
        steps: For each column the distance of neighbouring values; 0 where it is continuous.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self.axes: dict[str, Axis] = {
            name: axis_of(domain)
            for name, domain in space.domains.items()
            if isinstance(domain, Range | Choices) and not _is_single(domain)
        }
        ends = np.cumsum([0, *(axis.width for axis in self.axes.values())]).tolist()
        self.columns = {
            name: slice(begin, end)
            for name, begin, end in zip(self.axes, ends[:-1], ends[1:], strict=True)
        }
        self.owner = np.repeat(
            np.arange(len(self.axes)), [axis.width for axis in self.axes.values()]
        )
        self.steps = np.array(
            [
                1 / (axis.n_values - 1) if axis.n_values > 1 else 0.0
                for axis in self.axes.values()
                for _ in range(axis.width)
            ]
        )
        self._constants = {
            name: values_of(domain, corners=True)[0]
            for name, domain in space.domains.items()
            if name not in self.axes
        }

    @property
    def n_columns(self) -> int:
        """Columns of a place."""
        return len(self.owner)

    def encode(self, settings: Sequence[Mapping[str, Any]]) -> Matrix:
        """Place settings; each has every parameter, those that it does not have included.

        Returns:
            Float [n, columns], in [0, 1].
        """
        rows = [
            [place for name, axis in self.axes.items() for place in axis.encode(setting[name])]
            for setting in settings
        ]
        places = np.array(rows, dtype=np.float64).reshape(len(rows), self.n_columns)
        active = [set(self._space.active(setting)) for setting in settings]
        has = np.array([[name in names for name in self.axes] for names in active], dtype=np.bool_)
        return self._without_inactive(places, has.reshape(len(rows), len(self.axes)))

    def decode(self, places: Matrix) -> list[Params]:
        """Find the settings nearest to places, float [n, columns]; each has every parameter."""
        values = {
            name: axis.decode(places[:, self.columns[name]]) for name, axis in self.axes.items()
        }
        return [
            self._constants | {name: column[row] for name, column in values.items()}
            for row in range(len(places))
        ]

    def nearest(self, places: Matrix) -> Matrix:
        """Move places, float [n, columns], to the nearest ones that settings have."""
        places = places.copy()
        stepped = self.steps > 0
        places[:, stepped] = np.rint(places[:, stepped] / self.steps[stepped])
        places[:, stepped] *= self.steps[stepped]
        for name, axis in self.axes.items():
            if isinstance(axis, NominalAxis):
                columns = places[:, self.columns[name]]
                largest = columns.argmax(axis=1)[:, None] == np.arange(axis.width)
                places[:, self.columns[name]] = math.sqrt(0.5) * largest
        return self._without_inactive(places, self._find_active(places))

    def _find_active(self, places: Matrix) -> Flags:
        """Find which parameters the settings of places have, bool [n, axes]."""
        values: dict[str, list[Any]] = {}
        has: dict[str, Flags] = {}
        for name in dict.fromkeys([*self._space.deciding, *self.axes]):
            has[name] = np.ones(len(places), dtype=np.bool_)
            for other, condition in self._space.conditions[name]:
                has[name] &= has[other] & _hold(condition, values[other])
            if name in self._space.deciding:
                values[name] = self._values(name, places)
        found = np.array([has[name] for name in self.axes], dtype=np.bool_)
        return found.reshape(len(self.axes), len(places)).T

    def _values(self, name: str, places: Matrix) -> list[Any]:
        if name in self.axes:
            return self.axes[name].decode(places[:, self.columns[name]])
        return [self._constants[name]] * len(places)

    def _without_inactive(self, places: Matrix, has: Flags) -> Matrix:
        return np.where(has[:, self.owner], places, INACTIVE)


def _hold(condition: Condition, values: Sequence[Any]) -> Flags:
    """For each value whether it meets a condition; equal values are looked at once."""
    held = {value: condition.holds(value) for value in set(values)}
    return np.array([held[value] for value in values], dtype=np.bool_)


def _is_single(domain: Range[Any] | Choices[Any]) -> bool:
    if isinstance(domain, Choices):
        return len(domain.choices) == 1
    return bool(domain.low == domain.high)
