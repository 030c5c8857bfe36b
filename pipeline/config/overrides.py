"""``--set KEY=VALUE``: values of a study file replaced from the command line."""

from collections.abc import Mapping
from typing import Any, Final

from pipeline.config.frozen import shown
from pipeline.config.study_text import parse
from pipeline.errors import BadInputError

LONGEST_PATH: Final = 20
"""No key of a study lies so deep."""


def apply(document: Mapping[str, Any], override: str) -> dict[str, Any]:
    """Replace one value of a study document.

    Args:
        document: The study's sections; it is not changed.
        override: ``KEY=VALUE`` with a dotted key; the value is YAML, nothing stands for null.

    Raises:
        BadInputError: It has no key or no ``=``, or the key leads nowhere.
    """
    key, equals, text = override.partition("=")
    path = key.split(".")
    if not equals or not all(path) or len(path) > LONGEST_PATH:
        expected = "KEY=VALUE, for example training.epochs=5"
        raise BadInputError(where="--set", got=repr(override), expected=expected)
    value = parse(text, f"--set {key}") if text.strip() else None
    changed: dict[str, Any] = _replaced(document, path, value, key)
    return changed


def _replaced(section: Any, path: list[str], value: Any, key: str) -> Any:
    if not path:
        return value
    first, *rest = path
    if isinstance(section, list):
        place = _place(section, first, key)
        changed = _replaced(section[place], rest, value, key)
        return [*section[:place], changed, *section[place + 1 :]]
    if section is not None and not isinstance(section, Mapping):
        got = f"a key below the value {shown(section)}"
        raise BadInputError(where="--set", key=key, got=got, expected="a key of the study")
    inner = dict(section or {})
    return inner | {first: _replaced(inner.get(first), rest, value, key)}


def _place(section: list[Any], part: str, key: str) -> int:
    is_number = part.isascii() and part.isdecimal() and len(part) <= len(str(len(section)))
    if is_number and int(part) < len(section):
        return int(part)
    expected = f"a place in a list of {len(section)}, counted from 0"
    raise BadInputError(where="--set", key=key, got=repr(part), expected=expected)
