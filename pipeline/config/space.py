"""The space section of a study file: what is fixed, and what is searched between which bounds."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Self

from pydantic import (
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from pipeline.config.domain import Domain, values_of
from pipeline.config.frozen import Frozen, OutOfLimitsError
from pipeline.config.keep_prob import KEEP_PROB_SCHEMA, keep_key, without_keep_prob
from pipeline.config.parameters import LAYER, ParameterTable

UNITS: Final = {"depth": ("layer", "depth"), "blocks": ("block", "number of blocks")}
"""What is counted, and how the count is told of."""


class Space(Frozen):
    """What the trials of a study may try: each parameter of a model, and what it may be.

    ``width`` and its like stand for every layer, one value for all or, with ``per_layer: true``,
    one for each; ``width_2`` sets one layer apart.
    """

    table: ClassVar[ParameterTable]

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: object) -> object:
        """Turn ``keep_prob``; move ``width_2`` out of the way of the unknown-key check."""
        if not isinstance(given, Mapping):
            return given
        read: dict[str, Any] = {}
        for key, value in without_keep_prob(given, cls.table.rates).items():
            match = cls.table.layer_key.match(str(key))
            if match:
                read.setdefault(alias_of(match[1]), {})[key] = value
            elif str(key).startswith("("):
                expected = f"one of {', '.join(cls.table.by_name)}"
                raise OutOfLimitsError(key=str(key), got="an unknown key", expected=expected)
            else:
                read[key] = value
        return read

    @model_serializer(mode="wrap")
    def _write(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write what was read: ``width_2`` beside ``width``, and nothing that was left out."""
        written: dict[str, Any] = {}
        for key, value in handler(self).items():
            parameter = self.table.by_name.get(key)
            if key.removesuffix("_of_layer") in self.table.layered and parameter is None:
                written.update(value)
            elif value is not None or parameter is None or parameter.need != "optional":
                written[key] = value
        return written

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the file as it is written: ``width_2`` and ``keep_prob`` among the keys."""
        schema = handler.resolve_ref_schema(handler(core))
        properties, patterns = schema["properties"], schema.setdefault("patternProperties", {})
        for kind in cls.table.layered:
            patterns[f"^{kind}_{LAYER}$"] = properties.pop(alias_of(kind))["additionalProperties"]
        for rate in cls.table.rates:
            properties[keep_key(rate)] = KEEP_PROB_SCHEMA
            if rate in cls.table.layered:
                patterns[f"^{keep_key(rate)}_{LAYER}$"] = KEEP_PROB_SCHEMA
        return schema

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key, domain in self._given.items():
            if key not in self.table.layered:
                self._refuse_per_layer(key, domain)
        for kind, count in self.table.layered.items():
            self._check_layers(kind, count)
        return self

    def _check_layers(self, kind: str, count: str) -> None:
        own, most, (unit, told) = self._of_layer(kind), self.most(count), UNITS[count]
        for key, domain in own.items():
            if int(key.rpartition("_")[2]) > most:
                expected = f"a {unit} up to the largest {told}, which is {most}"
                raise OutOfLimitsError(key=key, got=f"a {unit} too many", expected=expected)
            self._refuse_per_layer(key, domain)
        for layer in range(1, most + 1):
            if f"{kind}_{layer}" not in own and getattr(self, kind) is None:
                expected = f"{kind} or {kind}_{layer}, since {count} may be {most}"
                raise OutOfLimitsError(key=kind, got="nothing", expected=expected)

    def _refuse_per_layer(self, key: str, domain: Domain) -> None:
        if getattr(domain, "per_layer", False):
            *others, last = self.table.layered or ("nothing",)
            expected = f"it for {', '.join(others)} and {last} only" if others else "no such key"
            raise OutOfLimitsError(key=f"{key}.per_layer", got="true", expected=expected)

    def _of_layer(self, kind: str) -> dict[str, Domain]:
        own: dict[str, Domain] = getattr(self, f"{kind}_of_layer")
        return own

    @property
    def _given(self) -> dict[str, Domain]:
        """What stands in the file or is filled in, single layers left out."""
        given = {name: getattr(self, name) for name in self.table.by_name}
        given |= sorted((self.model_extra or {}).items())
        return {name: domain for name, domain in given.items() if domain is not None}

    def most(self, count: str) -> int:
        """The largest number of layers or blocks that a trial of this space may have."""
        return int(max(values_of(getattr(self, count), corners=True)))

    @property
    def domains(self) -> dict[str, Domain]:
        """Every parameter's name, per-layer ones spread out, with what it may be."""
        domains: dict[str, Domain] = {}
        given = self._given
        for name in dict.fromkeys([*self.table.by_name, *given]):
            if name in self.table.layered:
                domains |= self._layer_domains(name)
            elif name in given:
                domains[name] = given[name]
        return domains

    def _layer_domains(self, kind: str) -> Iterator[tuple[str, Domain]]:
        own = self._of_layer(kind)
        shared: Domain | None = getattr(self, kind)
        for layer in range(1, self.most(self.table.layered[kind]) + 1):
            key = f"{kind}_{layer}"
            if key in own:
                yield key, own[key]
            elif getattr(shared, "per_layer", False):
                yield key, shared.model_copy(update={"per_layer": False})  # type: ignore[union-attr]
            elif shared is not None:
                yield kind, shared

    def active(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """Name the parameters that a network has, in the file's order.

        Args:
            params: A setting; how many layers and blocks it has decides.
        """
        names, is_of_layer = self.domains, self.table.layer_key.match
        needed = {
            f"{kind}_{layer}" if f"{kind}_{layer}" in names else kind
            for kind, count in self.table.layered.items()
            for layer in range(1, params[count] + 1)
        }
        return tuple(
            name
            for name in names
            if name in needed or not (name in self.table.layered or is_of_layer(name))
        )


def alias_of(kind: str) -> str:
    """Where single layers are kept: a key in brackets, which errors leave out."""
    return f"({kind})"
