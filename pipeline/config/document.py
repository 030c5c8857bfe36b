"""A study as plain values: what its digest stands for, and how two of them differ."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pipeline.config.frozen import shown
from pipeline.config.study import StudyConfig

GROWING: Final = "search.trials"
"""The one value that may change while a study goes on."""


def digest(study: StudyConfig) -> str:
    """SHA-256 over everything in a study file but the number of trials, which may grow."""
    document = study.document
    del document["search"]["trials"]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name each dotted key whose value is not the same in two study documents."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return [
        f"{key}: {before.get(key, 'not set')} → {after.get(key, 'not set')}"
        for key in dict.fromkeys([*before, *after])
        if key != GROWING and before.get(key) != after.get(key)
    ]


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        inner = list(value.items())
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        inner = list(enumerate(value))
    for key, item in inner:
        yield from _leaves(item, f"{prefix}.{key}" if prefix else str(key))
    if not inner:
        yield prefix, shown(value)
