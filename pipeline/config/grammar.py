"""A grammar: which parameters a model has, and what each of them means."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from pipeline.config.frozen import Scalar

LAYER: Final = "([1-9][0-9]?|100)"
"""The number of a layer or block, as it ends a parameter's name."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a model.

    Attributes:
        means: What it is, for the editors of files.
        values: What a value of it may be, as pydantic reads it.
        need: Whether a file must give it, whether its default is filled in, or whether it is left
            out of everything where the file leaves it out.
        default: What its absence means; ``None`` where that is nothing.
        is_shaping: Whether trials must share its value to be trained as one.
        of_each: The count that it has one value for each of: ``depth`` for ``width``.
    """

    name: str
    means: str
    values: Any
    need: Literal["given", "filled in", "left out"] = "given"
    default: Scalar | None = None
    is_shaping: bool = False
    of_each: str | None = None

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Checks one value, and describes it as JSON Schema."""
        return TypeAdapter(self.values)


@dataclass(frozen=True)
class Grammar:
    """The parameters of one model, in the order of its files.

    Attributes:
        is_open: Whether there are others too, which only the model's own class knows.
    """

    parameters: tuple[Parameter, ...]
    is_open: bool = False

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
        """The parameters of each layer, with what counts the layers."""
        return {one.name: one.of_each for one in self.parameters if one.of_each}

    @cached_property
    def rates(self) -> tuple[str, ...]:
        """The dropouts, which a file may say as probabilities to keep."""
        return tuple(name for name in self.by_name if name.endswith("dropout"))

    @cached_property
    def layer_key(self) -> re.Pattern[str]:
        """What the name of one layer's parameter looks like: ``width_2``."""
        return re.compile(f"^({'|'.join(self.layered) or '(?!)'})_{LAYER}$")

    def find(self, name: str) -> Parameter | None:
        """The parameter that a name is of: ``width`` for ``width_2``."""
        match = self.layer_key.match(name)
        return self.by_name.get(match[1] if match else name)

    def is_shaping(self, name: str) -> bool:
        """Whether trials must share a parameter's value to be trained as one."""
        parameter = self.find(name)
        return parameter.is_shaping if parameter else self.is_open

    def one(self, params: Mapping[str, Any], name: str) -> Any:
        """The value of a parameter, or what its absence means.

        Raises:
            KeyError: The model has no such parameter.
        """
        return params[name] if name in params else self.by_name[name].default

    def count(self, params: Mapping[str, Any], name: str) -> int:
        """How many layers or blocks a setting has; 0 where the model has none."""
        return int(params[name]) if name in self.by_name else 0

    def each(self, params: Mapping[str, Any], kind: str) -> tuple[Any, ...]:
        """The values of a layered parameter, first layer first.

        Raises:
            KeyError: A layer has none.
        """
        n_layers = self.count(params, self.layered.get(kind, ""))
        named = (f"{kind}_{layer}" for layer in range(1, n_layers + 1))
        return tuple(params[name if name in params else kind] for name in named)

    def shape(self, params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """What trials must share to be trained as one, however it was written."""
        for name, parameter in self.by_name.items():
            if parameter.is_shaping:
                is_layered = name in self.layered
                yield name, self.each(params, name) if is_layered else self.one(params, name)
        if self.is_open:
            yield from sorted(params.items())
