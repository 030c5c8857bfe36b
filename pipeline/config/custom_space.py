"""Arguments of user-defined classes as parameters: their types follow from the study file."""

import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, Strict

from pipeline.config.messages import InvalidValueError, shown
from pipeline.config.parameters import Parameter

ARGUMENT: Final = "^[A-Za-z][A-Za-z0-9_]{0,99}$"
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
    for kind, values in ((int, Whole), (float, Real), (str, Text))
}
"""An argument whose values are whole numbers, numbers or texts."""


def check_argument(name: str) -> None:
    """Refuse a name that a constructor's argument cannot have.

    Raises:
        InvalidValueError: It is no identifier, or a keyword of Python.
    """
    if not re.match(ARGUMENT, name) or keyword.iskeyword(name) or name == "self":
        problem = "not a valid argument name: letters, digits and '_', a letter first"
        raise InvalidValueError(key=name, problem=problem)


def argument(given: object) -> Parameter:
    """Choose the type of an argument: whole numbers where all of its values are.

    Args:
        given: A value, range or choices of a study file.

    Raises:
        InvalidValueError: It holds booleans, or texts beside numbers.
    """
    values = dict(_values_of(given))
    for key, value in values.items():
        if isinstance(value, bool):
            expected = f"a number or a text; write {int(value)} for {shown(value)}"
            raise InvalidValueError(key=key, got=shown(value), expected=expected)
    kinds = {type(value) for value in values.values()}
    is_range = isinstance(given, Mapping) and "choices" not in given
    if str in kinds and (is_range or len(kinds) > 1):
        expected = "numbers only, or choices of texts only"
        raise InvalidValueError(got=shown(given), expected=expected)
    return KINDS[str if str in kinds else float if float in kinds else int]


def _values_of(given: object) -> Iterator[tuple[str, Any]]:
    match given:
        case {"choices": [*choices]}:
            yield from ((f"choices.{index}", value) for index, value in enumerate(choices))
        case Mapping():
            yield from ((key, given[key]) for key in ("low", "high", "step") if key in given)
        case _:
            yield "", given
