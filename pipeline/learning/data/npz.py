"""The user's own arrays in an npz file; nothing in it is unpickled."""

import lzma
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import BadInputError
from pipeline.learning.data.reading import Arrays, Images, Labels, check_fits

COLOURS: Final = (1, 3)
IMAGES: Final = "uint8, float32 or float64 [N, H, W], [N, H, W, 3] or [N, n_inputs], N at least 1"
LABELS: Final = "whole numbers [N]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """An array's type and shape."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def __str__(self) -> str:
        """Show both as errors do."""
        return f"{self.dtype} {list(self.shape)}"


def read_header(file: IO[bytes], *, n_bytes: int, where: str, key: str) -> Header:
    """Read an array's header.

    Args:
        file: At the start of the ``.npy`` file.
        n_bytes: Of the whole file; a header that claims another size is refused, since NumPy
            would make room for what it claims.
        where: What an error names: the npz file.
        key: The array in it.

    Raises:
        BadInputError: The array holds Python objects, or not as many bytes as its header claims.
        ValueError: It has no header that NumPy can read.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        message = f"{key} has a header of version {version}"
        raise ValueError(message)
    if dtype.hasobject:
        problem = "holds Python objects, which would have to be unpickled; only numbers are read"
        raise BadInputError(where=where, key=key, problem=problem)
    n_claimed = file.tell() + dtype.itemsize * math.prod(shape)
    if n_claimed != n_bytes:
        expected = f"{n_claimed:,} bytes, as its header says"
        raise BadInputError(where=where, key=key, got=f"{n_bytes:,} bytes", expected=expected)
    return Header(dtype=dtype, shape=shape)


def check_headers(headers: Mapping[str, Header], *, where: str) -> None:
    """Refuse types and shapes that are no data set.

    Args:
        headers: Of ``x_train``, ``y_train`` and, where they are, ``x_test``, ``y_test``.
        where: What an error names: the npz file.

    Raises:
        BadInputError: Naming the array, what it is, and what it should be.
    """
    for images, labels in (("x_train", "y_train"), ("x_test", "y_test")):
        if images in headers:
            _check_images(headers[images], where=where, key=images)
            _check_labels(headers[labels], len_of=headers[images], where=where, key=labels)
    if "x_test" in headers:
        _check_alike(headers["x_test"], headers["x_train"], where=where)


def _check_images(header: Header, *, where: str, key: str) -> None:
    is_uint8, is_float = header.dtype == np.uint8, header.dtype.kind == "f"
    is_known = is_uint8 or (is_float and header.dtype.itemsize in {4, 8})
    n_dimensions = len(header.shape)
    has_shape = n_dimensions in {2, 3} or (n_dimensions == 4 and header.shape[3] in COLOURS)  # noqa: PLR2004 - rows, height, width, colours
    if not (is_known and has_shape and min(header.shape) > 0):
        raise BadInputError(where=where, key=key, got=str(header), expected=IMAGES)


def _check_labels(header: Header, *, len_of: Header, where: str, key: str) -> None:
    n_rows = len_of.shape[0]
    if header.dtype.kind not in "iu" or header.shape != (n_rows,):
        expected = f"{LABELS}, one for each of the {n_rows:,} rows"
        raise BadInputError(where=where, key=key, got=str(header), expected=expected)


def _check_alike(test: Header, train: Header, *, where: str) -> None:
    if test.shape[1:] != train.shape[1:] or test.dtype.kind != train.dtype.kind:
        expected = f"{train.dtype} {['N', *train.shape[1:]]}, as x_train is"
        expected = expected.replace("'", "")
        raise BadInputError(where=where, key="x_test", got=str(test), expected=expected)


NAMED_CLASSES = 5
"""How many missing classes an error names."""


def check_training_labels(labels: npt.NDArray[np.generic], *, where: str, key: str) -> Labels:
    """Check the training part's labels; the largest says how many classes there are.

    Args:
        labels: [N] of any whole numbers.
        where: What an error names: the file.
        key: The array in it.

    Returns:
        int64 [N].

    Raises:
        BadInputError: A label is below 0, or a class up to the largest has no row.
    """
    least, largest = int(labels.min()), int(labels.max())
    expected = "whole numbers from 0, each class up to the largest at least once"
    if least < 0 or largest >= labels.size:
        got = f"labels {least}..{largest} of {labels.size:,} rows"
        raise BadInputError(where=where, key=key, got=got, expected=expected)
    classes = labels.astype(np.int64)
    lacking = np.flatnonzero(np.bincount(classes) == 0)
    if lacking.size:
        more = ", …" if lacking.size > NAMED_CLASSES else ""
        named = ", ".join(map(str, lacking[:NAMED_CLASSES])) + more
        got = f"labels {least}..{largest} and no row of class {named}"
        raise BadInputError(where=where, key=key, got=got, expected=expected)
    return classes


def check_test_labels(
    labels: npt.NDArray[np.generic], *, n_classes: int, where: str, key: str
) -> Labels:
    """Check a test part's labels: no class that no row trains.

    Args:
        labels: [N] of any whole numbers.
        n_classes: Of the training part.
        where: What an error names: the file.
        key: The array in it.

    Returns:
        int64 [N].

    Raises:
        BadInputError: A label is not in 0..n_classes - 1.
    """
    least, largest = int(labels.min()), int(labels.max())
    if least < 0 or largest >= n_classes:
        expected = f"labels 0..{n_classes - 1}, as the training rows have them"
        got = f"labels {least}..{largest}"
        raise BadInputError(where=where, key=key, got=got, expected=expected)
    return labels.astype(np.int64)


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
    labels = check_training_labels(arrays["y_train"], where=where, key="y_train")
    decoded: dict[str, npt.NDArray[np.generic]] = {
        "train-images": _images(arrays["x_train"], where=where, key="x_train"),
        "train-labels": labels,
    }
    if "x_test" in arrays:
        decoded["test-images"] = _images(arrays["x_test"], where=where, key="x_test")
        decoded["test-labels"] = check_test_labels(
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
            problem="damaged, or not written by NumPy's savez: "
            f"{' '.join(str(error).split()) or type(error).__name__}",
        ) from error


def _headers(archive: zipfile.ZipFile, path: Path) -> Mapping[str, Header]:
    """Read the headers of the arrays that are used, and hold them against one another."""
    there = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
    wanted = (*TRAIN, *TEST) if there & set(TEST) else TRAIN
    if lacking := [name for name in wanted if name not in there]:
        raise BadInputError(
            where=str(path),
            problem=f"no array {', '.join(lacking)} "
            f"(there are: {', '.join(sorted(there)) or 'none'}); "
            "x_train and y_train are needed, and x_test and y_test together or not at all",
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
