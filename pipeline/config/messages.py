"""What is wrong with a configuration, in words for the author of a study file."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from pydantic import ValidationError

WIDEST_VALUE: Final = 80
"""Characters of a value that a message shows: most of a line."""
MISSING: Final = "required, but missing"
EXPECTED: Final[Mapping[str, str]] = {
    "bool_type": "true or false",
    "dict_type": "a map",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "a number above {gt:,.12g}",
    "greater_than_equal": "a number of at least {ge:,.12g}",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "less_than": "a number below {lt:,.12g}",
    "less_than_equal": "a number of at most {le:,.12g}",
    "literal_error": "{expected}",
    "model_type": "a map",
    "string_too_long": "a text of at most {max_length} characters",
    "string_too_short": "a text of at least {min_length} characters",
    "string_type": "a text",
    "too_long": "a list of at most {max_length:,} values",
    "too_short": "a list of at least {min_length:,} values",
    "tuple_type": "a list",
}
"""Pydantic's types of errors, in words; the limits come from an error's context."""


class InvalidValueError(ValueError):
    """A value that a configuration refuses; pydantic adds the record's own key.

    Args:
        key: The dotted path of the value inside the record; empty where the record is meant.
        problem: What is wrong, in words, with what is allowed.
        got: Instead of ``problem``, the value as it was given.
        expected: The values that are allowed.
    """

    def __init__(
        self, *, key: str = "", problem: str = "", got: str = "", expected: str = ""
    ) -> None:
        self.key = _encodable(key)
        self.problem = _encodable(problem or f"got {got}, expected {expected}")
        super().__init__(f"{self.key}: {self.problem}".removeprefix(": "))

    def below(self, key: str) -> "InvalidValueError":
        """The same fault, in a record that is itself the value of a key."""
        path = ".".join(filter(None, (key, self.key)))
        return InvalidValueError(key=path, problem=self.problem)


def _encodable(text: str) -> str:
    """A text that pydantic and a terminal can write: half a surrogate pair becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


@contextmanager
def at_key(key: str) -> Iterator[None]:
    """Name the key of the value that is checked inside.

    Raises:
        InvalidValueError: The value is refused, by pydantic or by a check of this project.
    """
    try:
        yield
    except InvalidValueError as error:
        raise error.below(key) from None
    except ValidationError as error:
        raise fault_of(error).below(key) from None


def fault_of(error: ValidationError) -> InvalidValueError:
    """Put the first of pydantic's errors into words."""
    first = error.errors(include_url=False)[0]
    key = ".".join(map(str, first["loc"]))
    context: Mapping[str, Any] = first.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, InvalidValueError):
        return cause.below(key)
    if first["type"] == "missing":
        return InvalidValueError(key=key, problem=MISSING)
    words = EXPECTED.get(first["type"])
    expected = words.format(**context) if words else first["msg"]
    return InvalidValueError(key=key, got=shown(first["input"]), expected=expected)


def unknown_key(key: object, known: Iterable[str]) -> str:
    """Describe a key that does not exist, with the nearest that does."""
    names = list(known)
    near = difflib.get_close_matches(str(key), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(names)}"
    return f"unknown key, {hint}"


def shown(value: object) -> str:
    """Show a value on a part of a line, as YAML writes it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case Mapping():
            return f"a map with {', '.join(map(str, list(value)[:6]))}" if value else "an empty map"
    text = repr(list(value) if isinstance(value, tuple) else value)
    return f"{text[: WIDEST_VALUE - 3]}…" if len(text) > WIDEST_VALUE else text
