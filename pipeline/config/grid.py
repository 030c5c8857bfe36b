"""Every setting of a space, where it has finitely many."""

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final

from pipeline.config.domain import values_of
from pipeline.config.frozen import Params
from pipeline.config.messages import InvalidValueError
from pipeline.config.space import Space

LARGEST_GRID: Final = 1_000_000
Values = Mapping[str, tuple[Any, ...]]


def count_settings(space: Space) -> int:
    """Count the settings of a space.

    Args:
        space: Choices, whole numbers and steps only.

    Raises:
        InvalidValueError: A parameter has no list of values, or there are too many settings.
    """
    size = sum(math.prod(map(len, values.values())) for values in _by_counts(space))
    if size > LARGEST_GRID:
        got, expected = f"a grid of {size:,} settings", f"at most {LARGEST_GRID:,}"
        raise InvalidValueError(got=got, expected=expected)
    return size


def list_settings(space: Space) -> Iterator[Params]:
    """List every setting of a space once, the last parameter varying fastest.

    A layer or block that a setting does not have is not varied.

    Args:
        space: Choices, whole numbers and steps only.

    Returns:
        The active parameters of each setting.

    Raises:
        InvalidValueError: A parameter has no list of values, or there are too many settings.
    """
    count_settings(space)
    for values in _by_counts(space):
        for setting in product(*values.values()):
            yield dict(zip(values, setting, strict=True))


def _by_counts(space: Space) -> Iterator[Values]:
    """The values of the active parameters for each number of layers and blocks."""
    values = {name: _values(space, name) for name in space.domains}
    counts = space.table.counts
    for setting in product(*(values[count] for count in counts)):
        counted = dict(zip(counts, setting, strict=True))
        active = {name: values[name] for name in space.active(counted)}
        yield active | {count: (value,) for count, value in counted.items()}


def _values(space: Space, name: str) -> tuple[Any, ...]:
    try:
        return values_of(space.domains[name])
    except ValueError as error:
        expected = "choices, whole numbers or a step, since the sampler is grid"
        raise InvalidValueError(key=name, got=str(error), expected=expected) from None
