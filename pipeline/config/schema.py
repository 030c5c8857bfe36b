"""The study file's JSON schema: which space a file may have depends on its model."""

from collections.abc import Mapping
from typing import Any

from pydantic import GetJsonSchemaHandler

from pipeline.config.spaces import SpaceKey, space_types


def space_by_model(schema: dict[str, Any], handler: GetJsonSchemaHandler) -> dict[str, Any]:
    """Choose the schema of the space by model and data.

    Args:
        schema: A study file's.
        handler: Describes the spaces.
    """
    schema["properties"]["space"] = {"type": "object", "title": "Space"}
    schema["allOf"] = [
        {"if": _of(key), "then": {"properties": {"space": handler(space.__pydantic_core_schema__)}}}
        for key, space in space_types().items()
    ]
    return schema


def _of(key: SpaceKey) -> dict[str, Any]:
    """The condition on a study file's model and data that a type of spaces stands for."""
    name, has_own_data = key
    if name is None:
        return _having("model", "class_path", {"type": "string"})
    of_model = _having("model", "name", {"const": name})
    own_data = _having("data", "class_path", {"type": "string"})
    return {"allOf": [of_model, own_data if has_own_data else {"not": own_data}]}


def _having(section: str, key: str, value: dict[str, Any]) -> dict[str, Any]:
    held = {"properties": {key: value}, "required": [key]}
    return {"properties": {section: held}, "required": [section]}


def for_document(schema: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Narrow the schema of all study files to those that have a document's model and data."""
    name = _value(document, "model", "name")
    name = name if isinstance(name, str) else None
    key = (name, name is not None and _value(document, "data", "class_path") is not None)
    keys = list(space_types())
    place = keys.index(key) if key in keys else 0
    chosen = schema["allOf"][place]["then"]["properties"]
    return {**schema, "properties": {**schema["properties"], **chosen}}


def _value(document: Mapping[str, Any], section: str, key: str) -> Any:
    found = document.get(section)
    return found.get(key) if isinstance(found, Mapping) else None
