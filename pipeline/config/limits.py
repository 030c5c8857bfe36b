"""What may stand at a place of a study file, in words; read from its JSON schema."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Node = Mapping[str, Any]
NUMERIC: Final = {"integer": "a whole number", "number": "a number"}
BOUNDS: Final = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


class Limits:
    """A JSON schema that can be asked what it allows at a place.

    Args:
        schema: With its definitions under ``$defs``.
    """

    def __init__(self, schema: Node) -> None:
        self._schema = schema

    def keys(self, location: Sequence[int | str]) -> list[str]:
        """Name the keys that a map at this place may have; of ``width_N`` the first."""
        return [key for node in self._at(location) for key in _keys(node)]

    def words(self, location: Sequence[int | str], value: object = None) -> str:
        """Say what may stand at this place: its type and all its limits.

        Args:
            location: Keys and places in lists, from the top.
            value: What stands there; for a number only the numbers that may are told of.
        """
        nodes = list(self._at(location))
        if isinstance(value, int | float) and not isinstance(value, bool):
            nodes = [node for node in nodes if _is_numeric(node)] or nodes
        return words(nodes)

    def _at(self, location: Sequence[int | str]) -> list[Node]:
        nodes = list(self._branches(self._schema))
        for part in location:
            below = [child for node in nodes for child in _children(node, part)]
            nodes = [branch for child in below for branch in self._branches(child)]
        return nodes

    def _branches(self, node: Node) -> Iterator[Node]:
        if "$ref" in node:
            yield from self._branches(self._schema["$defs"][node["$ref"].rpartition("/")[2]])
        elif "oneOf" in node or "anyOf" in node:
            for branch in (*node.get("oneOf", ()), *node.get("anyOf", ())):
                yield from self._branches(branch)
        else:
            yield node


def words(nodes: Sequence[Node]) -> str:
    """Say which values a few alternative pieces of a JSON schema allow."""
    told = dict.fromkeys(_told(node) for node in nodes if node.get("type") != "null")
    return ", or ".join(told) or "a value"


def _told(node: Node) -> str:
    if "enum" in node or "const" in node:
        allowed = [str(value) for value in node.get("enum", [node.get("const")])]
        return f"one of {', '.join(allowed)}" if allowed[1:] else allowed[0]
    kind = str(node.get("type", "string"))
    if kind in NUMERIC:
        return f"{NUMERIC[kind]}{_bounds(node)}"
    told = {
        "array": f"a list{_length(node)}",
        "object": f"a map{_needed(node)}",
        "boolean": "true or false",
    }
    return told.get(kind) or str(node.get("description", "a text"))


def _bounds(node: Node) -> str:
    bounds = [
        f"{word} {node[bound]:,}"
        for bound, word in BOUNDS.items()
        if bound in node and not (bound == "minimum" and "exclusiveMinimum" in node)
    ]
    if {"minimum", "maximum"} == node.keys() & BOUNDS.keys():
        return f" from {node['minimum']:,} to {node['maximum']:,}"
    told = " and ".join(bounds)
    return f" of {told}" if told.startswith("at ") else f" {told}".rstrip()


def _length(node: Node) -> str:
    return f" of {node['minItems']:,} to {node['maxItems']:,} values" if "minItems" in node else ""


def _needed(node: Node) -> str:
    required = node.get("required", ())
    return f" with {', '.join(required)}" if required else ""


def _is_numeric(node: Node) -> bool:
    return node.get("type") in NUMERIC


def _children(node: Node, part: int | str) -> Iterator[Node]:
    if isinstance(part, int):
        yield from (node[word] for word in ("items",) if word in node)
    elif part in node.get("properties", {}):
        yield node["properties"][part]
    else:
        patterns = node.get("patternProperties", {})
        yield from (child for pattern, child in patterns.items() if re.match(pattern, part))


def _keys(node: Node) -> Iterator[str]:
    yield from node.get("properties", {})
    yield from map(_first, node.get("patternProperties", {}))


def _first(pattern: str) -> str:
    """The first key of a pattern ``^width_(…)$``."""
    return f"{pattern.removeprefix('^').partition('(')[0]}1"
