"""Checkpoints keep to their budget and are written as a whole or not at all."""

import os
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline.learning.checkpoints import CheckpointFolder
from pipeline.learning.checkpoints.files import FREE_SHARE, LARGEST_BYTES, STALE_SECONDS


class _Disk(NamedTuple):
    free: int


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    """A study's folder, not made yet."""
    return CheckpointFolder(tmp_path / "checkpoints" / "study")


def _shrink(monkeypatch: pytest.MonkeyPatch, n_bytes: int) -> None:
    monkeypatch.setattr("pipeline.learning.checkpoints.files.LARGEST_BYTES", n_bytes)


def _used(folder: CheckpointFolder) -> int:
    return sum(path.stat().st_size for path in folder.path.parent.glob("*/*"))


def test_a_checkpoint_replaces_the_one_before(folder: CheckpointFolder) -> None:
    assert folder.read(3) is None
    assert folder.write(3, b"first")
    assert folder.write(3, b"second")
    assert folder.read(3) == b"second"
    assert [path.name for path in folder.path.iterdir()] == ["trial-003.checkpoint"]


def test_the_budget_is_never_exceeded_and_what_is_there_stays(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _shrink(monkeypatch, 250)
    assert [folder.write(number, bytes(100)) for number in range(4)] == [True, True, False, False]
    assert folder.write(0, bytes(50))
    assert not folder.write(1, bytes(150)), "for a moment both would be there"
    assert _used(folder) == 150
    assert folder.read(1) == bytes(100)


def test_the_budget_holds_for_all_studies_of_a_home(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _shrink(monkeypatch, 250)
    other = CheckpointFolder(folder.path.parent / "other")
    assert folder.write(0, bytes(200))
    assert not other.write(0, bytes(100))


def test_the_budget_shrinks_with_the_free_disk(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LARGEST_BYTES == 2**30
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Disk(free=10_000))
    most = int(10_000 * FREE_SHARE)
    assert not folder.write(0, bytes(most + 1))
    assert folder.write(0, bytes(most))


def test_stale_checkpoints_make_room_oldest_first(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _shrink(monkeypatch, 350)
    other = CheckpointFolder(folder.path.parent / "given-up")
    for number, age in enumerate((STALE_SECONDS + 200, STALE_SECONDS + 100, 10.0)):
        assert other.write(number, bytes(100))
        written = time.time() - age
        os.utime(other.file(number), (written, written))
    assert folder.write(0, bytes(100))
    assert [other.file(number).exists() for number in range(3)] == [False, True, True]


def test_a_write_that_fails_leaves_the_checkpoint_before_and_no_half_file(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folder.write(0, b"before")

    def half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:2])
        message = "No space left on device"
        raise OSError(message)

    monkeypatch.setattr(Path, "write_bytes", half)
    assert not folder.write(0, b"after")
    assert folder.read(0) == b"before"
    assert len(list(folder.path.iterdir())) == 1


def test_only_the_named_trials_checkpoints_are_kept(folder: CheckpointFolder) -> None:
    for number in range(3):
        assert folder.write(number, b"x")
    (folder.path / "trial-001.77.tmp").write_bytes(b"half")
    folder.remove_others({1, 9})
    assert [path.name for path in folder.path.iterdir()] == ["trial-001.checkpoint"]
    folder.remove(1)
    assert not folder.path.parent.exists(), "empty folders go as well"
    folder.remove(1)
    folder.remove_others(())
