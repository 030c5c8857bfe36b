"""The errors a user may meet; each carries the exit code that the command line gives."""

from typing import ClassVar


class DropoutSearchError(Exception):
    """Anything this project raises on purpose: one sentence, no traceback."""

    exit_code: ClassVar[int] = 1


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
        super().__init__(f"{place}: got {got}, expected {expected}")


class EndOfEngineError(WorkFailedError):
    """The engine cannot go on: its workers do not start."""


def without_password(address: str) -> str:
    """An address as errors may show it."""
    scheme, mark, rest = address.partition("://")
    user, at, host = rest.partition("/")[0].rpartition("@")
    return f"{scheme}{mark}…{rest.removeprefix(user)}" if at and host else address
