"""Locks between processes: the kernel releases them when their holder dies, however it dies.

``filelock`` locks the open file. Its own ``FileLock`` leaves its file behind and takes 260 µs a
time where ``lock_descriptor`` takes 14, so that paths are handled here
(docs/decisions/0019-holder-lease-and-attempts.md).
"""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from filelock import lock_descriptor

from pipeline.errors import BadInputError, DropoutSearchError, WorkFailedError

POLL_SECONDS: Final = 0.005
"""Polling interval while waiting for a lock."""
TRIES_TO_TAKE: Final = 20
TRIES_TO_LOOK: Final = 3
TRY_SECONDS: Final = 0.01


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock of a file or a folder, and hold it.

    Args:
        path: A folder that exists, on which a lock leaves no file behind; or a file, which is made
            if need be and stays.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags, 0o666)
    try:
        lock_descriptor(descriptor, poll_interval=POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def this_process() -> str:
    """Name this process as the holder of something: process, host and time.

    Returns:
        For example ``process 12 on node-3 since 2026-11-24 17:33:23``.
    """
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return f"process {os.getpid()} on {platform.node()} since {since}"


def being_run(study: str, holder: str) -> WorkFailedError:
    """The error of a study that another process runs."""
    return WorkFailedError(f"study {study!r} is being run by {holder}")


@contextmanager
def hold_study(home: Path, name: str) -> Iterator[None]:
    """Hold a study of a home for this process.

    A text file beside the lock names its holder. Both are removed at the end, and so are folders
    that were made for them and are empty.

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
        descriptor = _take(path, name)
        try:
            _text_of(path).write_text(this_process(), encoding="utf-8")
            yield
        finally:
            _text_of(path).unlink(missing_ok=True)  # first: the next holder writes its own
            path.unlink(missing_ok=True)
            os.close(descriptor)
    finally:
        for folder in missing:
            with suppress(OSError):  # it is not empty: something was written
                folder.rmdir()


def _text_of(path: Path) -> Path:
    return path.with_suffix(".holder")


def _take(path: Path, name: str) -> int:
    """Open and lock the file; somebody who only looks at the lock soon releases it."""
    held: DropoutSearchError | None = None
    for _ in range(TRIES_TO_TAKE):
        try:
            descriptor = _open_locked(path)
        except OSError as error:  # a holder that ends removes its file and folder
            failure = held or _unusable(path, error.strerror or str(error))
        else:
            if descriptor is not None:
                return descriptor
            failure = held = being_run(name, _holder(path))
        time.sleep(TRY_SECONDS)
    raise failure


def _open_locked(path: Path) -> int | None:
    """Lock a file that is still there when it is locked; ``None``: another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as opened:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        opened.callback(os.close, descriptor)
        if not lock_descriptor(descriptor, blocking=False):
            return None
        if not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise FileNotFoundError(path)
        opened.pop_all()
        return descriptor


def _holder(path: Path) -> str:
    with suppress(FileNotFoundError):
        return _text_of(path).read_text(encoding="utf-8") or "an unknown process"
    return "an unknown process"


def _unusable(path: Path, reason: str) -> BadInputError:
    return BadInputError(where=str(path), problem=f"{reason}; a lock must be made here")


class LockState(NamedTuple):
    """A study's lock as it was seen.

    Attributes:
        holder: The holder of the study; ``None`` if there is none.
        taken_ns: When it was last taken; 0 where its last holder left nothing.
    """

    holder: str | None
    taken_ns: int


def lock_states(home: Path) -> dict[str, LockState]:
    """Look at every study's lock in a home, by the study's name; nothing is written."""
    states = {}
    for path in (home / "locks").glob("*.lock"):
        with suppress(FileNotFoundError):  # its holder has just ended
            states[path.stem] = _state(path)
    return states


def _state(path: Path) -> LockState:
    holder = _holder(path) if _is_held(path) else None
    taken_ns = _text_of(path).stat().st_mtime_ns if _text_of(path).exists() else 0
    return LockState(holder, taken_ns)


def _is_held(path: Path) -> bool:
    """Try to take the lock for a moment; another reader may do the same."""
    # A network file system locks only what is opened to be written.
    descriptor = os.open(path, os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY)
    try:
        for _ in range(TRIES_TO_LOOK):
            if lock_descriptor(descriptor, blocking=False):
                return False
            time.sleep(TRY_SECONDS)
    finally:
        os.close(descriptor)
    return True
