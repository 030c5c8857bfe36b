"""What workers on other machines are given."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import DataConfig
from pipeline.learning import travel
from pipeline.learning.checkpoints import CheckpointFolder, Resumable
from pipeline.learning.data import PreparedData, locate, open_train, prepare
from pipeline.locks import hold_study


@pytest.fixture
def context(tmp_path: Path) -> Resumable:
    """A study's data and checkpoints, in a home."""
    config = DataConfig(name="digits")
    cache = tmp_path / "home" / "cache"
    data = prepare(locate(config, None, cache=cache), cache=cache)
    return Resumable(data, CheckpointFolder(tmp_path / "home" / "checkpoints" / "small"))


@pytest.fixture
def packed(context: Resumable, tmp_path: Path) -> travel.Packed:
    """The context on its way, from a study that was held."""
    with hold_study(tmp_path / "home", "small"):
        return travel.pack(context)


def test_where_the_home_is_seen_the_context_is_the_drivers(
    context: Resumable, tmp_path: Path
) -> None:
    with hold_study(tmp_path / "home", "small"):
        assert travel.unpack(travel.pack(context)) == context


def test_where_no_checkpoints_are_kept_the_training_part_travels_alone(
    context: Resumable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    here = travel.data_of(context)
    assert isinstance(here, PreparedData)
    there = travel.unpack(travel.pack(here))
    assert isinstance(there, PreparedData)
    assert replace(there, folder=here.folder) == here
    assert np.array_equal(open_train(here)[0], open_train(there)[0])


def test_elsewhere_the_training_part_is_written_once_and_nothing_of_the_home_is_touched(
    packed: travel.Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    there = travel.unpack(packed)
    again = travel.unpack(packed)
    assert isinstance(there, PreparedData)
    assert there == again
    here = travel.data_of(packed.context)
    assert isinstance(here, PreparedData)
    assert replace(there, folder=here.folder) == here
    for ours, theirs in zip(open_train(here), open_train(there), strict=True):
        assert np.array_equal(ours, theirs)
    files = {path.name for path in there.folder.iterdir()}
    assert files == {"train-images.npy", "train-labels.npy", "meta.json"}


def test_a_damaged_copy_is_written_again(
    packed: travel.Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    there = travel.unpack(packed)
    assert isinstance(there, PreparedData)
    (there.folder / "train-images.npy").write_bytes(b"no array")
    assert travel.unpack(packed) == there
    here = travel.data_of(packed.context)
    assert isinstance(here, PreparedData)
    assert np.array_equal(open_train(here)[0], open_train(there)[0])
