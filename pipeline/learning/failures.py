"""Descriptions of failures in one line, as a trial's record holds them."""

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
    return f"{type(error).__name__}: {text}{_raising_line(error)}"


def _raising_line(error: Exception) -> str:
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
        text = describe_failure(error)
    else:
        text = without_password(f"{type(error).__name__}: {error}").removesuffix(": ")
    line = _last_line_in(error, {path.partition(".")[0] for path in class_paths})
    return text if line is None or line in text else f"{text}, in {line}"


def _last_line_in(error: BaseException, packages: set[str]) -> str | None:
    lines = [
        (str(frame.f_globals.get("__name__")), line)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    found = [one for one in lines if one[0].partition(".")[0] in packages]
    return f"{found[-1][0]}:{found[-1][1]}" if found else None
