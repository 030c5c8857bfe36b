"""The errors a user may meet; each carries the exit code that the command line gives."""

import re
from typing import ClassVar, Final

LONGEST_VALUE: Final = 1_000
"""Characters of a value that an error shows."""
SECRETS: Final = (
    # The password may hold what an address may not; everything up to the last @ goes.
    (re.compile(r"://(?:[^:/\s]*:\S*|[^:/\s@]+)@"), "://…@"),
    (re.compile(r"(?i)((?:password|passwd|pwd|token|secret)\w*=)[^&\s'\"]+"), r"\1…"),
)


def without_password(text: str) -> str:
    """A text as errors may show it: its addresses without users and passwords.

    >>> without_password("no answer from postgresql://me:secret@host/db?sslpassword=secret")
    'no answer from postgresql://…@host/db?sslpassword=…'
    """
    for pattern, shown in SECRETS:
        text = pattern.sub(shown, text)
    return text


def visible(text: str) -> str:
    """Show what cannot be printed by its code: a record's text may hold a terminal's commands."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class DropoutSearchError(Exception):
    """Anything this project raises on purpose: one sentence, no traceback, no password."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(without_password(message))


class WorkFailedError(DropoutSearchError):
    """The question was sound, but the work could not be done (exit code 1)."""


class BadInputError(DropoutSearchError):
    """What the user gave is wrong; nothing was changed on disk (exit code 2).

    Args:
        where: The file, address or command that holds the wrong value.
        key: The dotted path of the value inside it; empty where the whole is meant.
        got: The value as it was given.
        expected: What would have been right, its limit included.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, *, where: str, key: str = "", got: str, expected: str) -> None:
        self.where = where
        self.key = key
        self.got = got
        self.expected = expected
        place = f"{where}: {key}" if key else where
        told = got if len(got) <= LONGEST_VALUE else f"{got[:LONGEST_VALUE]}…"
        super().__init__(f"{place}: got {told}, expected {expected}")


class EndOfEngineError(WorkFailedError):
    """The engine cannot go on: its workers do not start."""
