"""The section ``space`` of a study file: read, checked, and described as JSON Schema."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import GetJsonSchemaHandler

from pipeline.config.messages import MISSING, InvalidValueError, at_key, shown, unknown_key
from pipeline.config.models import EPOCHS, MODELS, with_epochs
from pipeline.config.space.condition_checks import check_conditions, check_order
from pipeline.config.space.custom import ARGUMENT, KINDS, argument, check_argument
from pipeline.config.space.domain import Domain, values_of
from pipeline.config.space.keep_prob import KEEP_PROB_SCHEMA, dropout_key, keep_key, to_dropout
from pipeline.config.space.parameters import LAYER, MOST_LAYERS, Parameter, ParameterTable
from pipeline.config.space.space import LAYER_NAME, Space


def read_space(table: ParameterTable, given: object, epochs: Domain | None = None) -> Space:
    """Check the space of a study file.

    Args:
        table: The parameters of the study's model.
        given: The section of the file.
        epochs: Where each trial has its own.

    Raises:
        InvalidValueError: Naming the first key that is wrong, as the file has it.
    """
    if not isinstance(given, Mapping):
        raise InvalidValueError(got=shown(given), expected="a map of parameters")
    section = {str(key): value for key, value in given.items()}
    of_training = {} if epochs is None else {EPOCHS.name: epochs}
    if of_training:
        table = with_epochs(table)
        if EPOCHS.name in section:
            raise InvalidValueError(key=EPOCHS.name, problem="given twice (training.epochs)")
    file_keys = _names(table, section)
    domains = dict(_read_domains(table, section, file_keys))
    domains |= _defaults(table, domains)
    order = dict.fromkeys([*table.by_name, *sorted(domains)])
    space = Space(table, {name: domains[name] for name in order if name in domains}, of_training)
    for check in (_check_per_layer, _check_layer):
        for name in space.given:
            with at_key(file_keys.get(name, name)):
                check(space, name)
    _check_complete(space)
    for name in space.given:
        with at_key(file_keys.get(name, name)):
            check_conditions(space, name)
    check_order(space)
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
        parameter = _parameter(table, name, given)
        if given[key] is None and _is_optional(parameter):
            continue
        with at_key(key):
            yield name, parameter.read(given[key] if name == key else to_dropout(given[key]))


def _parameter(table: ParameterTable, name: str, section: Mapping[str, Any]) -> Parameter:
    found = table.find(name)
    if found is not None:
        return found
    if table.is_open:
        return _argument(name, section)
    models = [model for model, row in MODELS.items() if row.parameters.find(name)]
    known = [*table.keys, *map(keep_key, table.rates)]
    problem = unknown_key(name, known)
    if models:
        problem = f"a parameter of {' and '.join(models)}, not of this model"
    if name == EPOCHS.name:
        problem = "not allowed here: training.epochs is a number, a range or choices"
    raise InvalidValueError(key=name, problem=problem)


def _argument(name: str, section: Mapping[str, Any]) -> Parameter:
    """An argument of a user's class; that of one layer has the type of all layers."""
    check_argument(name)
    match = LAYER_NAME.match(name)
    all_layers = section.get(match[1]) if match else None
    is_layer = isinstance(all_layers, Mapping) and all_layers.get("per_layer")
    with at_key(name):
        return argument(all_layers if is_layer else section[name])


def _is_optional(parameter: Parameter) -> bool:
    return parameter.need == "optional" or parameter.of_each is not None


def _defaults(table: ParameterTable, domains: Mapping[str, Domain]) -> Iterator[tuple[str, Any]]:
    for parameter in table.parameters:
        if parameter.name in domains or _is_optional(parameter):
            continue
        if parameter.need == "required":
            raise InvalidValueError(key=parameter.name, problem=f"{MISSING} ({parameter.means})")
        yield parameter.name, parameter.default


def _check_per_layer(space: Space, name: str) -> None:
    """Refuse ``per_layer`` of a parameter without layers, or of one whose layers nothing counts."""
    per_layer = getattr(space.given[name], "per_layer", False)
    if not per_layer:
        return
    with at_key("per_layer"):
        if space.table.find(name) is None:
            _check_count(space, name, space.layered[name])
        elif name not in space.table.layered:
            kinds = ", ".join(space.table.layered)
            problem = f"only {kinds} can vary by layer" if kinds else "not allowed for this model"
            raise InvalidValueError(problem=problem)
        elif per_layer is not True:
            expected = f"true or false, since {space.layered[name]} counts the layers"
            raise InvalidValueError(got=shown(per_layer), expected=expected)


def _check_count(space: Space, name: str, count: str) -> None:
    """Refuse layers of a user's class that no whole number counts."""
    if space.layer_of(name):
        raise InvalidValueError(problem="not allowed for one layer")
    if count not in space.given:
        known = [one for one in space.given if one not in space.layered]
        problem = f"{count} is to count the layers: {unknown_key(count, known)}"
        raise InvalidValueError(problem=problem)
    values = values_of(space.given[count], corners=True)
    is_count = all(type(one) is int and 0 <= one <= MOST_LAYERS for one in values)
    if count in space.layered or not is_count:
        expected = f"one with whole numbers from 0 to {MOST_LAYERS}, which counts the layers"
        raise InvalidValueError(got=f"the parameter {count}", expected=expected)


def _check_layer(space: Space, name: str) -> None:
    """Refuse a layer that no trial has."""
    kind, layer = space.layer_of(name) or ("", 0)
    count = space.layered.get(kind, "")
    if kind and layer > space.most(count):
        problem = f"there is no such layer: the largest {count} is {space.most(count)}"
        raise InvalidValueError(problem=problem)


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
