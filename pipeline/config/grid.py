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

    A layer that a depth does not have is not varied.

    Args:
        space: Choices, whole numbers and steps only.

    Raises:
        OutOfLimitsError: A parameter has no list of values, or the grid is too large.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._columns = {name: _column(space, name) for name in space.domains}
        size = sum(map(self._size_of_depth, self._columns["depth"]))
        if size > LARGEST_GRID:
            got, expected = f"a grid of {size} settings", f"at most {LARGEST_GRID}"
            raise OutOfLimitsError(key="space", got=got, expected=expected)
        self._size = size

    def __len__(self) -> int:
        """How many settings the grid has."""
        return self._size

    def __iter__(self) -> Iterator[Params]:
        """Yield the active parameters of each setting."""
        for depth in self._columns["depth"]:
            columns = self._columns_of_depth(depth)
            for values in product(*columns.values()):
                yield dict(zip(columns, values, strict=True))

    def _columns_of_depth(self, depth: int) -> dict[str, tuple[Any, ...]]:
        columns = {name: self._columns[name] for name in self._space.active(depth)}
        return columns | {"depth": (depth,)}

    def _size_of_depth(self, depth: int) -> int:
        return math.prod(map(len, self._columns_of_depth(depth).values()))


def _column(space: Space, name: str) -> tuple[Any, ...]:
    try:
        return values_of(space.domains[name])
    except ValueError as error:
        expected = "choices, whole numbers or a step, since the sampler is grid"
        raise OutOfLimitsError(key=f"space.{name}", got=str(error), expected=expected) from None
