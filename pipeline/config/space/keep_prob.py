"""``keep_prob``, the other way to give dropout: converted once, when a study file is read."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from pipeline.config.messages import MISSING, InvalidValueError, at_key, shown

KEEP_KEY: Final = re.compile(r"^((?:[a-z_]+_)?)keep_prob(_[1-9][0-9]*)?$")
DIGITS: Final = 12
"""Decimals after rounding, since 1 - 0.8 is 0.19999999999999996 in floats."""

_KEEP = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_PER_LAYER = {"type": "boolean", "default": False}
KEEP_PROB_SCHEMA: Final[dict[str, Any]] = {
    "oneOf": [
        _KEEP,
        {
            "type": "object",
            "properties": {
                "low": _KEEP,
                "high": _KEEP,
                "step": {"anyOf": [_KEEP, {"type": "null"}], "default": None},
                "log": {"const": False, "default": False},
                "per_layer": _PER_LAYER,
            },
            "required": ["low", "high"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {
                "choices": {"type": "array", "items": _KEEP, "minItems": 1, "maxItems": 1_000},
                "per_layer": _PER_LAYER,
            },
            "required": ["choices"],
            "additionalProperties": False,
        },
    ]
}


def dropout_key(key: str, rates: Collection[str]) -> str:
    """The dropout that a key of a study file gives: ``dropout_2`` for ``keep_prob_2``.

    Args:
        key: Of a space or of a fixed trial.
        rates: The dropouts of the model; a key of any other parameter is returned unchanged.
    """
    match = KEEP_KEY.match(key)
    is_rate = match is not None and f"{match[1]}dropout" in rates
    return key.replace("keep_prob", "dropout") if is_rate else key


def keep_key(rate: str) -> str:
    """The other name of a dropout: ``keep_prob`` for ``dropout``."""
    return rate.replace("dropout", "keep_prob")


def to_dropout(keep: Any) -> Any:
    """Turn a probability to keep, or a range or choices of them, into dropout: 0.8 into 0.2.

    Raises:
        InvalidValueError: A value is no probability to keep.
    """
    if not isinstance(keep, Mapping):
        return _one_to_dropout(keep)
    converted = dict(keep)
    if keep.get("log"):
        raise InvalidValueError(key="log", problem="not allowed; give dropout instead")
    if isinstance(keep.get("choices"), list | tuple):
        converted["choices"] = [
            _at(f"choices.{index}", value) for index, value in enumerate(keep["choices"])
        ]
    elif "choices" not in keep:
        converted |= _range_to_dropout(keep)
    return converted


def _range_to_dropout(keep: Mapping[str, Any]) -> dict[str, Any]:
    for end in ("low", "high"):
        if end not in keep:
            raise InvalidValueError(key=end, problem=MISSING)
    low, high = (_at(end, keep[end]) for end in ("low", "high"))
    if low < high:
        expected = f"a number of at most high, which is {keep['high']}"
        raise InvalidValueError(key="low", got=str(keep["low"]), expected=expected)
    return {"low": high, "high": low}


def _at(key: str, keep: Any) -> float:
    with at_key(key):
        return _one_to_dropout(keep)


def _one_to_dropout(keep: Any) -> float:
    if isinstance(keep, int | float) and not isinstance(keep, bool) and 0 < keep <= 1:
        return round(1.0 - keep, DIGITS)
    expected = "a probability to keep, above 0 and at most 1"
    raise InvalidValueError(got=shown(keep), expected=expected)
