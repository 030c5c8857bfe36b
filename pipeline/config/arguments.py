"""A constructor's arguments in a study file, by the convention of LightningCLI's ``init_args``.

A map with the key ``class_path`` is an object: its class is called with its ``init_args``; see
https://jsonargparse.readthedocs.io/en/stable/#class-type-and-sub-classes. With ``partial: true``,
hydra's ``_partial_``, whoever gets it calls it with what is left. A name with dots in the space
reaches into what the file gives: ``net.dropout`` is the argument ``dropout`` of the object ``net``.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import JsonValue, PlainValidator

from pipeline.config.messages import InvalidValueError, at_key, shown
from pipeline.config.paths import CLASS_PATH

OBJECT: Final = ("class_path", "init_args", "partial")


def _read(given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise InvalidValueError(got=shown(given), expected="a map of arguments")
    return {name: _read_value(value, name) for name, value in given.items()}


def _read_value(value: Any, key: str) -> Any:
    """Check a value and what it holds; an object's key is that of its class path."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case [*items]:
            return [_read_value(item, f"{key}.{index}") for index, item in enumerate(items)]
        case Mapping() if all(isinstance(name, str) for name in value):
            if "class_path" in value:
                _check_object(value, key)
            return {name: _read_value(item, f"{key}.{name}") for name, item in value.items()}
    raise InvalidValueError(key=key, got=shown(value), expected="a plain value, a list or a map")


def _check_object(value: Mapping[str, Any], key: str) -> None:
    for name in value:
        if name not in OBJECT:
            problem = f"unknown key, expected {', '.join(OBJECT)}"
            raise InvalidValueError(key=f"{key}.{name}", problem=problem)
    with at_key(f"{key}.class_path"):
        CLASS_PATH.check(value["class_path"])
    if not isinstance(value.get("init_args", {}), Mapping):
        got = shown(value["init_args"])
        raise InvalidValueError(key=f"{key}.init_args", got=got, expected="a map of arguments")
    if not isinstance(value.get("partial", False), bool):
        got = shown(value["partial"])
        raise InvalidValueError(key=f"{key}.partial", got=got, expected="true or false")


Arguments = Annotated[
    dict[str, Any], PlainValidator(_read, json_schema_input_type=dict[str, JsonValue])
]
"""Plain values, lists, maps and objects by the names of a constructor's arguments."""


def is_object(value: object) -> bool:
    """Whether a value is a class to be called."""
    return isinstance(value, Mapping) and "class_path" in value


def objects_of(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Each class path in a value with its key in the study file."""
    if is_object(value):
        yield f"{key}.class_path", value["class_path"]
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from objects_of(one, f"{key}.{name}")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from objects_of(one, f"{key}.{index}")


def with_params(given: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Put a trial's parameters among the arguments that the study file gives.

    >>> with_params({"net": {"class_path": "a.Net"}, "deep": True}, {"net.dropout": 0.5, "lr": 1})
    {'net': {'class_path': 'a.Net', 'init_args': {'dropout': 0.5}}, 'deep': True, 'lr': 1}
    """
    arguments = copy.deepcopy(dict(given))
    for name, value in params.items():
        *outer, last = name.split(".")
        inside = arguments
        for part in outer:
            inside = inside.setdefault(part, {})
            if is_object(inside):
                inside = inside.setdefault("init_args", {})
        inside[last] = value
    return arguments


def with_lists(params: Mapping[str, Any], lists: Mapping[str, str]) -> dict[str, Any]:
    """Put the parameters of layers together, as a constructor takes them.

    >>> with_lists({"depth": 2, "p_1": 0.1, "p_2": 0.3}, {"p": "depth"})
    {'depth': 2, 'p': [0.1, 0.3]}

    Args:
        params: A trial's.
        lists: The arguments that are lists, each with the parameter that counts the layers.

    Raises:
        KeyError: A layer has no value.
    """
    names = {kind: _layers_of(kind, params[count]) for kind, count in lists.items()}
    inside = {name for layers in names.values() for name in layers}
    whole = {name: value for name, value in params.items() if name not in inside}
    return whole | {kind: [params[one] for one in layers] for kind, layers in names.items()}


def _layers_of(kind: str, n_layers: int) -> list[str]:
    return [f"{kind}_{layer}" for layer in range(1, n_layers + 1)]


def fault_of_name(given: Mapping[str, Any], name: str) -> str | None:
    """Say why a parameter of the space cannot be put among the arguments; ``None``: it can."""
    *outer, last = name.split(".")
    inside: Any = given
    for part in outer:
        if not isinstance(inside.get(part), Mapping):
            return f"no object or map {'.'.join(outer)} is given"
        inside = inside[part]
        inside = inside.get("init_args", {}) if is_object(inside) else inside
    return "given twice" if last in inside else None
