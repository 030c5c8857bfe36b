"""Optuna's journal file, kept whole when its writer is killed."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import BufferedRandom
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import (  # no public names for them
    BaseJournalFileLock,
    get_lock_file,
)


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


class MendingLock(KernelLock):
    """The lock of a journal; who gets it finds a file of whole lines.

    Half a line, left by a writer that was killed, and a new one after it would spoil the file
    for good.

    Args:
        journal: The file that the lock guards.
    """

    def __init__(self, journal: Path) -> None:
        """Name the files; nothing is locked yet."""
        super().__init__(journal.with_suffix(".lock"))
        self._journal = journal

    def acquire(self) -> bool:
        """Wait for the lock, then cut off half a line at the file's end."""
        super().acquire()
        try:
            if self._journal.exists():
                _cut_partial_line(self._journal)
        except OSError:
            self.release()
            raise
        return True


class BatchedJournal(JournalFileBackend):
    """A journal file that can write several lines with one flush to the disk.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it."""
        super().__init__(str(path), lock_obj=MendingLock(path))
        self._held: list[dict[str, Any]] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Hold lines back and write them at once in the end, unless there is an exception."""
        self._held = []
        try:
            yield
            held = self._held
        finally:
            self._held = None
        if held:  # of no lines Optuna makes an empty one, which nothing can read
            self.append_logs(held)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write lines, or hold them back."""
        if self._held is None:
            super().append_logs(logs)
        else:
            self._held.extend(logs)


def written_together(storage: BaseStorage) -> AbstractContextManager[None]:
    """Write what is set of a trial meanwhile at once, where the storage can."""
    backend = getattr(storage, "_backend", None)
    return backend.together() if isinstance(backend, BatchedJournal) else nullcontext()


def open_journal(path: Path, *, to_write: bool) -> JournalStorage:
    """Open a journal; a writer cuts off what a killed one left half-written, a reader does not."""
    if to_write:
        with get_lock_file(MendingLock(path)):
            pass
    return JournalStorage(BatchedJournal(path))


def _cut_partial_line(path: Path) -> None:
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if file.read() in (b"", b"\n"):
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
