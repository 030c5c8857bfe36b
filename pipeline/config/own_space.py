"""The space of a user's own model: its constructor's arguments."""

import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Strict,
    Tag,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from pipeline.config.domain import Choices, Range
from pipeline.config.frozen import OutOfLimitsError, shown
from pipeline.config.space import Space

ARGUMENT: Final = "^[A-Za-z][A-Za-z0-9_]{0,99}$"
LARGEST_WHOLE: Final = 2**53
"""Optuna keeps numbers as floats, which hold every whole number up to here."""


def _no_larger(number: int) -> int:
    if abs(number) > LARGEST_WHOLE:
        raise OutOfLimitsError(got=str(number), expected="a whole number of at most 2**53")
    return number


def _no_number(text: str) -> str:
    """Refuse a text that would be read back as a number from where parameters are texts."""
    if not text.isprintable():
        raise OutOfLimitsError(got=shown(text), expected="a text of one line that can be printed")
    try:
        float(text)
    except ValueError:
        return text
    raise OutOfLimitsError(got=repr(text), expected="a text that is no number")


Whole = Annotated[int, Strict(), AfterValidator(_no_larger)]
Real = Annotated[float, Strict()]
Text = Annotated[
    str,
    Strict(),
    Field(min_length=1, max_length=200, description="a text of 1 to 200 characters"),
    AfterValidator(_no_number),
]


def _form(domain: object) -> str | None:
    """Tell the forms apart: whole numbers where all are whole, texts where one is a text."""
    match domain:
        case {"choices": choices}:
            return f"({_kind(choices)} choices)"
        case Choices():
            return f"({_kind(domain.choices)} choices)"
        case Mapping():
            return f"({_kind([number for _, number in _leaves(domain)])} range)"
        case Range():
            return f"({_kind([domain.low])} range)"
        case int() | float() | str():
            return f"({_kind([domain])})"
    return None


def _kind(values: object) -> str:
    listed = values if isinstance(values, list | tuple) else ()
    if any(isinstance(value, str) for value in listed):
        return "text"
    return "real" if any(isinstance(value, float) for value in listed) else "whole"


def _refuse(domain: object) -> object:
    """Refuse what no form has: booleans, texts among numbers, a range of texts."""
    leaves = list(_leaves(domain))
    for key, value in leaves:
        if isinstance(value, bool):
            expected = f"a number or a text; {int(value)} stands for {shown(value)}"
            raise OutOfLimitsError(key=key, got=shown(value), expected=expected)
    texts = [key for key, value in leaves if isinstance(value, str)]
    if texts and (len(texts) < len(leaves) or not texts[0].startswith("choices")) and leaves[0][0]:
        raise OutOfLimitsError(got=shown(domain), expected="numbers only, or choices of texts only")
    return domain


def _leaves(domain: object) -> Iterator[tuple[str, object]]:
    match domain:
        case {"choices": [*choices]}:
            yield from ((f"choices.{index}", value) for index, value in enumerate(choices))
        case Mapping():
            yield from ((key, domain[key]) for key in ("low", "high", "step") if key in domain)
        case _:
            yield "", domain


OwnDomain = Annotated[
    Annotated[Whole, Tag("(whole)")]
    | Annotated[Real, Tag("(real)")]
    | Annotated[Text, Tag("(text)")]
    | Annotated[Range[Whole], Tag("(whole range)")]
    | Annotated[Range[Real], Tag("(real range)")]
    | Annotated[Choices[Whole], Tag("(whole choices)")]
    | Annotated[Choices[Real], Tag("(real choices)")]
    | Annotated[Choices[Text], Tag("(text choices)")],
    Discriminator(_form),
    BeforeValidator(_refuse),
]


class OpenSpace(Space):
    """The arguments of a user's own class, by name: numbers, texts, ranges and choices.

    ``batch_size`` is the rows a step. The others stand in the order of their names: the same file
    with its lines in another order is the same study.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, OwnDomain]

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, given: object) -> object:
        for name in given if isinstance(given, Mapping) else ():
            if not re.match(ARGUMENT, str(name)) or keyword.iskeyword(name) or name == "self":
                expected = "a name that an argument can have, without a leading underscore"
                raise OutOfLimitsError(key=str(name), got="another key", expected=expected)
        return given

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe every argument alike; a whole number is a number too."""
        schema = super().__get_pydantic_json_schema__(core, handler)
        schema["patternProperties"][ARGUMENT] = {"anyOf": schema["additionalProperties"]["oneOf"]}
        return schema | {"additionalProperties": False}
