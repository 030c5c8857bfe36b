"""The files of checkpoints: where they are, how much room they take, when they are removed."""

import contextlib
import os
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Union

from pipeline.locks import locked

if TYPE_CHECKING:
    from pipeline.learning.custom.datamodule import CustomData
    from pipeline.learning.data import PreparedData

LARGEST_BYTES: Final = 2**30
"""All checkpoints of a home together take 1 GiB at most ..."""
FREE_SHARE: Final = 0.02
"""... and at most this share of what is free on the disk."""
STALE_SECONDS: Final = 24 * 3600.0
"""A checkpoint so old makes room for a new one: its study was given up, or is long interrupted."""

SUFFIX: Final = ".checkpoint"


@dataclass(frozen=True, slots=True)
class CheckpointFolder:
    """One study's checkpoints, a file a trial.

    Attributes:
        path: ``HOME/checkpoints/STUDY``; made when the first checkpoint is written. The budget
            holds for its parent, all studies of the home together.
    """

    path: Path

    def file(self, number: int) -> Path:
        """Where a trial's checkpoint lies."""
        return self.path / f"trial-{number:03}{SUFFIX}"

    def write(self, number: int, content: bytes) -> bool:
        """Replace a trial's checkpoint as a whole, if there is room.

        It is not brought to the disk at once: a power failure may damage it, and a damaged one is
        known by its digest.

        Returns:
            Whether it was written; a full disk is no error.
        """
        temporary = self.path / f"trial-{number:03}.{os.getpid()}.tmp"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with locked(self.path.parent):
                try:
                    if has_room(self.path.parent, len(content)):
                        temporary.write_bytes(content)
                        temporary.replace(self.file(number))
                        return True
                finally:
                    temporary.unlink(missing_ok=True)
        except OSError:
            pass  # a checkpoint is never worth a trial
        return False

    def read(self, number: int) -> bytes | None:
        """A trial's checkpoint; ``None`` where there is none, or none that can be read."""
        try:
            return self.file(number).read_bytes()
        except OSError:
            return None

    def remove(self, number: int) -> None:
        """Remove a trial's checkpoint, and the folder with its last one."""
        _remove(self.file(number))
        self._fold()

    def remove_others(self, numbers: Collection[int]) -> None:
        """Remove all but the checkpoints of these trials: what ended or killed ones left behind.

        The study must be held, and none of its workers may be at work.
        """
        retained = {self.file(number) for number in numbers}
        for path in self.path.glob("*"):
            if path not in retained:
                _remove(path)
        self._fold()

    def _fold(self) -> None:
        for folder in (self.path, self.path.parent):
            with contextlib.suppress(OSError):  # not empty, or not there
                folder.rmdir()


@dataclass(frozen=True, slots=True)
class Resumable:
    """What the workers of a study get: its data, and the folder of its checkpoints."""

    data: Union["PreparedData", "CustomData"]
    folder: CheckpointFolder


def has_room(folder: Path, n_bytes: int) -> bool:
    """Whether so many bytes fit the budget of a home's checkpoints; stale ones make room first.

    Args:
        folder: ``HOME/checkpoints``.
        n_bytes: Of the checkpoint that is to be written; the one that it replaces counts as well,
            since for a moment both are there.
    """
    room = min(LARGEST_BYTES, int(FREE_SHARE * shutil.disk_usage(folder).free))
    files = sorted((stat.st_mtime, stat.st_size, path) for path, stat in _stats(folder))
    used = sum(size for _, size, _ in files)
    for written, size, path in files:
        if used + n_bytes <= room or time.time() - written < STALE_SECONDS:
            break
        _remove(path)
        used -= size
    return used + n_bytes <= room


def _stats(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in folder.glob("*/*"):
        with contextlib.suppress(FileNotFoundError):  # a trial ended meanwhile
            yield path, path.stat()


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # gone already, or a read-only home
        path.unlink()
