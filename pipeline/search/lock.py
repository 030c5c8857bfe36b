"""One driver a study: a second one is refused at once."""

import fcntl
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TextIO

from pipeline.errors import BadInputError, DropoutSearchError, WorkFailedError

MOST_TRIES = 20
TRY_SECONDS = 0.01


@contextmanager
def hold_study(home: Path, name: str) -> Iterator[None]:
    """Hold a study for this process; the kernel lets go when the process dies.

    The lock file goes with its holder, and so do folders that were made for it and are empty: who
    holds a study and then writes nothing leaves nothing.

    Args:
        home: The folder of all state; it is made if need be.
        name: The study's.

    Raises:
        WorkFailedError: Another process runs the study; it is named.
        BadInputError: No file can be made or locked in the home.
    """
    path = home / "locks" / f"{name}.lock"
    missing = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    try:
        with _take(path, name) as file:
            file.truncate(0)
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            file.write(f"{os.getpid()} on {platform.node()} runs it since {since}")
            file.flush()
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
    finally:
        for folder in missing:
            with suppress(OSError):  # it is not empty: something was written
                folder.rmdir()


def _take(path: Path, name: str) -> TextIO:
    """Open and lock the file that others would open as well; who only looks at it soon lets go."""
    failure: DropoutSearchError
    for _ in range(MOST_TRIES):
        try:
            return _open_locked(path)
        except BlockingIOError:
            failure = _held(path, name)
        except OSError as error:  # a holder that ends takes its file and folder along
            failure = _unusable(path, error.strerror or str(error))
        time.sleep(TRY_SECONDS)
    raise failure


def _open_locked(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as opened:
        file = opened.enter_context(path.open("a+", encoding="utf-8"))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
            raise FileNotFoundError(path)
        opened.pop_all()
        return file


def _held(path: Path, name: str) -> WorkFailedError:
    holder = ""
    with suppress(FileNotFoundError):
        holder = path.read_text(encoding="utf-8")
    message = f"study {name!r}: got a second run, expected one: process {holder or 'unknown'}"
    return WorkFailedError(message)


def _unusable(path: Path, reason: str) -> BadInputError:
    return BadInputError(where=str(path), got=reason, expected="a file that can be made and locked")


class LockState(NamedTuple):
    """A study's lock as it stands.

    Attributes:
        holder: Who holds the study; ``None``: nobody.
        taken_ns: When it was last taken.
    """

    holder: str | None
    taken_ns: int


def lock_states(home: Path) -> dict[str, LockState]:
    """Look at every study's lock that lies in a home, by its name; nothing is written."""
    states = {}
    for path in (home / "locks").glob("*.lock"):
        with suppress(FileNotFoundError):  # its holder has just ended
            states[path.stem] = _state(path)
    return states


def _state(path: Path) -> LockState:
    """Share the lock for a moment, which only its holder prevents."""
    with path.open(encoding="utf-8") as file:
        taken_ns = os.fstat(file.fileno()).st_mtime_ns
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return LockState(file.read().strip() or "unknown", taken_ns)
    return LockState(None, taken_ns)
