"""Parameters: which ones a model has, what each means and which values it may have."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from pipeline.config.frozen import OutOfLimitsError, Scalar, shown
from pipeline.config.limits import words

LAYER: Final = "([1-9][0-9]?|100)"
"""The number of a layer or block, as it ends a parameter's name."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a model.

    Attributes:
        means: A short description, shown by editors of study files.
        values: The type of a value, with its limits, as pydantic reads it.
        need: Whether a study file must give it, whether its default is filled in, or whether it is
            optional: absent from study and trial where the file leaves it out.
        default: The value where it is absent.
        is_shaping: Whether trials must share its value to be trained in one loop.
        of_each: The parameter that counts the layers it has one value for: ``depth`` for ``width``.
    """

    name: str
    means: str
    values: Any
    need: Literal["required", "filled in", "optional"] = "required"
    default: Scalar | None = None
    is_shaping: bool = False
    of_each: str | None = None

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Checks one value, and describes it as JSON Schema."""
        return TypeAdapter(self.values)


@dataclass(frozen=True, eq=False)
class ParameterTable:
    """The parameters of one model, in the order of its study files.

    Attributes:
        is_open: Whether there are further ones, known only to a user-defined class.
    """

    parameters: tuple[Parameter, ...]
    is_open: bool = False

    @cached_property
    def opened(self) -> "ParameterTable":
        """The table with the arguments of a user-defined data module beside its own parameters."""
        return replace(self, is_open=True)

    @cached_property
    def by_name(self) -> dict[str, Parameter]:
        """Each parameter by its name; ``width`` stands for that of every layer."""
        return {parameter.name: parameter for parameter in self.parameters}

    @cached_property
    def counts(self) -> tuple[str, ...]:
        """The parameters that count layers: ``blocks``, ``depth``."""
        counted = {parameter.of_each for parameter in self.parameters}
        return tuple(name for name in self.by_name if name in counted)

    @cached_property
    def layered(self) -> dict[str, str]:
        """The parameters of each layer, with the parameter that counts the layers."""
        return {one.name: one.of_each for one in self.parameters if one.of_each}

    @cached_property
    def rates(self) -> tuple[str, ...]:
        """The dropout rates, which a study file may give as probabilities to keep."""
        return tuple(name for name in self.by_name if name.endswith("dropout"))

    @cached_property
    def layer_key(self) -> re.Pattern[str]:
        """The pattern of the name of one layer's parameter: ``width_2``."""
        return re.compile(f"^({'|'.join(self.layered) or '(?!)'})_{LAYER}$")

    def find(self, name: str) -> Parameter | None:
        """The parameter with a name: ``width`` for ``width_2``."""
        match = self.layer_key.match(name)
        return self.by_name.get(match[1] if match else name)

    def value(self, params: Mapping[str, Any], name: str) -> Any:
        """The value of a parameter, or its default where it is absent.

        Raises:
            KeyError: The model has no such parameter.
        """
        return params[name] if name in params else self.by_name[name].default

    def count(self, params: Mapping[str, Any], name: str) -> int:
        """The number of layers or blocks; 0 where the model has none."""
        return int(params[name]) if name in self.by_name else 0

    def values_of(self, params: Mapping[str, Any], kind: str) -> tuple[Any, ...]:
        """The values of a layered parameter, first layer first.

        Raises:
            KeyError: A layer has none.
        """
        n_layers = self.count(params, self.layered.get(kind, ""))
        named = (f"{kind}_{layer}" for layer in range(1, n_layers + 1))
        return tuple(params[name if name in params else kind] for name in named)

    def shape(self, params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The parameters that trials must share to be trained in one loop, with their values.

        Values of layers are the same, however the study file wrote them.
        """
        for name, parameter in self.by_name.items():
            if parameter.is_shaping:
                is_layered = name in self.layered
                yield (
                    name,
                    self.values_of(params, name) if is_layered else self.value(params, name),
                )
        if self.is_open:
            yield from sorted((name, params[name]) for name in params if not self.find(name))


def check_params(table: ParameterTable, params: Mapping[str, Any]) -> None:
    """Check that a setting is complete and that each value is within its limits.

    Args:
        table: The parameters of the trial's model.
        params: The active parameters.

    Raises:
        OutOfLimitsError: One is missing, unknown or outside its limits.
    """
    for name, value in params.items():
        _check_value(table, name, value)
    for name, parameter in table.by_name.items():
        if parameter.need != "optional" and not parameter.of_each and name not in params:
            raise OutOfLimitsError(
                key=f"params.{name}", got="nothing", expected=limit_of(parameter)
            )
    for kind, count in table.layered.items():
        for layer in range(1, table.count(params, count) + 1):
            if kind not in params and f"{kind}_{layer}" not in params:
                expected = f"{kind} or {kind}_{layer}, since {count} is {params[count]}"
                raise OutOfLimitsError(key=f"params.{kind}", got="nothing", expected=expected)


def _check_value(table: ParameterTable, name: str, value: object) -> None:
    parameter = table.find(name)
    if parameter is None:
        if table.is_open:
            return
        names = [*table.by_name, *(f"{kind}_N" for kind in table.layered)]
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
