"""Optuna's journal file, kept whole when its writer is killed."""

import fcntl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import BufferedRandom
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
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


class BatchedJournal(JournalFileBackend):
    """A journal file that can write several lines with one flush to the disk.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it."""
        super().__init__(str(path), lock_obj=KernelLock(path.with_suffix(".lock")))
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
    """Open a journal; a writer first cuts off a line that a killed writer left half-written.

    Half a line and a new one after it would spoil the file for good.
    """
    if to_write and path.exists():
        lock = KernelLock(path.with_suffix(".lock"))
        lock.acquire()
        try:
            _cut_partial_line(path)
        finally:
            lock.release()
    return JournalStorage(BatchedJournal(path))


def _cut_partial_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
