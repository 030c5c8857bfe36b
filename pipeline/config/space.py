"""The space of a study file: which parameters are fixed, and which are searched in which bounds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler

from pipeline.config.custom_space import ARGUMENT, KINDS, argument, check_argument
from pipeline.config.domain import Domain, values_of
from pipeline.config.keep_prob import KEEP_PROB_SCHEMA, dropout_key, keep_key, to_dropout
from pipeline.config.messages import MISSING, InvalidValueError, at_key, shown, unknown_key
from pipeline.config.models import MODELS
from pipeline.config.parameters import LAYER, Parameter, ParameterTable


@dataclass(frozen=True)
class Space:
    """The parameters of a study's trials: for each a fixed value, a range or choices.

    ``width`` and the other parameters of layers apply to every layer, with one value for all or,
    with ``per_layer: true``, one for each; ``width_2`` is that of one layer.

    Attributes:
        table: The parameters of the model.
        given: What the study file says, defaults filled in.
    """

    table: ParameterTable = field(repr=False)
    given: Mapping[str, Domain]

    @property
    def document(self) -> dict[str, Any]:
        """The space as plain values."""
        return {
            name: domain.model_dump(mode="json", exclude_none=True)
            if isinstance(domain, BaseModel)
            else domain
            for name, domain in self.given.items()
        }

    def most(self, count: str) -> int:
        """The largest number of layers or blocks that a trial of this space may have."""
        return int(max(values_of(self.given[count], corners=True)))

    @cached_property
    def domains(self) -> dict[str, Domain]:
        """Each parameter by its name in Optuna and MLflow, with one name for each layer."""
        domains: dict[str, Domain] = {}
        for name in dict.fromkeys([*self.table.by_name, *self.given]):
            if name in self.table.layered:
                domains |= self._layer_domains(name)
            elif name in self.given and not self.table.layer_key.match(name):
                domains[name] = self.given[name]
        return domains

    def _layer_domains(self, kind: str) -> Iterator[tuple[str, Domain]]:
        shared = self.given.get(kind)
        for layer in range(1, self.most(self.table.layered[kind]) + 1):
            key = f"{kind}_{layer}"
            if key in self.given:
                yield key, self.given[key]
            elif getattr(shared, "per_layer", False):
                yield key, shared.model_copy(update={"per_layer": False})  # type: ignore[union-attr]
            elif shared is not None:
                yield kind, shared

    def active(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """Name the parameters that a network has, in the file's order.

        Args:
            params: A setting; its numbers of layers and blocks decide.
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


def read_space(table: ParameterTable, given: object) -> Space:
    """Check the space of a study file.

    Args:
        table: The parameters of the study's model.
        given: The section of the file.

    Raises:
        InvalidValueError: Naming the first key that is wrong, as the file has it.
    """
    if not isinstance(given, Mapping):
        raise InvalidValueError(got=shown(given), expected="a map of parameters")
    section = {str(key): value for key, value in given.items()}
    file_keys = _names(table, section)
    domains = dict(_read_domains(table, section, file_keys))
    domains |= _defaults(table, domains)
    order = dict.fromkeys([*table.by_name, *sorted(domains)])
    space = Space(table, {name: domains[name] for name in order if name in domains})
    for name in space.given:
        with at_key(file_keys.get(name, name)):
            _check_layer(space, name)
    _check_complete(space)
    return space


def _names(table: ParameterTable, given: Mapping[str, Any]) -> dict[str, str]:
    """Each parameter's name with the key that the file has for it: it may be a ``keep_prob``."""
    file_keys: dict[str, str] = {}
    for key in given:
        name = dropout_key(key, table.rates)
        if name in file_keys:
            problem = f"give either {key} or {file_keys[name]}, not both"
            raise InvalidValueError(key=key, problem=problem)
        file_keys[name] = key
    return file_keys


def _read_domains(
    table: ParameterTable, given: Mapping[str, Any], file_keys: Mapping[str, str]
) -> Iterator[tuple[str, Domain]]:
    for name, key in file_keys.items():
        parameter = _parameter(table, name, given[key])
        if given[key] is None and _is_optional(parameter):
            continue
        with at_key(key):
            yield name, parameter.read(given[key] if name == key else to_dropout(given[key]))


def _parameter(table: ParameterTable, name: str, given: object) -> Parameter:
    found = table.find(name)
    if found is not None:
        return found
    if table.is_open:
        check_argument(name)
        with at_key(name):
            return argument(given)
    models = [model for model, row in MODELS.items() if row.parameters.find(name)]
    known = [*table.keys, *map(keep_key, table.rates)]
    problem = unknown_key(name, known)
    if models:
        problem = f"a parameter of {' and '.join(models)}, not of this model"
    raise InvalidValueError(key=name, problem=problem)


def _is_optional(parameter: Parameter) -> bool:
    return parameter.need == "optional" or parameter.of_each is not None


def _defaults(table: ParameterTable, domains: Mapping[str, Domain]) -> Iterator[tuple[str, Any]]:
    for parameter in table.parameters:
        if parameter.name in domains or _is_optional(parameter):
            continue
        if parameter.need == "required":
            raise InvalidValueError(key=parameter.name, problem=f"{MISSING} ({parameter.means})")
        yield parameter.name, parameter.default


def _check_layer(space: Space, name: str) -> None:
    """Refuse a layer that no trial has, and ``per_layer`` of a parameter without layers."""
    table, match = space.table, space.table.layer_key.match(name)
    count = table.layered[match[1]] if match else ""
    if match and int(match[2]) > space.most(count):
        problem = f"there is no such layer: the largest {count} is {space.most(count)}"
        raise InvalidValueError(problem=problem)
    if getattr(space.given[name], "per_layer", False) and name not in table.layered:
        kinds = ", ".join(table.layered)
        problem = f"only {kinds} can vary by layer" if kinds else "not allowed for this model"
        raise InvalidValueError(key="per_layer", problem=problem)


def _check_complete(space: Space) -> None:
    """Refuse a layer without a value."""
    for kind, count in space.table.layered.items():
        for layer in range(1, space.most(count) + 1):
            if kind not in space.given and f"{kind}_{layer}" not in space.given:
                problem = f"{kind} or {kind}_{layer} is required, since {count} can be {layer}"
                raise InvalidValueError(key=kind, problem=problem)


def space_schema(table: ParameterTable, handler: GetJsonSchemaHandler) -> dict[str, Any]:
    """Describe the spaces of a model as JSON Schema.

    Args:
        table: The parameters of the model.
        handler: Describes the types of values.
    """
    domains = {one.name: _domain_schema(one, handler) for one in table.parameters}
    patterns = {f"^{kind}_{LAYER}$": domains[kind] for kind in table.layered}
    patterns |= {
        f"^{keep_key(rate)}_{LAYER}$": KEEP_PROB_SCHEMA
        for rate in table.rates
        if rate in table.layered
    }
    if table.is_open:
        patterns[ARGUMENT] = {"anyOf": [_domain_schema(kind, handler) for kind in KINDS.values()]}
    properties = {one.name: _property(one, domains[one.name]) for one in table.parameters}
    return {
        "type": "object",
        "properties": properties | {keep_key(rate): KEEP_PROB_SCHEMA for rate in table.rates},
        "patternProperties": patterns,
        "required": [one.name for one in table.parameters if "default" not in properties[one.name]],
        "additionalProperties": False,
    }


def _property(parameter: Parameter, domain: dict[str, Any]) -> dict[str, Any]:
    if _is_optional(parameter):
        domain = {"anyOf": [domain, {"type": "null"}], "default": parameter.default}
    elif parameter.need == "filled in":
        domain = domain | {"default": parameter.default}
    return domain | {"description": parameter.means}


def _domain_schema(parameter: Parameter, handler: GetJsonSchemaHandler) -> dict[str, Any]:
    return {"oneOf": [handler(form.core_schema) for form in parameter.forms.values()]}
