"""Optuna's journal file, readable also after its writer was killed in mid-line."""

import json
import os
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from io import FileIO
from pathlib import Path
from typing import Any, Final

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock  # no public name for it

from pipeline.errors import WorkFailedError
from pipeline.locks import locked

STEP: Final = 4096
"""Bytes that are read at a time in search of the last newline."""


class KernelLock(BaseJournalFileLock):
    """A lock that the kernel releases when its holder dies; Optuna's own stays for 30 seconds.

    Args:
        path: The file to lock; it is made if need be and is never removed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = ExitStack()

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._held.enter_context(locked(self._path))
        return True

    def release(self) -> None:
        """Let the lock go."""
        self._held.close()


class BatchedJournal(JournalFileBackend):
    """A journal file that writes several lines atomically and with one fsync.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), lock_obj=KernelLock(_lock_of(path)))
        self._path = path
        self._held: list[dict[str, Any]] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Buffer lines and write them at the end, unless there is an exception."""
        self._held = []
        try:
            yield
            held = self._held
        finally:
            self._held = None
        if held:  # of no lines Optuna makes an empty one, which nothing can read
            self.append_logs(held)

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Read the lines from a number on; none while lines are buffered, since none is new."""
        if self._held is None:
            yield from super().read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write lines, or buffer them.

        Raises:
            WorkFailedError: There is no room; nothing of the lines is left in the file.
        """
        if self._held is not None:
            self._held.extend(logs)
            return
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with locked(_lock_of(self._path)):
            try:
                append_whole(self._path, lines.encode())
            except OSError as error:
                message = f"{self._path} cannot be written: {error.strerror or error}"
                raise WorkFailedError(message) from error


def written_together(storage: BaseStorage) -> AbstractContextManager[None]:
    """Write what is set of a trial inside the context at once, where the storage can."""
    backend = getattr(storage, "_backend", None)
    return backend.together() if isinstance(backend, BatchedJournal) else nullcontext()


def open_journal(path: Path, *, to_write: bool) -> JournalStorage:
    """Open a journal; a writer first cuts off a line that a killed writer left half-written.

    Raises:
        ValueError: A line is damaged; its number is named.
    """
    if to_write and path.exists():
        with locked(_lock_of(path)), path.open("r+b", buffering=0) as file:
            _cut_partial_line(file)
    check_lines(path)
    return JournalStorage(BatchedJournal(path))


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def append_whole(path: Path, lines: bytes) -> None:
    """Append lines to a file, all of them or nothing, and see them on the disk.

    Half a line and a new one after it would spoil the file for good: what another process that
    was killed has left half-written is cut off first.
    """
    with path.open("r+b", buffering=0) as file:
        whole, left = _cut_partial_line(file), memoryview(lines)
        try:
            while left:
                left = left[os.write(file.fileno(), left) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(whole)
            raise


def check_lines(path: Path) -> None:
    """Find a line that is not JSON: Optuna would skip it at the end of the file and append to it.

    Raises:
        ValueError: Naming the line.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                is_entry = not line.endswith(b"\n") or isinstance(json.loads(line), dict)
            except ValueError:
                is_entry = False
            if not is_entry:
                message = f"line {number} is damaged"
                raise ValueError(message)


def _cut_partial_line(file: FileIO) -> int:
    """Truncate a file after its last whole line and seek to its end."""
    end = whole = file.seek(0, os.SEEK_END)
    while whole > 0:
        start = max(whole - STEP, 0)
        file.seek(start)
        newline = file.read(whole - start).rfind(b"\n")
        if newline >= 0:
            whole = start + newline + 1
            break
        whole = start
    if whole < end:
        file.truncate(whole)
    return file.seek(whole)
