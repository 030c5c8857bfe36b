"""Optuna's journal file, kept whole when its writer is killed."""

import fcntl
from io import BufferedRandom
from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock  # no public name for it


class KernelLock(BaseJournalFileLock):
    """A lock that the kernel lets go when its holder dies; Optuna's own stays for 30 seconds.

    Args:
        path: The file to lock; it is made if need be and is never removed.
    """

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is locked yet."""
        self._path = path
        self._file: BufferedRandom | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._file = self._path.open("a+b")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Let the lock go."""
        if self._file is not None:
            self._file.close()
            self._file = None


def open_journal(path: Path, *, to_write: bool) -> JournalStorage:
    """Open a journal; a writer first cuts off a line that a killed writer left half-written.

    Half a line and a new one after it would spoil the file for good.
    """
    lock = KernelLock(path.with_suffix(".lock"))
    if to_write and path.exists():
        lock.acquire()
        try:
            _cut_partial_line(path)
        finally:
            lock.release()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _cut_partial_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
