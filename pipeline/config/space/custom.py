"""Arguments of user-defined classes as parameters: their types follow from the study file."""

import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, Strict

from pipeline.config.frozen import Bool
from pipeline.config.messages import InvalidValueError, shown
from pipeline.config.space.parameters import Parameter

ARGUMENT: Final = r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*$"
LONGEST_NAME: Final = 100
LARGEST_WHOLE: Final = 2**53
"""Optuna stores numbers as floats, which represent every whole number up to this."""


def _check_size(number: int) -> int:
    if abs(number) > LARGEST_WHOLE:
        raise InvalidValueError(got=str(number), expected="a whole number of at most 2**53")
    return number


def _check_text(text: str) -> str:
    """Refuse a text that a store which holds parameters as texts would read as a number."""
    if not text.isprintable():
        raise InvalidValueError(got=shown(text), expected="a text of one line that can be printed")
    if text in ("True", "False"):
        raise InvalidValueError(got=repr(text), expected="true or false, or another text")
    try:
        float(text)
    except ValueError:
        return text
    raise InvalidValueError(got=repr(text), expected="a text that is no number")


Whole = Annotated[int, Strict(), AfterValidator(_check_size)]
Real = Annotated[float, Strict()]
Text = Annotated[
    str,
    Strict(),
    Field(min_length=1, max_length=200, description="a text of 1 to 200 characters"),
    AfterValidator(_check_text),
]
KINDS: Final[Mapping[type, Parameter]] = {
    kind: Parameter(name="argument", means="an argument of the constructor", values=values)
    for kind, values in ((int, Whole), (float, Real), (str, Text), (bool, Bool))
}
"""An argument whose values are whole numbers, numbers, texts or booleans."""


def check_argument(name: str) -> None:
    """Refuse a name that a constructor's argument cannot have.

    Raises:
        InvalidValueError: It is no identifier, or a keyword of Python.
    """
    parts = name.split(".")
    is_name = re.match(ARGUMENT, name) and len(name) <= LONGEST_NAME and parts[0] != "self"
    if not is_name or any(map(keyword.iskeyword, parts)):
        problem = (
            "not a valid argument name: letters, digits and '_', a letter first, "
            "and dots for an argument of an object"
        )
        raise InvalidValueError(key=name, problem=problem)


def argument(given: object) -> Parameter:
    """Choose the type of an argument: whole numbers where all of its values are.

    Args:
        given: A value, range or choices of a study file.

    Raises:
        InvalidValueError: It is a range of texts or booleans, or mixes them with numbers.
    """
    kinds = {type(value) for value in _values_of(given)}
    is_range = isinstance(given, Mapping) and "choices" not in given
    for kind in (str, bool):
        if kind in kinds and (is_range or len(kinds) > 1):
            expected = "numbers only, or choices of texts only, or of booleans only"
            raise InvalidValueError(got=shown(given), expected=expected)
        if kind in kinds:
            return KINDS[kind]
    return KINDS[float if float in kinds else int]


def _values_of(given: object) -> Iterator[Any]:
    match given:
        case {"choices": [*choices]}:
            yield from choices
        case Mapping():
            yield from (given[key] for key in ("low", "high", "step") if key in given)
        case _:
            yield given
