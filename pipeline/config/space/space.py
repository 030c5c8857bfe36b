"""The space of a study: which parameters are fixed, and which are searched in which bounds."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any, Final

from pydantic import BaseModel

from pipeline.config.messages import shown
from pipeline.config.space.conditions import Condition, ordered
from pipeline.config.space.domain import Domain, is_fixed, values_of, when_of
from pipeline.config.space.parameters import LAYER, ParameterTable

LAYER_NAME: Final = re.compile(f"^(.+)_{LAYER}$")
DEPTH: Final = "depth"
"""What counts the layers of a user's class where the study file does not say it."""


@dataclass(frozen=True)
class Space:
    """The parameters of a study's trials: for each a fixed value, a range or choices.

    ``width`` and the other parameters of layers apply to every layer, with one value for all or,
    with ``per_layer: true``, one for each; ``width_2`` is that of one layer.

    Attributes:
        table: The parameters of the model.
        given: What the study file says, defaults filled in.
        of_training: What its section ``training`` searches: ``epochs``, or nothing.
    """

    table: ParameterTable = field(repr=False)
    given: Mapping[str, Domain]
    of_training: Mapping[str, Domain] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """The space as plain values."""
        return {
            name: domain.model_dump(mode="json", exclude_none=True)
            if isinstance(domain, BaseModel)
            else domain
            for name, domain in self.given.items()
        }

    @cached_property
    def layered(self) -> dict[str, str]:
        """The parameters of each layer, with the parameter that counts the layers."""
        return dict(self.table.layered) | {
            name: DEPTH if per_layer is True else per_layer
            for name, domain in self.given.items()
            if (per_layer := getattr(domain, "per_layer", False)) and not self.table.find(name)
        }

    def layer_of(self, name: str) -> tuple[str, int] | None:
        """What a parameter of one layer is of: ``width`` and 2 for ``width_2``."""
        match = LAYER_NAME.match(name)
        return (match[1], int(match[2])) if match and match[1] in self.layered else None

    def most(self, count: str) -> int:
        """The largest number of layers or blocks that a trial of this space may have."""
        return int(max(values_of(self.given[count], corners=True)))

    @cached_property
    def domains(self) -> dict[str, Domain]:
        """Each parameter by its name in Optuna and MLflow, with one name for each layer."""
        domains: dict[str, Domain] = {}
        for name in dict.fromkeys([*self.table.by_name, *self.given]):
            if name in self.layered:
                domains |= self._layer_domains(name)
            elif name in self.given and not self.layer_of(name):
                domains[name] = self.given[name]
        return domains | dict(self.of_training)

    def _layer_domains(self, kind: str) -> Iterator[tuple[str, Domain]]:
        shared = self.given.get(kind)
        for layer in range(1, self.most(self.layered[kind]) + 1):
            key = f"{kind}_{layer}"
            if key in self.given:
                yield key, self.given[key]
            elif getattr(shared, "per_layer", False):
                yield key, shared.model_copy(update={"per_layer": False})  # type: ignore[union-attr]
            elif shared is not None:
                yield kind, shared

    @cached_property
    def conditions(self) -> dict[str, tuple[tuple[str, Condition], ...]]:
        """What must hold of others where a setting has a parameter; that layers are there too."""
        return {name: tuple(self._conditions_of(name)) for name in self.domains}

    def _conditions_of(self, name: str) -> Iterator[tuple[str, Condition]]:
        kind, layer = self.layer_of(name) or (name, self._first_shared(name))
        if kind in self.layered:
            yield self.layered[kind], Condition(at_least=layer)
        yield from when_of(self.given.get(kind)).items()

    def _first_shared(self, kind: str) -> int:
        """The first layer that has the value of all layers, and none of its own."""
        return next(layer for layer in count(1) if f"{kind}_{layer}" not in self.given)

    @cached_property
    def deciding(self) -> tuple[str, ...]:
        """The parameters that conditions name, each after those that its own conditions name."""
        names = {name: [other for other, _ in held] for name, held in self.conditions.items()}
        named = {other for others in names.values() for other in others}
        return tuple(name for name in ordered(names) if name in named)

    def has(self, name: str, params: Mapping[str, Any]) -> bool:
        """Whether a setting has a parameter: all of its conditions hold.

        Args:
            name: Of the parameter.
            params: The setting; what it does not name it does not have.
        """
        return self._all_hold(self.conditions[name], params)

    def _all_hold(
        self, conditions: Iterable[tuple[str, Condition]], params: Mapping[str, Any]
    ) -> bool:
        return all(
            other in params and condition.holds(params[other]) and self.has(other, params)
            for other, condition in conditions
        )

    def why_not(self, name: str, params: Mapping[str, Any]) -> str | None:
        """Say why a setting does not have a parameter, as far as it is known.

        Args:
            name: Of the parameter, or of that of all layers.
            params: What is known of the setting, beside the constants.
        """
        is_of_all = name in self.layered
        given = when_of(self.given.get(name)).items()
        for other, condition in given if is_of_all else self.conditions[name]:
            value = params.get(other, self.domains[other])
            if is_fixed(value) and not condition.holds(value):
                return self._in_words(name, other, condition, value)
            if why := self.why_not(other, params):
                return why
        return None

    def _in_words(self, name: str, other: str, condition: Condition, value: Any) -> str:
        kind, layer = self.layer_of(name) or ("", 0)
        if self.layered.get(kind) == other and condition == Condition(at_least=layer):
            return f"there is no such layer: the trial's {other} is {value}"
        return f"the trial does not have it, since its {other} is {shown(value)}, not {condition}"

    def active(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """Name the parameters that a setting has, in the file's order.

        Args:
            params: The setting; of it count the parameters that conditions name, among them the
                numbers of layers and blocks.
        """
        return tuple(name for name in self.domains if self.has(name, params))

    def lists(self, params: Mapping[str, Any]) -> dict[str, str]:
        """The arguments of a user's class that are lists, one value a layer.

        Args:
            params: A setting.

        Returns:
            Those that the setting has, with the parameter that counts the layers.
        """
        return {
            kind: counted
            for kind, counted in self.layered.items()
            if kind not in self.table.layered
            and self._all_hold(when_of(self.given[kind]).items(), params)
        }

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of what a user's class is given: a parameter of layers is one list."""
        lists = [kind for kind in self.layered if kind not in self.table.layered]
        layers = (self.layer_of(name) or ("", 0) for name in self.domains)
        named = zip(self.domains, layers, strict=True)
        return (*(name for name, (kind, _) in named if kind not in lists), *lists)
