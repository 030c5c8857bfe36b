"""One driver a study: a second one is refused at once."""

import fcntl
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

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
