"""The parameters of one trial, checked by their model's grammar."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pipeline.config.frozen import OutOfLimitsError, shown
from pipeline.config.grammar import Grammar, Parameter
from pipeline.config.limits import words


def check_params(grammar: Grammar, params: Mapping[str, Any]) -> None:
    """Check that a setting is complete, and each value what its parameter may be.

    Args:
        grammar: Of the trial's model.
        params: The active parameters.

    Raises:
        OutOfLimitsError: One is missing, unknown or outside its limits.
    """
    for name, value in params.items():
        _check_value(grammar, name, value)
    for name, parameter in grammar.by_name.items():
        if parameter.need != "left out" and not parameter.of_each and name not in params:
            raise OutOfLimitsError(
                key=f"params.{name}", got="nothing", expected=limit_of(parameter)
            )
    for kind, count in grammar.layered.items():
        for layer in range(1, grammar.count(params, count) + 1):
            if kind not in params and f"{kind}_{layer}" not in params:
                expected = f"{kind} or {kind}_{layer}, since {count} is {params[count]}"
                raise OutOfLimitsError(key=f"params.{kind}", got="nothing", expected=expected)


def _check_value(grammar: Grammar, name: str, value: object) -> None:
    parameter = grammar.find(name)
    if parameter is None:
        if grammar.is_open:
            return
        names = [*grammar.by_name, *(f"{kind}_N" for kind in grammar.layered)]
        expected = f"one of {', '.join(names)}"
        raise OutOfLimitsError(key=f"params.{name}", got="an unknown parameter", expected=expected)
    try:
        parameter.adapter.validate_python(value)
    except ValidationError:
        raise OutOfLimitsError(
            key=f"params.{name}", got=shown(value), expected=limit_of(parameter)
        ) from None


def limit_of(parameter: Parameter) -> str:
    """Say in words what a parameter's value may be."""
    return words([parameter.adapter.json_schema()])
