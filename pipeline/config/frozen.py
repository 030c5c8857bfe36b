"""Records of the configuration: frozen, checked when built, and the types of their values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from pipeline.config.messages import InvalidValueError, shown, unknown_key

LARGEST_SEED: Final = 2**32 - 1


class Frozen(BaseModel):
    """A record that cannot hold wrong values: unknown keys and later changes are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, given: object) -> object:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in given if isinstance(given, Mapping) else ():
            if key not in known:
                raise InvalidValueError(key=str(key), problem=unknown_key(key, known))
        return given


@dataclass(frozen=True)
class Matching:
    """A limit of texts: a pattern and a length, and what both mean in words."""

    pattern: str
    longest: int
    words: str

    def check(self, text: object) -> str:
        """Give the text if it matches.

        Raises:
            InvalidValueError: It does not, or is no text.
        """
        if isinstance(text, str) and len(text) <= self.longest and re.fullmatch(self.pattern, text):
            return text
        raise InvalidValueError(got=shown(text), expected=self.words)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check what the annotated type accepts."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the limit to editors of study files."""
        limits = {"pattern": self.pattern, "maxLength": self.longest, "description": self.words}
        return handler(core) | limits


Name = Annotated[
    str,
    Strict(),
    Matching(
        r"^[A-Za-z0-9](\.?[A-Za-z0-9_-])*\.?$",
        100,
        "a name of at most 100 letters, digits, '.', '_' and '-' that begins with a letter or "
        "digit and has no '..'",
    ),
]
"""A study's name: it names an experiment and files."""

Bool = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
Real = Annotated[float, Strict()]
Text = Annotated[str, Strict()]
Count = Annotated[int, Strict(), Field(ge=1, le=1_000_000)]
Seed = Annotated[int, Strict(), Field(ge=0, le=LARGEST_SEED)]

Scalar = int | float | str
Params = dict[str, Any]
"""Parameter names to plain values: ``{"depth": 2, "learning_rate": 1e-3}``."""
