"""Every setting of a space, where it has finitely many."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any, Final

from pipeline.config.frozen import Params
from pipeline.config.messages import InvalidValueError
from pipeline.config.space.domain import values_of
from pipeline.config.space.space import Space

LARGEST_GRID: Final = 1_000_000
Values = Mapping[str, tuple[Any, ...]]


def count_settings(space: Space) -> int:
    """Count the settings of a space.

    Args:
        space: Choices, whole numbers and steps only.

    Raises:
        InvalidValueError: A parameter has no list of values, or there are too many settings.
    """
    decided = islice(_by_decisions(space), LARGEST_GRID + 1)
    size = sum(math.prod(map(len, values.values())) for values in decided)
    if size > LARGEST_GRID:
        got, expected = f"a grid of {size:,} settings", f"at most {LARGEST_GRID:,}"
        raise InvalidValueError(got=got, expected=expected)
    return size


def list_settings(space: Space) -> Iterator[Params]:
    """List every setting of a space once, the last parameter varying fastest.

    What a setting does not have, such as a further layer, is not varied.

    Args:
        space: Choices, whole numbers and steps only.

    Returns:
        The active parameters of each setting.

    Raises:
        InvalidValueError: A parameter has no list of values, or there are too many settings.
    """
    count_settings(space)
    for values in _by_decisions(space):
        for setting in product(*values.values()):
            yield dict(zip(values, setting, strict=True))


def _by_decisions(space: Space) -> Iterator[Values]:
    """The values of the active parameters for each way to decide which ones are active."""
    values = {name: _values(space, name) for name in space.domains}
    for decided in _decisions(space, values, space.deciding, {}):
        active = {name: values[name] for name in space.active(decided)}
        yield active | {name: (value,) for name, value in decided.items()}


def _decisions(
    space: Space, values: Values, names: Sequence[str], decided: Params
) -> Iterator[Params]:
    """Each setting of the parameters that conditions name, of those that it has."""
    if not names:
        yield decided
        return
    first, rest = names[0], names[1:]
    if not space.has(first, decided):
        yield from _decisions(space, values, rest, decided)
        return
    for value in values[first]:
        yield from _decisions(space, values, rest, decided | {first: value})


def _values(space: Space, name: str) -> tuple[Any, ...]:
    try:
        return values_of(space.domains[name])
    except ValueError as error:
        expected = "choices, whole numbers or a step, since the sampler is grid"
        raise InvalidValueError(key=name, got=str(error), expected=expected) from None
