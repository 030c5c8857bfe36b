"""The user's own arrays in an npz file; nothing in it is unpickled."""

import lzma
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import BadInputError
from pipeline.learning.data.arrays import Arrays, Images
from pipeline.learning.data.labels import own_test_labels, training_labels
from pipeline.learning.data.memory import check_fits
from pipeline.learning.data.npz_headers import Header, check_headers, read_header

TRAIN: Final = ("x_train", "y_train")
TEST: Final = ("x_test", "y_test")
FAULTS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    tokenize.TokenError,
    NotImplementedError,  # a method of packing that Python does not know
    RuntimeError,  # a password
    EOFError,
    OSError,
    SyntaxError,
    ValueError,
)
"""What a damaged file raises in ``zipfile`` and in NumPy's reader."""


def count_rows(path: Path) -> tuple[int, int]:
    """Read from the headers how many rows the training and the test part have.

    Raises:
        BadInputError: The file is damaged, or does not hold what it must hold.
    """
    with _opened(path) as archive:
        headers = _headers(archive, path)
    return headers["x_train"].shape[0], headers["x_test"].shape[0] if "x_test" in headers else 0


def decode_npz(path: Path) -> Arrays:
    """Read the arrays ``x_train``, ``y_train`` and, where they are, ``x_test``, ``y_test``.

    Images are uint8 or floats, [N, H, W] or, with the colours last, [N, H, W, 3]; rows that are no
    images are [N, n_inputs]. Labels are whole numbers [N]. Other arrays are not read.

    Returns:
        Images with the colours first, uint8 or float32, and labels int64.

    Raises:
        BadInputError: The file is damaged, or does not hold what it must hold.
    """
    with _opened(path) as archive:
        arrays = {name: _read(archive, name) for name in _headers(archive, path)}
    where = str(path)
    labels = training_labels(arrays["y_train"], where=where, key="y_train")
    decoded: dict[str, npt.NDArray[np.generic]] = {
        "train-images": _images(arrays["x_train"], where=where, key="x_train"),
        "train-labels": labels,
    }
    if "x_test" in arrays:
        decoded["test-images"] = _images(arrays["x_test"], where=where, key="x_test")
        decoded["test-labels"] = own_test_labels(
            arrays["y_test"], n_classes=int(labels.max()) + 1, where=where, key="y_test"
        )
    return decoded


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FAULTS as error:
        raise BadInputError(
            where=str(path),
            got=f"a damaged file: {' '.join(str(error).split()) or type(error).__name__}",
            expected="a file that NumPy's savez wrote",
        ) from error


def _headers(archive: zipfile.ZipFile, path: Path) -> Mapping[str, Header]:
    """Read the headers of the arrays that are used, and hold them against one another."""
    there = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
    wanted = (*TRAIN, *TEST) if there & set(TEST) else TRAIN
    if lacking := [name for name in wanted if name not in there]:
        raise BadInputError(
            where=str(path),
            got=f"no array {', '.join(lacking)} (there are: {', '.join(sorted(there)) or 'none'})",
            expected="x_train and y_train, and x_test and y_test together or not at all",
        )
    check_fits(sum(archive.getinfo(f"{name}.npy").file_size for name in wanted), where=str(path))
    headers = {}
    for name in wanted:
        with _member(archive, name) as file:
            n_bytes = archive.getinfo(f"{name}.npy").file_size
            headers[name] = read_header(file, n_bytes=n_bytes, where=str(path), key=name)
    check_headers(headers, where=str(path))
    return headers


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    return archive.open(f"{name}.npy")


def _read(archive: zipfile.ZipFile, name: str) -> npt.NDArray[np.generic]:
    with _member(archive, name) as file:
        array: npt.NDArray[np.generic] = np.lib.format.read_array(file, allow_pickle=False)
        return array


def _images(array: npt.NDArray[np.generic], *, where: str, key: str) -> Images:
    """Put colours first, and take floats as float32."""
    if array.ndim > 3:  # noqa: PLR2004 - rows, height, width, and then colours
        array = array[..., 0] if array.shape[-1] == 1 else array.transpose(0, 3, 1, 2)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array, dtype=np.uint8)
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(array, dtype=np.float32)
    is_finite = np.isfinite(floats)
    if not is_finite.all():
        row = int(np.argmin(is_finite.reshape(len(floats), -1).all(axis=1)))
        got = f"{floats[row][~is_finite[row]].flat[0]} in row {row:,} as float32"
        raise BadInputError(where=where, key=key, got=got, expected="finite numbers")
    return floats
