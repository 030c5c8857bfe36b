"""Conditions of a study's space that cannot hold, or that make no difference, are refused."""

from collections.abc import Sequence
from typing import Any

from pipeline.config.messages import InvalidValueError, at_key, shown, unknown_key
from pipeline.config.space.conditions import Condition
from pipeline.config.space.domain import Choices, Domain, Range, limit_of, values_of, when_of
from pipeline.config.space.space import Space


def check_conditions(space: Space, name: str) -> None:
    """Check the conditions of a parameter one by one.

    Raises:
        InvalidValueError: Every trial has the parameter anyway, or a condition names one that is
            not there, never holds, or always does.
    """
    conditions = when_of(space.given[name])
    if not conditions:
        return
    with at_key("when"):
        if why := _why_always_there(space, name):
            raise InvalidValueError(problem=f"not allowed: {why}")
        for other, condition in conditions.items():
            with at_key(other):
                if other not in space.domains:
                    raise InvalidValueError(problem=unknown_key(other, space.domains))
                is_conditional = bool(space.conditions[other])
                _check_condition(condition, space.domains[other], is_conditional=is_conditional)


def check_order(space: Space) -> None:
    """Refuse conditions that go in a circle.

    Raises:
        InvalidValueError: They do; the key is that of one of them.
    """
    try:
        space.deciding  # noqa: B018 - worked out once, and kept
    except InvalidValueError as error:
        kind, _ = space.layer_of(error.key) or (error.key, 0)
        raise InvalidValueError(key=f"{kind}.when", problem=error.problem) from None


def _why_always_there(space: Space, name: str) -> str | None:
    parameter, layer = space.table.find(name), space.layer_of(name)
    if parameter and (parameter.need != "optional" or parameter.of_each):
        return f"every trial has {name}"
    if name in space.layered.values():
        return f"{name} counts layers, and every trial has it"
    return f"give it at {layer[0]}, for all of its layers" if layer else None


def _check_condition(condition: Condition, domain: Domain, *, is_conditional: bool) -> None:
    """Refuse a condition that no value meets, or that every value does.

    Args:
        condition: Of another parameter.
        domain: What this one can be.
        is_conditional: Whether some settings do not have this one: to have it is a condition too.
    """
    ends = values_of(domain, corners=True)
    if len(set(ends)) == 1:
        word = "always" if _meets(condition, ends[0]) else "never"
        problem = f"this {word} holds, since the only value is {shown(ends[0])}"
        raise InvalidValueError(problem=problem)
    if condition.listed:
        _check_listed(condition, domain, is_conditional=is_conditional)
    else:
        _check_bounds(condition, domain, ends, is_conditional=is_conditional)


def _meets(condition: Condition, value: Any) -> bool:
    is_text = isinstance(value, str | bool)
    return condition.holds(value) if condition.listed or not is_text else False


def _check_listed(condition: Condition, domain: Domain, *, is_conditional: bool) -> None:
    for key, value in condition.listed.items():
        with at_key(key):
            if limit := limit_of(domain, value):
                raise InvalidValueError(got=shown(value), expected=limit)
    n_values = _count_values(domain)
    if not n_values:
        expected = "at_least or at_most, since it is a range of numbers"
        raise InvalidValueError(got=" and ".join(_operators(condition)), expected=expected)
    if len(set(condition.listed.values())) == n_values and not is_conditional:
        raise InvalidValueError(key="in", problem="this always holds, since these are all values")


def _check_bounds(
    condition: Condition, domain: Domain, ends: Sequence[Any], *, is_conditional: bool
) -> None:
    if isinstance(ends[0], str | bool):
        got = " and ".join(_operators(condition))
        raise InvalidValueError(got=got, expected=f"equals or in, since it is {_kind(ends[0])}")
    low, high = min(ends), max(ends)
    bounds = {"at_least": (condition.at_least, low), "at_most": (condition.at_most, high)}
    for key, (bound, pointless) in bounds.items():
        is_inside = bound is None or low <= bound <= high
        if not is_inside or (bound == pointless and not is_conditional):
            other = "" if is_conditional else f" but {pointless}, which always holds"
            expected = f"a number from {low} to {high}{other}"
            raise InvalidValueError(key=key, got=str(bound), expected=expected)
    if not _has_between(domain, condition):
        problem = f"this never holds: it has no value of {condition}"
        raise InvalidValueError(problem=problem)


def _has_between(domain: Domain, condition: Condition) -> bool:
    at_least, at_most = condition.at_least, condition.at_most
    if not isinstance(domain, Range) or at_least is None or at_most is None:
        return isinstance(domain, Range) or any(map(condition.holds, values_of(domain)))
    return condition.holds(domain.nearest((at_least + at_most) / 2))


def _count_values(domain: Domain) -> int:
    """How many values a parameter with several has; 0 where they cannot be listed."""
    if isinstance(domain, Choices):
        return len(domain.choices)
    assert isinstance(domain, Range)  # noqa: S101 - a constant has one value
    step = domain.step or (1 if isinstance(domain.low, int) else 0)
    return round((domain.high - domain.low) / step) + 1 if step else 0


def _operators(condition: Condition) -> list[str]:
    return list(condition.model_dump(exclude_none=True))


def _kind(value: str | bool) -> str:  # noqa: FBT001 - a value, no flag
    return "a boolean" if isinstance(value, bool) else "a text"
