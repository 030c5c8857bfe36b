"""The user's own arrays: what they become, and what is said of those that are none."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import DataConfig
from pipeline.errors import BadInputError
from pipeline.learning.data import (
    SplitSizes,
    known_sizes,
    locate,
    open_train,
    prepare,
    splits,
)
from pipeline.learning.data.sealed import open_test, open_test_subset
from tests.learning.data.own_arrays import (
    COLOUR,
    GREY,
    LABELS,
    ROWS,
    TEST,
    Array,
    prepared_npz,
    saved,
)


@pytest.mark.parametrize(
    ("x_train", "stored", "scale"),
    [
        pytest.param(GREY, GREY, 255, id="grey"),
        pytest.param(GREY[..., np.newaxis], GREY, 255, id="one colour"),
        pytest.param(COLOUR, COLOUR.transpose(0, 3, 1, 2), 255, id="three colours"),
        pytest.param(np.asfortranarray(COLOUR), COLOUR.transpose(0, 3, 1, 2), 255, id="Fortran's"),
        pytest.param(GREY.reshape(12, 20), GREY.reshape(12, 20), 255, id="rows of bytes"),
        pytest.param(ROWS, ROWS.astype(np.float32), 1.0, id="rows of float64"),
        pytest.param(ROWS.astype(np.float32), ROWS.astype(np.float32), 1.0, id="float32"),
        pytest.param(ROWS.astype(">f8"), ROWS.astype(np.float32), 1.0, id="another byte order"),
        pytest.param(COLOUR / 255, (COLOUR / 255).transpose(0, 3, 1, 2), 1.0, id="float colours"),
    ],
)
def test_arrays_are_stored_with_the_colours_first(
    x_train: Array, stored: Array, scale: float, tmp_path: Path, cache: Path
) -> None:
    prepared = prepared_npz(saved(tmp_path, x_train=x_train, y_train=LABELS), cache)
    images, labels = open_train(prepared)
    expected = stored.astype(np.uint8 if scale == 255 else np.float32)
    assert (images.dtype, images.flags.c_contiguous) == (expected.dtype, True)
    assert np.array_equal(images, expected)
    assert prepared.image_shape == stored.shape[1:]
    assert (labels.dtype.name, labels.tolist()) == ("int64", LABELS.tolist())
    sizes = (prepared.n_train, prepared.n_test, prepared.n_classes, prepared.scale)
    assert sizes == (12, 0, 3, scale)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64", ">i2"])
def test_labels_may_be_any_whole_numbers(dtype: str, tmp_path: Path, cache: Path) -> None:
    path = saved(tmp_path, x_train=GREY, y_train=LABELS.astype(dtype))
    labels = open_train(prepared_npz(path, cache))[1]
    assert (labels.dtype.name, labels.tolist()) == ("int64", LABELS.tolist())


def test_a_test_part_of_its_own_is_sealed_and_opens(tmp_path: Path, cache: Path) -> None:
    prepared = prepared_npz(saved(tmp_path, x_train=GREY, y_train=LABELS, **TEST), cache)
    assert (prepared.n_train, prepared.n_test) == (12, 4)
    images, labels = open_test_subset(prepared)
    assert np.array_equal(images, GREY[:4])
    assert labels.tolist() == [0, 1, 2, 0]


def test_a_damaged_test_part_is_decoded_again_but_not_from_another_file(
    tmp_path: Path, cache: Path
) -> None:
    path = saved(tmp_path, x_train=GREY, y_train=LABELS, **TEST)
    prepared = prepared_npz(path, cache)
    damaged = prepared.folder / "test-images.npy"
    damaged.write_bytes(b"")
    assert np.array_equal(open_test_subset(prepared)[0], GREY[:4])
    damaged.write_bytes(b"")
    saved(tmp_path, x_train=GREY[::-1], y_train=LABELS, **TEST)
    with pytest.raises(BadInputError, match=r"own\.npz: changed while being read"):
        open_test_subset(prepared)


def test_other_content_under_the_same_name_is_other_data(tmp_path: Path, cache: Path) -> None:
    first = prepared_npz(saved(tmp_path, x_train=GREY, y_train=LABELS), cache)
    second = prepared_npz(saved(tmp_path, x_train=GREY[::-1], y_train=LABELS), cache)
    assert first.sha256 != second.sha256
    assert first.folder != second.folder


def test_the_digest_is_of_the_arrays_that_are_used(tmp_path: Path, cache: Path) -> None:
    first = prepared_npz(saved(tmp_path, x_train=GREY, y_train=LABELS), cache)
    np.savez(tmp_path / "plain.npz", x_train=GREY, y_train=LABELS.astype(np.uint8), more=ROWS)
    assert prepared_npz(tmp_path / "plain.npz", cache).sha256 == first.sha256


def test_arrays_that_are_not_used_are_not_read(tmp_path: Path, cache: Path) -> None:
    objects = np.array([{}, None], dtype=object)
    path = saved(tmp_path, x_train=GREY, y_train=LABELS, names=objects)
    assert prepared_npz(path, cache).n_train == 12


def test_sizes_are_read_from_the_headers(tmp_path: Path, cache: Path) -> None:
    path = saved(tmp_path, x_train=GREY, y_train=LABELS * 2, **TEST)  # labels are not looked at
    config = DataConfig(name="npz", path=str(path), validation=0.5)
    source = locate(config, None, cache=cache)
    assert known_sizes(config, source) == SplitSizes(train=6, validation=6, test=4)
    assert known_sizes(config) is None


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"validation": 12}, r"data\.validation: got 12, expected 1 to 9 of 10 rows"),
        ({"test": 11}, r"data\.test: got 11, expected 1 to 10 of 12 rows, so that every other"),
        ({"folds": 11}, r"data\.folds: got 11, expected at most 10"),
    ],
)
def test_a_part_that_the_file_has_no_rows_for_is_refused_unread(
    parts: dict[str, Any], message: str, tmp_path: Path, cache: Path
) -> None:
    path = saved(tmp_path, x_train=GREY, y_train=LABELS)
    config = DataConfig.model_validate({"name": "npz", "path": str(path)} | parts)
    source = locate(config, None, cache=cache)
    with pytest.raises(BadInputError, match=rf"^study\.yaml: {message}"):
        known_sizes(config, source, where="study.yaml")


def test_a_set_too_small_to_be_parted_says_so(tmp_path: Path, cache: Path) -> None:
    path = saved(tmp_path, x_train=GREY[:1], y_train=LABELS[:1])
    config = DataConfig(name="npz", path=str(path), test=0)
    with pytest.raises(BadInputError, match="expected more rows than the 1 that there are"):
        known_sizes(config, locate(config, None, cache=cache))


def test_a_path_is_looked_for_here_and_then_in_the_data_folders(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, given, named = (tmp_path / name for name in ("here", "given", "named"))
    for folder in (here, given, named):
        (folder / "my").mkdir(parents=True)
        saved(folder / "my", x_train=GREY, y_train=LABELS)
    monkeypatch.chdir(here)
    monkeypatch.setenv("PIPELINE_DATA", str(named))
    config = DataConfig(name="npz", path="my/own.npz")
    for folder in (here, given, named):
        (found,) = locate(config, given, cache=cache).files
        assert found == folder / "my" / "own.npz"
        found.unlink()
    message = (
        rf"data set npz: data\.path: got my/own\.npz \(no file {here}/my/own\.npz; "
        rf"no file {given}/my/own\.npz; no file {named}/my/own\.npz\), expected a file that NumPy"
    )
    with pytest.raises(BadInputError, match=message):
        locate(config, given, cache=cache)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("a folder", r"a folder is no file\), expected", id="a folder"),
        pytest.param("x" * 300, "File name too long", id="too long"),
    ],
)
def test_a_path_that_is_no_file_is_told(
    path: str, message: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInputError, match=message):
        locate(DataConfig(name="npz", path=path), None, cache=cache)


def test_a_module_of_the_users_own_is_not_looked_for(cache: Path) -> None:
    config = DataConfig(class_path="my_package.Own")
    assert known_sizes(config) is None
    with pytest.raises(ValueError, match=r"my_package\.Own finds its data itself"):
        locate(config, None, cache=cache)


def test_the_real_subset_is_ready_within_two_seconds(real_data: Path, cache: Path) -> None:
    name = "cifar10-subset/cifar10_lossless_train7728_test1000.npz"
    if not (real_data / name).is_file():
        pytest.skip(f"no {name} in {real_data}")
    config = DataConfig(name="npz", path=name)
    started = time.perf_counter()
    prepared = prepare(locate(config, real_data, cache=cache), cache=cache)
    assert time.perf_counter() - started < 2
    assert (prepared.n_train, prepared.n_test, prepared.n_classes) == (7728, 1000, 10)
    with np.load(real_data / name) as arrays:
        train, test = arrays["x_train"], arrays["x_test"]
    assert np.array_equal(open_train(prepared)[0].transpose(0, 2, 3, 1), train)
    parts = splits(open_train(prepared)[1], config, n_own_test=1000, seed=0)[0]
    assert np.array_equal(
        open_test(prepared, config, parts=parts, seed=0)[0][0, 2], test[0, ..., 2]
    )
