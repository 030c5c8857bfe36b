"""``keep_prob``, the other way to say dropout: converted once, at the door of the study file."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from pipeline.config.frozen import OutOfLimitsError, shown

KEEP_KEY = re.compile(r"^((?:input_|block_)?)keep_prob(_[1-9][0-9]*)?$")
DROPOUT_KEY = re.compile(r"^((?:input_|block_)?)dropout(_[1-9][0-9]*)?$")
DIGITS: Final = 12
"""Decimals that are kept, since 1 - 0.8 is 0.19999999999999996 in floats."""

_KEPT = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_PER_LAYER = {"type": "boolean", "default": False}
KEEP_PROB_SCHEMA: Final[dict[str, Any]] = {
    "oneOf": [
        _KEPT,
        {
            "type": "object",
            "properties": {
                "low": _KEPT,
                "high": _KEPT,
                "step": {"anyOf": [_KEPT, {"type": "null"}], "default": None},
                "log": {"const": False, "default": False},
                "per_layer": _PER_LAYER,
            },
            "required": ["low", "high"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {
                "choices": {"type": "array", "items": _KEPT, "minItems": 1, "maxItems": 1_000},
                "per_layer": _PER_LAYER,
            },
            "required": ["choices"],
            "additionalProperties": False,
        },
    ]
}


def dropout_key(key: str) -> str:
    """Name what a key of the file stands for: ``keep_prob_2`` is ``dropout_2``."""
    return key.replace("keep_prob", "dropout") if KEEP_KEY.match(key) else key


def keep_key(key: str) -> str:
    """Name a dropout as a file with ``keep_prob`` does: ``dropout_2`` is ``keep_prob_2``."""
    return key.replace("dropout", "keep_prob") if DROPOUT_KEY.match(key) else key


def to_drop(kept: float) -> float:
    """Turn a probability to keep into the one to drop, as a plain decimal: 0.8 into 0.2."""
    return round(1.0 - kept, DIGITS)


def without_keep_prob(section: Mapping[str, Any], rates: Collection[str]) -> dict[str, Any]:
    """Turn each ``keep_prob`` of a space or of a fixed trial into ``dropout``.

    Args:
        section: Values by the file's keys.
        rates: The dropouts that the model has; other keys are left as they are.

    Raises:
        OutOfLimitsError: A value is no probability to keep, or both words name one layer.
    """
    turned: dict[str, Any] = {}
    for key, value in section.items():
        match = KEEP_KEY.match(str(key))
        name = dropout_key(str(key))
        if not match or f"{match[1]}dropout" not in rates:
            turned[key] = value
        elif name in section:
            got = f"both {key} and {name}"
            raise OutOfLimitsError(key=str(key), got=got, expected="one of them")
        else:
            turned[name] = _dropped(value, str(key))
    return turned


def _dropped(kept: Any, place: str) -> Any:
    """Turn a probability to keep, or a range or choices of them, into one to drop."""
    if not isinstance(kept, Mapping):
        return _one_dropped(kept, place)
    turned = dict(kept)
    if kept.get("log"):
        expected = "no log for probabilities to keep; write dropout instead"
        raise OutOfLimitsError(key=f"{place}.log", got=shown(kept["log"]), expected=expected)
    if isinstance(kept.get("choices"), list | tuple):
        turned["choices"] = [
            _one_dropped(value, f"{place}.choices.{index}")
            for index, value in enumerate(kept["choices"])
        ]
    elif "choices" not in kept:
        turned |= _range_dropped(kept, place)
    return turned


def _range_dropped(kept: Mapping[str, Any], place: str) -> dict[str, Any]:
    dropped = {end: _one_dropped(kept.get(end), f"{place}.{end}") for end in ("low", "high")}
    if dropped["low"] < dropped["high"]:
        expected = f"a number of at most high, which is {kept['high']}"
        raise OutOfLimitsError(key=f"{place}.low", got=str(kept["low"]), expected=expected)
    return {"low": dropped["high"], "high": dropped["low"]}


def _one_dropped(kept: Any, place: str) -> float:
    if isinstance(kept, int | float) and not isinstance(kept, bool) and 0 < kept <= 1:
        return to_drop(kept)
    expected = "a probability to keep, above 0 and at most 1"
    raise OutOfLimitsError(key=place, got=shown(kept), expected=expected)
