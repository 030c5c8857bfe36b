"""The study file's JSON schema: which space a file may have depends on its model."""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any, Final

from pipeline.config.spaces import SPACES

AnySpace: Final[Any] = reduce(or_, SPACES.values())
"""A space of any model."""


def space_by_model(schema: dict[str, Any]) -> dict[str, Any]:
    """Choose the schema of the space by the model's name.

    Args:
        schema: A study file's, whose space is any model's.
    """
    spaces = schema["properties"]["space"]["anyOf"]
    schema["properties"]["space"] = {"type": "object", "title": "Space"}
    schema["allOf"] = [
        {"if": _of_model(name), "then": {"properties": {"space": space}}}
        for name, space in zip(SPACES, spaces, strict=True)
    ]
    return schema


def _of_model(name: str | None) -> dict[str, Any]:
    key, named = ("class_path", {"type": "string"}) if name is None else ("name", {"const": name})
    model = {"properties": {key: named}, "required": [key]}
    return {"properties": {"model": model}, "required": ["model"]}


def for_document(schema: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Narrow the schema of all study files to those that have a document's model."""
    model = document.get("model")
    name = model.get("name") if isinstance(model, Mapping) else None
    place = list(SPACES).index(name) if name in SPACES else 0
    chosen = schema["allOf"][place]["then"]["properties"]
    return {**schema, "properties": {**schema["properties"], **chosen}}
