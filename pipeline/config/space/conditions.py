"""Conditions: a parameter that only those settings have in which others have certain values."""

import math
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, model_validator

from pipeline.config.frozen import Frozen, Scalar
from pipeline.config.messages import InvalidValueError, shown

TOLERANCE: Final = 1e-9
"""Relative difference of two floats that count as equal: 0.1 + 6 * 0.1 is not above 0.7."""


def _check_number(given: object) -> object:
    if isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given):
        return given
    raise InvalidValueError(got=shown(given), expected="a finite number")


def _check_plain(given: object) -> object:
    return given if isinstance(given, str | bool) else _check_number(given)


def _check_any(given: Mapping[str, Any]) -> Mapping[str, Any]:
    if not given:
        raise InvalidValueError(got=shown(given), expected="a map of parameters' conditions")
    return given


_Plain = bool | int | float | str
_Number = Annotated[float | int, PlainValidator(_check_number, json_schema_input_type=float)]
_Value = Annotated[_Plain, PlainValidator(_check_plain, json_schema_input_type=_Plain)]
_Values = Annotated[tuple[_Value, ...], Field(min_length=1)]


class Condition(Frozen):
    """What the value of another parameter must be.

    Attributes:
        at_least: The lowest number.
        at_most: The highest number.
        equals: The only value.
        in_: All values, ``in`` in a study file.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    at_least: _Number | None = None
    at_most: _Number | None = None
    equals: _Value | None = None
    in_: Annotated[_Values | None, Field(alias="in")] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = list(self.model_dump(exclude_none=True))
        if len(given) != 1 and given != ["at_least", "at_most"]:
            expected = "at_least, at_most, both of them, equals, or in"
            raise InvalidValueError(got=" and ".join(given) or "nothing", expected=expected)
        bounds = [one for one in (self.at_least, self.at_most) if one is not None]
        if bounds != sorted(bounds):
            expected = f"a number of at most at_most, which is {self.at_most}"
            raise InvalidValueError(key="at_least", got=str(self.at_least), expected=expected)
        return self

    @property
    def listed(self) -> Mapping[str, Scalar]:
        """The values that are named, by the key of each; none where bounds are."""
        if self.equals is not None:
            return {"equals": self.equals}
        return {f"in.{index}": value for index, value in enumerate(self.in_ or ())}

    def holds(self, value: Any) -> bool:
        """Whether a value of the other parameter meets it."""
        if self.listed:
            return value in self.listed.values()
        is_high = self.at_least is None or value >= self.at_least or _is_close(value, self.at_least)
        is_low = self.at_most is None or value <= self.at_most or _is_close(value, self.at_most)
        return is_high and is_low

    def __str__(self) -> str:
        """Say what the value must be: ``at least 2``."""
        if self.listed:
            *others, last = map(shown, self.listed.values())
            return f"{', '.join(others)} or {last}" if others else last
        bounds = {"at least": self.at_least, "at most": self.at_most}
        return " and ".join(f"{words} {one}" for words, one in bounds.items() if one is not None)


def _is_close(value: float, bound: float) -> bool:
    return math.isclose(value, bound, rel_tol=TOLERANCE)


When = Annotated[dict[str, Condition], AfterValidator(_check_any)]
"""The conditions of a parameter, all of which must hold, by the other parameter's name."""


def ordered(names: Mapping[str, Iterable[str]]) -> list[str]:
    """Put parameters in an order in which each comes after those that its conditions name.

    Args:
        names: Of each parameter those that its conditions name.

    Raises:
        InvalidValueError: They go in a circle; the key is one of them.
    """
    try:
        return list(TopologicalSorter(names).static_order())
    except CycleError as error:
        circle = error.args[1][::-1]
        problem = f"the conditions go in a circle: {' → '.join(circle)}"
        raise InvalidValueError(key=circle[0], problem=problem) from None
