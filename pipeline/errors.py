"""The errors a user may meet; each carries the exit code that the command line gives."""

import re
from collections.abc import Callable
from functools import wraps
from typing import ClassVar, Final, ParamSpec, TypeVar, overload

P = ParamSpec("P")
R = TypeVar("R")

LONGEST_VALUE: Final = 1_000
"""Characters of a value that an error shows."""
SECRETS: Final = (
    # The password may hold what an address may not; everything up to the last @ goes.
    (re.compile(r"://(?:[^:/\s]*:\S*|[^:/\s@]+)@"), "://…@"),
    (re.compile(r"(?i)((?:password|passwd|pwd|token|secret)\w*=)[^&\s'\"]+"), r"\1…"),
)


USER_ALONE: Final = re.compile(r"://[^:/\s@]+@")


def without_password(text: str) -> str:
    """A text as errors may show it: its addresses without users and passwords.

    >>> without_password("no answer from postgresql://me:secret@host/db?sslpassword=secret")
    'no answer from postgresql://…@host/db?sslpassword=…'
    """
    for pattern, shown in SECRETS:
        text = pattern.sub(shown, text)
    return text


def holds_password(text: str) -> bool:
    """Whether a text has more to hide than the user of an address.

    >>> [holds_password(f"postgresql://{text}") for text in ("me@host/db", "me:a/b@host/db")]
    [False, True]
    """
    return without_password(text) != USER_ALONE.sub("://…@", text)


def visible(text: str) -> str:
    """Show what cannot be printed by its code: a record's text may hold a terminal's commands."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "trial"), counted(2, "trial")
    ('1 trial', '2 trials')
    """
    return f"{number} {noun}{'s' * (number != 1)}"


def as_sentence(text: str) -> str:
    """Begin a text with a capital letter and end it with a full stop.

    >>> as_sentence("trial 7 wins")
    'Trial 7 wins.'
    """
    return f"{text[:1].upper()}{text[1:]}."


class DropoutSearchError(Exception):
    """Anything this project raises on purpose: one sentence, no traceback, no password."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(without_password(message))


class WorkFailedError(DropoutSearchError):
    """The question was sound, but the work could not be done (exit code 1)."""


class BadInputError(DropoutSearchError):
    """What the user gave is wrong; nothing was changed on disk (exit code 2).

    Of a value, say what was got and what was expected; of anything else, what is wrong:

    >>> print(BadInputError(where="a.yaml", key="space.depth", got="-1", expected="at least 0"))
    a.yaml: space.depth: got -1, expected at least 0
    >>> print(BadInputError(where="a.yaml", key="data.path", problem="not allowed with mnist"))
    a.yaml: data.path: not allowed with mnist

    Args:
        where: The file, address or command that holds the fault.
        key: The dotted path of the fault inside it; empty where the whole is meant.
        problem: What is wrong, in words, with what is allowed.
        got: Instead of ``problem``, the value as it was given; what is too long is cut.
        expected: What would have been right, its limit included.
    """

    exit_code: ClassVar[int] = 2

    @overload
    def __init__(self, *, where: str, key: str = "", problem: str) -> None: ...
    @overload
    def __init__(self, *, where: str, key: str = "", got: str, expected: str) -> None: ...
    def __init__(
        self, *, where: str, key: str = "", problem: str = "", got: str = "", expected: str = ""
    ) -> None:
        self.where = where
        self.key = key
        self.problem = problem or f"got {_cut(got)}, expected {expected}"
        super().__init__(f"{where}: {key}: {self.problem}" if key else f"{where}: {self.problem}")


def _cut(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}…"


class StorageAwayError(WorkFailedError):
    """Optuna's storage does not answer; it may be back soon."""


class EndOfEngineError(WorkFailedError):
    """The engine cannot go on: its workers do not start."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its name where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def wrap_errors(
    system: str,
    *errors: type[Exception],
    reason: Callable[[BaseException], str] = first_line,
    kind: Callable[[BaseException], type[WorkFailedError]] = lambda _error: WorkFailedError,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a decorator that turns another system's errors into one sentence.

    The sentence names the decorated function: "MLflow cannot read trial: …".

    Args:
        system: The name that people know it by.
        errors: What it raises.
        reason: Says in one line what an error is about.
        kind: Chooses what is raised instead of an error.
    """

    def decorate(work: Callable[P, R]) -> Callable[P, R]:
        @wraps(work)
        def attempt(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return work(*args, **kwargs)
            except errors as error:
                task = work.__name__.replace("_", " ").strip()
                message = f"{system} cannot {task}: {reason(error)}"
                raise kind(error)(message) from error

        return attempt

    return decorate
