"""What is said of an npz file that is no data set, before anything is written."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import BadInputError
from pipeline.learning.data import reading
from tests.learning.data.own_arrays import (
    COLOUR,
    GREY,
    LABELS,
    ROWS,
    TARGETS,
    Array,
    prepared_npz,
    saved,
)


def without(array: Array, row: int, value: float) -> Array:
    """An array of which one value is another."""
    changed = array.copy()
    changed[row].flat[0] = value
    return changed


BAD: dict[str, tuple[dict[str, Array], str]] = {
    "no labels": (
        {"x_train": GREY},
        r"no array y_train \(there are: x_train\); x_train and y_train are needed, and",
    ),
    "nothing": ({}, r"no array x_train, y_train \(there are: none\)"),
    "half a test": (
        {"x_train": GREY, "y_train": LABELS, "x_test": GREY},
        r"no array y_test \(there are: x_test, x_train, y_train\); .* together or not at all",
    ),
    "objects": (
        {"x_train": np.array([[None]] * 12, dtype=object), "y_train": LABELS},
        "x_train: holds Python objects, which would have to be unpickled",
    ),
    "labels of text": (
        {"x_train": GREY, "y_train": np.array(["cat"] * 12)},
        r"y_train: got <U3 \[12\], expected whole numbers \[N\] of classes, or .* of the 12 rows",
    ),
    "labels of float16": ({"x_train": GREY, "y_train": LABELS.astype("f2")}, "got float16"),
    "labels of truth": ({"x_train": GREY, "y_train": LABELS == 1}, r"y_train: got bool \[12\]"),
    "targets that are not finite": (
        {"x_train": GREY, "y_train": np.where(np.arange(12) == 3, np.nan, TARGETS)},
        r"y_train: got nan in row 3 as float32, expected finite numbers",
    ),
    "targets beyond float32": (
        {"x_train": GREY, "y_train": np.where(np.arange(12) == 7, 1e39, TARGETS)},
        r"y_train: got inf in row 7 as float32, expected finite numbers",
    ),
    "targets that do not vary": (
        {"x_train": GREY, "y_train": np.full(12, 2.5)},
        r"y_train: got 2\.5 in every row, expected targets that vary",
    ),
    "targets that do not vary as float32": (
        {"x_train": GREY, "y_train": 1e9 + np.arange(12) / 100},
        r"y_train: got 1e\+09 in every row, expected targets that vary",
    ),
    "a column that does not vary": (
        {"x_train": GREY, "y_train": np.stack([TARGETS, np.ones(12)], 1)},
        r"y_train: got 1 in every row of column 1, expected targets that vary",
    ),
    "too few targets": ({"x_train": GREY, "y_train": TARGETS[:-1]}, r"y_train: got float64 \[11\]"),
    "targets without a column": (
        {"x_train": GREY, "y_train": np.ones((12, 0))},
        r"y_train: got float64 \[12, 0\], expected whole numbers",
    ),
    "targets of three dimensions": (
        {"x_train": GREY, "y_train": np.ones((12, 2, 2))},
        r"y_train: got float64 \[12, 2, 2\], expected whole numbers",
    ),
    "a test of classes beside targets": (
        {"x_train": GREY, "y_train": TARGETS, "x_test": GREY, "y_test": LABELS},
        r"y_test: got int64 \[12\], expected float64 \[N\], as y_train is",
    ),
    "a test of targets beside classes": (
        {"x_train": GREY, "y_train": LABELS, "x_test": GREY, "y_test": TARGETS},
        r"y_test: got float64 \[12\], expected int64 \[N\], as y_train is",
    ),
    "a test of other columns": (
        {"x_train": GREY, "y_train": ROWS[:, :2], "x_test": GREY, "y_test": ROWS[:, :3]},
        r"y_test: got float64 \[12, 3\], expected float64 \[N, 2\], as y_train is",
    ),
    "test targets that are not finite": (
        {
            "x_train": GREY,
            "y_train": TARGETS,
            "x_test": GREY,
            "y_test": TARGETS - np.inf,
        },
        r"y_test: got -inf in row 0 as float32",
    ),
    "too few labels": ({"x_train": GREY, "y_train": LABELS[:-1]}, r"y_train: got int64 \[11\]"),
    "one-hot labels": ({"x_train": GREY, "y_train": np.eye(12, dtype=int)}, r"int64 \[12, 12\]"),
    "pixels of int64": (
        {"x_train": GREY.astype(int), "y_train": LABELS},
        r"x_train: got int64 \[12, 4, 5\], expected uint8, float32 or float64 \[N, H, W\]",
    ),
    "float16": ({"x_train": ROWS.astype("f2"), "y_train": LABELS}, "got float16"),
    "complex": ({"x_train": ROWS * 1j, "y_train": LABELS}, "got complex128"),
    "colours first": (
        {"x_train": COLOUR.transpose(0, 3, 1, 2), "y_train": LABELS},
        r"got uint8 \[12, 3, 4, 5\], expected .*\[N, H, W, 3\]",
    ),
    "a number a row": ({"x_train": ROWS[:, 0], "y_train": LABELS}, r"got float64 \[12\]"),
    "no rows": ({"x_train": GREY[:0], "y_train": LABELS[:0]}, r"got uint8 \[0, 4, 5\]"),
    "no pixels": ({"x_train": GREY[:, :0], "y_train": LABELS}, r"got uint8 \[12, 0, 5\]"),
    "a test of another shape": (
        {"x_train": GREY, "y_train": LABELS, "x_test": GREY[:, 1:], "y_test": LABELS},
        r"x_test: got uint8 \[12, 3, 5\], expected uint8 \[N, 4, 5\], as x_train is",
    ),
    "a test of another type": (
        {"x_train": GREY, "y_train": LABELS, "x_test": GREY / 1.0, "y_test": LABELS},
        r"x_test: got float64 \[12, 4, 5\], expected uint8",
    ),
    "a negative label": (
        {"x_train": GREY, "y_train": LABELS - 1},
        r"y_train: got labels -1\.\.1 of 12 rows, expected whole numbers from 0, each class",
    ),
    "a class without a row": (
        {"x_train": GREY, "y_train": LABELS * 2},
        r"y_train: got labels 0\.\.4 and no row of class 1, 3, expected",
    ),
    "many classes without a row": (
        {"x_train": GREY, "y_train": np.array([11] * 12)},
        r"no row of class 0, 1, 2, 3, 4, …, expected",
    ),
    "a huge label": (
        {"x_train": GREY, "y_train": LABELS.astype("u8") + np.uint64(2**63)},
        r"got labels 9223372036854775808\.\.9223372036854775810 of 12 rows",
    ),
    "a test label that no row trains": (
        {"x_train": GREY, "y_train": LABELS, "x_test": GREY, "y_test": LABELS + 1},
        r"y_test: got labels 1\.\.3, expected labels 0\.\.2, as the training rows have them",
    ),
    "not a number": (
        {"x_train": without(ROWS, 7, np.nan), "y_train": LABELS},
        "x_train: got nan in row 7 as float32, expected finite numbers",
    ),
    "infinite": ({"x_train": without(ROWS, 3, np.inf), "y_train": LABELS}, "got inf in row 3"),
    "too large for float32": (
        {"x_train": without(ROWS, 11, -1e300), "y_train": LABELS},
        "got -inf in row 11 as float32",
    ),
}


BAD_FOR_TASK: list[Any] = [
    pytest.param(
        "classification",
        TARGETS,
        r"got float64 \[12\], expected whole numbers \[N\], since data\.task is classification",
        id="classes of floats",
    ),
    pytest.param("regression", np.array(["a"] * 12), r"got <U1 \[12\], expected whole", id="text"),
    pytest.param("regression", TARGETS * 1j, "got complex128", id="complex"),
    pytest.param("regression", LABELS[:-1], r"got int64 \[11\]", id="too few whole numbers"),
    pytest.param("regression", LABELS * 0 + 3, "got 3 in every row, expected", id="one number"),
    pytest.param("classification", LABELS - 1, r"got labels -1\.\.1", id="a class below 0"),
]


@pytest.mark.parametrize(("task", "y_train", "message"), BAD_FOR_TASK)
def test_labels_that_the_task_cannot_use_are_refused_and_nothing_written(
    task: str, y_train: Array, message: str, tmp_path: Path, cache: Path
) -> None:
    path = saved(tmp_path, x_train=GREY, y_train=y_train)
    with pytest.raises(BadInputError, match=rf"own\.npz: y_train: {message}"):
        prepared_npz(path, cache, task=task)
    assert not cache.exists()


@pytest.mark.parametrize(("arrays", "message"), BAD.values(), ids=BAD)
def test_what_is_no_data_set_is_refused_and_nothing_written(
    arrays: dict[str, Array], message: str, tmp_path: Path, cache: Path
) -> None:
    path = saved(tmp_path, **arrays)
    with pytest.raises(BadInputError, match=rf"own\.npz: .*{message}"):
        prepared_npz(path, cache)
    assert not cache.exists()


def claim_rows(content: bytes) -> bytes:
    """Let an array's header say that there are a billion times as many."""
    return content.replace(b"(12, 4, 5), }", b"(12000000000, 4, 5), }").replace(b" " * 9, b"", 1)


def packed(folder: Path, change: Callable[[bytes], bytes]) -> Path:
    """An npz file of which the images' bytes were changed before they were packed."""
    content = io.BytesIO()
    np.save(content, GREY)
    labels = io.BytesIO()
    np.save(labels, LABELS)
    path = folder / "own.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", change(content.getvalue()))
        archive.writestr("y_train.npy", labels.getvalue())
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(claim_rows, "x_train: got 368 bytes, expected 240,000,000,128", id="a claim"),
        pytest.param(
            lambda content: content[:-1], "x_train: got 367 bytes, expected 368", id="cut"
        ),
        pytest.param(lambda content: content + b"x", "got 369 bytes, expected 368", id="too long"),
        pytest.param(lambda _: b"", "damaged, .*: ", id="empty"),
        pytest.param(lambda _: b"\x80\x04.", "damaged, .*: ", id="a pickle"),
        pytest.param(
            lambda content: content.replace(b"|u1", b"|zz"), "damaged, .*: ", id="no type"
        ),
        pytest.param(
            lambda content: content.replace(b"NUMPY\x01", b"NUMPY\x03"),
            r"damaged, .*: x_train has a header of version \(3, 0\)",
            id="a header for structures",
        ),
        pytest.param(
            lambda content: content.replace(b"NUMPY\x01", b"NUMPY\x02"),
            "damaged, .*: ",
            id="a header of another length",
        ),
    ],
)
def test_a_header_that_lies_is_refused_before_room_is_made(
    change: Callable[[bytes], bytes], message: str, tmp_path: Path, cache: Path
) -> None:
    with pytest.raises(BadInputError, match=rf"own\.npz: .*{message}"):
        prepared_npz(packed(tmp_path, change), cache)
    assert not cache.exists()


@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.99])
def test_a_torn_file_is_named(part: float, tmp_path: Path, cache: Path) -> None:
    path = saved(tmp_path, x_train=GREY, y_train=LABELS)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(
        BadInputError, match=r"own\.npz: damaged, or not written by NumPy.s savez: "
    ):
        prepared_npz(path, cache)


def test_a_flipped_byte_is_found(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, x_train=GREY, y_train=LABELS)
    content = path.read_bytes()
    path.write_bytes(content.replace(GREY.tobytes(), GREY[::-1].tobytes()))
    with pytest.raises(BadInputError, match=r"damaged, .*: Bad CRC-32 for file 'x_train\.npy'"):
        prepared_npz(path, cache)


def test_more_than_memory_holds_is_refused_unread(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST_BYTES", 2**20)
    zeros = np.zeros((4_000, 32, 32), dtype=np.uint8)
    path = saved(tmp_path, x_train=zeros, y_train=np.zeros(4_000, dtype=int))
    assert path.stat().st_size < 20_000
    with pytest.raises(BadInputError, match=r"got 0\.0 GiB once decoded, expected at most 0\.0"):
        prepared_npz(path, cache)
