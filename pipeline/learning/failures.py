"""What ends a trial by mistake, told in one line."""

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
