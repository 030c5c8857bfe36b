"""Parameters: which ones a model has, what each means and which values it may have."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal

from pydantic import ConfigDict, TypeAdapter

from pipeline.config.frozen import Scalar
from pipeline.config.messages import MISSING, InvalidValueError, at_key, shown, unknown_key
from pipeline.config.space.domain import Choices, Domain, Range

MOST_LAYERS: Final = 100
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
        usual: The value that a search begins with, where the study file has it in its range, or
            else the nearest; infinity for the largest. ``None``: the middle of the range.
    """

    name: str
    means: str
    values: Any
    need: Literal["required", "filled in", "optional"] = "required"
    default: Scalar | None = None
    is_shaping: bool = False
    of_each: str | None = None
    usual: Scalar | None = None

    @cached_property
    def forms(self) -> dict[str, TypeAdapter[Any]]:
        """What checks and describes each form of it in a study file: a range only of numbers."""
        return _forms_of(self.values)

    def convert(self, value: object) -> Any:
        """Check a value and give it the parameter's type: 3 is 3.0 where floats are expected.

        Raises:
            ValidationError: It breaks a limit.
        """
        return self.forms["value"].validate_python(value)

    def read(self, given: object) -> Domain:
        """Check what a study file says of the parameter: a value, a range or choices.

        Raises:
            InvalidValueError: It is neither.
            ValidationError: It breaks a limit.
        """
        if isinstance(given, Mapping):
            form = "range" if "range" in self.forms and "choices" not in given else "choices"
        elif isinstance(given, int | float | str):
            form = "value"
        else:
            maps = "low and high, or with choices" if "range" in self.forms else "choices"
            expected = f"a value, or a map with {maps}"
            raise InvalidValueError(got=shown(given), expected=expected)
        domain: Domain = self.forms[form].validate_python(given)
        return domain


def _forms_of(values: Any) -> dict[str, TypeAdapter[Any]]:
    value = TypeAdapter(values, config=ConfigDict(allow_inf_nan=False))
    is_text = value.json_schema()["type"] == "string"
    forms = {"value": value, "range": TypeAdapter(Range[values])}
    return ({"value": value} if is_text else forms) | {"choices": TypeAdapter(Choices[values])}


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
        """Each parameter by its name; ``width`` is that of every layer."""
        return {parameter.name: parameter for parameter in self.parameters}

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

    @property
    def keys(self) -> tuple[str, ...]:
        """The names that a setting may have; of layers the first."""
        return (*self.by_name, *(f"{kind}_1" for kind in self.layered))

    def find(self, name: str) -> Parameter | None:
        """The parameter with a name: ``width`` for ``width_2``."""
        match = self.layer_key.match(name)
        return self.by_name.get(match[1] if match else name)

    def value(self, params: Mapping[str, Any], name: str) -> Any:
        """The value of a parameter, or its default where it is absent.

        Raises:
            KeyError: The model has no such parameter.
        """
        parameter = self.by_name[name]
        return parameter.convert(params[name]) if name in params else parameter.default

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
        given = (params[name if name in params else kind] for name in named)
        return tuple(map(self.by_name[kind].convert, given)) if n_layers else ()

    def shape(self, params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The parameters that trials must share to be trained in one loop, with their values.

        Values of layers are the same, however the study file wrote them.
        """
        for name, parameter in self.by_name.items():
            if parameter.is_shaping:
                read = self.values_of if name in self.layered else self.value
                yield name, read(params, name)
        if self.is_open:
            yield from sorted((name, params[name]) for name in params if not self.find(name))


def check_params(table: ParameterTable, params: Mapping[str, Any]) -> None:
    """Check that a setting is complete and that each value is within its limits.

    Args:
        table: The parameters of the trial's model.
        params: The active parameters.

    Raises:
        InvalidValueError: One is missing, unknown or outside its limits.
    """
    for name, value in params.items():
        with at_key(name):
            _check_value(table, name, value)
    for name, parameter in table.by_name.items():
        if parameter.need != "optional" and not parameter.of_each and name not in params:
            raise InvalidValueError(key=name, problem=MISSING)
    for kind, count in table.layered.items():
        _check_layers(params, kind, count, table.count(params, count))


def _check_layers(params: Mapping[str, Any], kind: str, count: str, n_layers: int) -> None:
    for layer in range(1, n_layers + 1):
        if kind not in params and f"{kind}_{layer}" not in params:
            problem = f"{kind} or {kind}_{layer} is required, since {count} is {n_layers}"
            raise InvalidValueError(key=kind, problem=problem)


def _check_value(table: ParameterTable, name: str, value: object) -> None:
    parameter = table.find(name)
    if parameter is not None:
        parameter.convert(value)
    elif not table.is_open:
        raise InvalidValueError(problem=unknown_key(name, table.keys))
