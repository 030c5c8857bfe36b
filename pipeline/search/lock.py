"""One driver a study: a second one is refused at once."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

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


class LockState(NamedTuple):
    """A study's lock as it stands.

    Attributes:
        process: Who holds the study; ``None``: nobody.
        taken_ns: When it was last taken.
    """

    process: str | None
    taken_ns: int


def lock_states(home: Path) -> dict[str, LockState]:
    """Look at the lock of each study that was ever held, by its name; nothing is written."""
    return {path.stem: _state(path) for path in (home / "locks").glob("*.lock")}


def _state(path: Path) -> LockState:
    """Share the lock for a moment, which only its holder prevents."""
    with path.open(encoding="utf-8") as file:
        taken_ns = os.fstat(file.fileno()).st_mtime_ns
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return LockState(file.read().strip() or "unknown", taken_ns)
    return LockState(None, taken_ns)
