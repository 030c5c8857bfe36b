"""The base of every record of the configuration: frozen, and checked when built."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
LARGEST_SEED = 2**32 - 1


class Frozen(BaseModel):
    """A record that cannot exist wrongly: unknown keys and later changes are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _not_only_dots(name: str) -> str:
    if re.search(r"\.\.", name):
        message = f"{name!r}, expected a name without '..'"
        raise ValueError(message)
    return name


Name = Annotated[str, Field(pattern=NAME_PATTERN), AfterValidator(_not_only_dots)]
"""A study's name: letters, digits, '.', '_', '-'; it names an experiment and files."""

Whole = Annotated[int, Strict()]
Real = Annotated[float, Strict()]
Count = Annotated[int, Strict(), Field(ge=1, le=1_000_000)]
Seed = Annotated[int, Strict(), Field(ge=0, le=LARGEST_SEED)]

Scalar = int | float | str
Params = dict[str, Any]
"""Parameter names to plain values: ``{"depth": 2, "learning_rate": 1e-3}``."""
