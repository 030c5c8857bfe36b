"""Decoded once, checked at every start, decoded again where it is off."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import WorkFailedError
from pipeline.learning.data import PreparedData, Source, open_train, prepare

Make = Callable[[str], PreparedData]

PREPARE = """
import sys
from pathlib import Path
from pipeline.config import DataConfig
from pipeline.learning.data import locate, open_train, prepare
cache = Path(sys.argv[1])
prepared = prepare(locate(DataConfig(name="digits"), None, cache=cache), cache=cache)
images, labels = open_train(prepared)
print(prepared.sha256, int(images.sum()), int(labels.sum()))
"""


def states(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every file: what is left alone keeps both."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def flip_last_byte(path: Path) -> None:
    """Change a file as a failing disk would."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def change_meta(folder: Path, **changes: object) -> None:
    """Write other values into ``meta.json``."""
    path = folder / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def swap_types(folder: Path) -> None:
    """Store the same numbers under another type."""
    path = folder / "train-labels.npy"
    np.save(path, np.load(path).astype(np.int32))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a pixel flipped": lambda folder: flip_last_byte(folder / "train-images.npy"),
    "a label flipped": lambda folder: flip_last_byte(folder / "train-labels.npy"),
    "images cut": lambda folder: os.truncate(folder / "train-images.npy", 5_000),
    "images empty": lambda folder: os.truncate(folder / "train-images.npy", 0),
    "labels gone": lambda folder: (folder / "train-labels.npy").unlink(),
    "labels of another type": swap_types,
    "meta gone": lambda folder: (folder / "meta.json").unlink(),
    "meta cut": lambda folder: os.truncate(folder / "meta.json", 50),
    "meta a list": lambda folder: (folder / "meta.json").write_text("[]"),
    "meta empty": lambda folder: (folder / "meta.json").write_text("{}"),
    "meta of another format": lambda folder: change_meta(folder, format=0),
    "another digest": lambda folder: change_meta(folder, content_sha256="0" * 64),
    "no arrays": lambda folder: change_meta(folder, arrays={}),
}


def test_a_second_start_writes_nothing(make: Make) -> None:
    first = make("digits")
    before = states(first.folder)
    assert make("digits") == first
    assert states(first.folder) == before


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_is_decoded_again(
    damage: Callable[[Path], object], make: Make, digits: PreparedData
) -> None:
    first = make("digits")
    sound = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    damage(first.folder)
    again = make("digits")
    assert again == first
    assert again.sha256 == digits.sha256
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == sound


def test_another_source_file_is_decoded_again(tmp_path: Path, make: Make) -> None:
    first = make("digits")
    (path,) = first.source.files
    copy = tmp_path / path.name
    packed = bytearray(path.read_bytes())
    packed[4] ^= 1  # the header's time: other bytes, the same table
    copy.write_bytes(packed)
    again = prepare(Source(name="digits", files=(copy,)), cache=first.folder.parents[1])
    assert again.folder != first.folder
    assert again.sha256 == first.sha256


def test_mapped_arrays_take_writes_that_never_reach_the_file(make: Make) -> None:
    prepared = make("digits")
    images, _ = open_train(prepared)
    assert images.flags.writeable
    images[:] = 7
    again, _ = open_train(prepared)
    assert not np.array_equal(again, images)


def test_arrays_that_are_mapped_survive_a_new_decoding(make: Make) -> None:
    prepared = make("digits")
    _, labels = open_train(prepared)
    before = labels.copy()
    (prepared.folder / "meta.json").unlink()
    make("digits")
    assert np.array_equal(labels, before)


def test_prepared_data_travel_to_workers(digits: PreparedData) -> None:
    assert pickle.loads(pickle.dumps(digits)) == digits


def test_meta_names_sources_and_digests(digits: PreparedData) -> None:
    meta = json.loads((digits.folder / "meta.json").read_text())
    assert meta["content_sha256"] == digits.sha256
    assert (digits.scale, digits.n_classes) == (16, 10)
    assert list(meta["sources"]) == ["digits.csv.gz"]
    assert meta["arrays"]["train-images"]["shape"] == [1797, 8, 8]


def test_processes_that_start_at_once_agree(cache: Path) -> None:
    command = [sys.executable, "-c", PREPARE, str(cache)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0] * 3
    assert len(set(answers)) == 1
    (folder,) = (path for path in (cache / "data").iterdir() if path.is_dir())
    assert sorted(path.name for path in folder.iterdir()) == [
        "meta.json",
        "train-images.npy",
        "train-labels.npy",
    ]


def test_a_cache_that_cannot_be_written_is_named(make: Make, cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    with pytest.raises(WorkFailedError, match=r"the cache .*/cache/data cannot be written: "):
        make("digits")
