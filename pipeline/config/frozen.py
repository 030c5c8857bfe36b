"""The base of every record of the configuration: frozen, and checked when built."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict

NAME_PATTERN = r"^[A-Za-z0-9](\.?[A-Za-z0-9_-])*\.?$"
LARGEST_SEED = 2**32 - 1


class Frozen(BaseModel):
    """A record that cannot exist wrongly: unknown keys and later changes are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class OutOfLimitsError(ValueError):
    """What a record's own check raises; pydantic adds the place of the record in the file.

    Args:
        key: The dotted path of the value inside the record; empty where the record is meant.
        got: The value as it was given.
        expected: What would have been right, its limit included.
    """

    def __init__(self, *, key: str = "", got: str, expected: str) -> None:
        self.key = key
        self.got = got
        self.expected = expected
        super().__init__(f"{key}: got {got}, expected {expected}".removeprefix(": "))


Name = Annotated[
    str,
    Strict(),
    Field(
        pattern=NAME_PATTERN,
        max_length=100,
        description="a name of letters, digits, '.', '_' and '-', at most 100 of them, "
        "a letter or digit first, no '..'",
    ),
]
"""A study's name: it names an experiment and files."""

Whole = Annotated[int, Strict()]
Real = Annotated[float, Strict()]
Text = Annotated[str, Strict()]
Count = Annotated[int, Strict(), Field(ge=1, le=1_000_000)]
Seed = Annotated[int, Strict(), Field(ge=0, le=LARGEST_SEED)]

Scalar = int | float | str
Params = dict[str, Any]
"""Parameter names to plain values: ``{"depth": 2, "learning_rate": 1e-3}``."""


def shown(value: object) -> str:
    """Show a value on a part of a line, as YAML writes it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return f"a map with {', '.join(map(str, list(value)[:6]))}" if value else "an empty map"
    text = repr(list(value) if isinstance(value, tuple) else value)
    return f"{text[:77]}…" if len(text) > 80 else text  # noqa: PLR2004 - most of a line
