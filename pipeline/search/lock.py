"""One driver a study: a second one is refused at once."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import WorkFailedError


@contextmanager
def hold_study(home: Path, name: str) -> Iterator[None]:
    """Hold a study for this process; the kernel lets go when the process dies.

    Raises:
        WorkFailedError: Another process runs the study; it is named.
    """
    folder = home / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            message = f"study {name!r}: got a second run, expected one: process {holder} runs it"
            raise WorkFailedError(message) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
