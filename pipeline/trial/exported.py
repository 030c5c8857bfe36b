"""A network on its way out of this project, and what is told of it wherever it goes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

DESCRIPTION: Final = "dropout_search.json"
"""Under this name an exported file holds the network's description."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedNetwork:
    """A trial's network with its preprocessing, as a program that needs torch alone.

    Attributes:
        program: The content of a ``.pt2`` file.
        torch_version: Of the torch that wrote it, without its build.
        example: Two rows that no data set has, as nested lists.
        description: What whoever uses the network has to know, as plain values for JSON.
    """

    program: bytes = field(repr=False)
    torch_version: str
    example: Sequence[Any] = field(repr=False)
    description: Mapping[str, Any] = field(repr=False)


def description_json(description: Mapping[str, Any]) -> str:
    """Write a description as files hold it."""
    return json.dumps(description, ensure_ascii=False, indent=1)
