"""What ends a trial by mistake, told in one line."""

import traceback

import torch

from pipeline.errors import without_password

OUT_OF_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")


def describe_failure(error: Exception) -> str:
    """Name a failure in one line: its kind, what it says, and the line that raised it."""
    text = without_password(" ".join(str(error).split()))[:300]
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return f"out of memory: {text}"
    # On the CPU torch raises a plain RuntimeError, and words it by the platform.
    if isinstance(error, RuntimeError) and any(words in text for words in OUT_OF_MEMORY):
        return f"out of memory: {text}"
    return f"{type(error).__name__}: {text}{_place(error)}"


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno})" if trace else ""


def describe_user_failure(error: BaseException, *class_paths: str) -> str:
    """Name a failure in one line, and the last line of the user's own code on the way to it.

    Args:
        error: What was raised.
        class_paths: The user's classes; code of their top-level packages is the user's.
    """
    # The Trainer turns a user's KeyboardInterrupt into an exit.
    if isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt):
        error = error.__context__
    if isinstance(error, Exception):
        told = describe_failure(error)
    else:
        told = without_password(f"{type(error).__name__}: {error}").removesuffix(": ")
    place = _own_place(error, {path.partition(".")[0] for path in class_paths})
    return told if place is None or place in told else f"{told}, in {place}"


def _own_place(error: BaseException, packages: set[str]) -> str | None:
    places = [
        (str(frame.f_globals.get("__name__")), line)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    own = [place for place in places if place[0].partition(".")[0] in packages]
    return f"{own[-1][0]}:{own[-1][1]}" if own else None
