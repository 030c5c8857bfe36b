"""Every setting of a space, where it has finitely many."""

import math
from collections.abc import Iterator
from itertools import product
from typing import Any, Final

from pipeline.config.domain import values_of
from pipeline.config.frozen import OutOfLimitsError, Params
from pipeline.config.space import Space

LARGEST_GRID: Final = 1_000_000


class Grid:
    """Lists every setting of a space once, the last parameter turning fastest.

    A layer or block that a setting does not have is not varied.

    Args:
        space: Choices, whole numbers and steps only.

    Raises:
        OutOfLimitsError: A parameter has no list of values, or the grid is too large.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._columns = {name: _column(space, name) for name in space.domains}
        counts = self._space.table.counts
        self._counted = [
            dict(zip(counts, values, strict=True))
            for values in product(*(self._columns[count] for count in counts))
        ]
        size = sum(map(self._size, self._counted))
        if size > LARGEST_GRID:
            got, expected = f"a grid of {size} settings", f"at most {LARGEST_GRID}"
            raise OutOfLimitsError(key="space", got=got, expected=expected)
        self._n_settings = size

    def __len__(self) -> int:
        """How many settings the grid has."""
        return self._n_settings

    def __iter__(self) -> Iterator[Params]:
        """Yield the active parameters of each setting."""
        for counted in self._counted:
            columns = self._columns_of(counted)
            for values in product(*columns.values()):
                yield dict(zip(columns, values, strict=True))

    def _columns_of(self, counted: Params) -> dict[str, tuple[Any, ...]]:
        """What is varied where a setting has so many layers."""
        columns = {name: self._columns[name] for name in self._space.active(counted)}
        return columns | {count: (value,) for count, value in counted.items()}

    def _size(self, counted: Params) -> int:
        return math.prod(map(len, self._columns_of(counted).values()))


def _column(space: Space, name: str) -> tuple[Any, ...]:
    try:
        return values_of(space.domains[name])
    except ValueError as error:
        expected = "choices, whole numbers or a step, since the sampler is grid"
        raise OutOfLimitsError(key=f"space.{name}", got=str(error), expected=expected) from None
