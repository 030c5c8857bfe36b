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
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import BadInputError
from pipeline.learning.data.labels import (
    check_spread,
    check_test_labels,
    check_training_labels,
    read_targets,
)
from pipeline.learning.data.reading import Arrays, Images, Labels, check_fits

if TYPE_CHECKING:
    from pipeline.config.data_section import Task

COLOURS: Final = (1, 3)
IMAGES: Final = "uint8, float32 or float64 [N, H, W], [N, H, W, 3] or [N, n_inputs], N at least 1"
LABELS: Final[Mapping["Task | None", str]] = {
    None: "whole numbers [N] of classes, or float32 or float64 [N] or [N, n_targets] to predict",
    "classification": "whole numbers [N], since data.task is classification, not regression",
    "regression": "whole numbers, float32 or float64, [N] or [N, n_targets]",
}


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


def check_headers(headers: Mapping[str, Header], *, task: "Task | None", where: str) -> None:
    """Refuse types and shapes that are no data set.

    Args:
        headers: Of ``x_train``, ``y_train`` and, where they are, ``x_test``, ``y_test``.
        task: What is learned; ``None``: what the labels are.
        where: What an error names: the npz file.

    Raises:
        BadInputError: Naming the array, what it is, and what it should be.
    """
    for images, labels in (("x_train", "y_train"), ("x_test", "y_test")):
        if images in headers:
            _check_images(headers[images], where=where, key=images)
            _check_labels(headers[labels], headers[images], task, where=where, key=labels)
    if "x_test" in headers:
        _check_alike(headers, "x", where=where)
        _check_alike(headers, "y", where=where, is_cast=task == "regression")


def _check_images(header: Header, *, where: str, key: str) -> None:
    is_uint8, is_float = header.dtype == np.uint8, header.dtype.kind == "f"
    is_known = is_uint8 or (is_float and header.dtype.itemsize in {4, 8})
    n_dimensions = len(header.shape)
    has_shape = n_dimensions in {2, 3} or (n_dimensions == 4 and header.shape[3] in COLOURS)  # noqa: PLR2004 - rows, height, width, colours
    if not (is_known and has_shape and min(header.shape) > 0):
        raise BadInputError(where=where, key=key, got=str(header), expected=IMAGES)


def _check_labels(
    labels: Header, images: Header, task: "Task | None", *, where: str, key: str
) -> None:
    n_rows = images.shape[0]
    is_whole = labels.dtype.kind in "iu"
    is_float = labels.dtype.kind == "f" and labels.dtype.itemsize in {4, 8}
    has_rows = labels.shape[:1] == (n_rows,) and 0 not in labels.shape
    fits = {
        "classification": is_whole and labels.shape == (n_rows,),
        "regression": (is_whole or is_float) and has_rows and len(labels.shape) <= 2,  # noqa: PLR2004 - rows, columns
    }
    if not fits[task or ("regression" if is_float else "classification")]:
        expected = f"{LABELS[task]}, one for each of the {n_rows:,} rows"
        raise BadInputError(where=where, key=key, got=str(labels), expected=expected)


def _check_alike(
    headers: Mapping[str, Header], name: str, *, where: str, is_cast: bool = False
) -> None:
    """Hold a test array against the training's."""
    test, train = headers[f"{name}_test"], headers[f"{name}_train"]
    is_of_kind = is_cast or (test.dtype.kind == "f") == (train.dtype.kind == "f")
    if test.shape[1:] != train.shape[1:] or not is_of_kind:
        expected = f"{train.dtype} {['N', *train.shape[1:]]}, as {name}_train is"
        expected = expected.replace("'", "")
        raise BadInputError(where=where, key=f"{name}_test", got=str(test), expected=expected)


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


def count_rows(path: Path, *, task: "Task | None" = None) -> tuple[int, int]:
    """Read from the headers how many rows the training and the test part have.

    Args:
        path: The file.
        task: What is learned; ``None``: what the labels are.

    Raises:
        BadInputError: The file is damaged, or does not hold what it must hold.
    """
    with _opened(path) as archive:
        headers = _headers(archive, path, task)
    return headers["x_train"].shape[0], headers["x_test"].shape[0] if "x_test" in headers else 0


def decode_npz(path: Path, *, task: "Task | None" = None) -> Arrays:
    """Read the arrays ``x_train``, ``y_train`` and, where they are, ``x_test``, ``y_test``.

    Images are uint8 or floats, [N, H, W] or, with the colours last, [N, H, W, 3]; rows that are no
    images are [N, n_inputs]. Labels are whole numbers [N], or numbers to predict, [N] or
    [N, n_targets]. Other arrays are not read.

    Args:
        path: The file.
        task: What is learned; ``None``: what the labels are.

    Returns:
        Images with the colours first, uint8 or float32, and labels, int64 or float32.

    Raises:
        BadInputError: The file is damaged, or does not hold what it must hold.
    """
    with _opened(path) as archive:
        arrays = {name: _read(archive, name) for name in _headers(archive, path, task)}
    where = str(path)
    is_whole = arrays["y_train"].dtype.kind in "iu"
    read_labels = _read_classes if is_whole and task != "regression" else _read_targets
    decoded: dict[str, npt.NDArray[np.generic]] = dict(read_labels(arrays, where))
    for part in ("train", "test"):
        if f"x_{part}" in arrays:
            images = _images(arrays[f"x_{part}"], where=where, key=f"x_{part}")
            decoded[f"{part}-images"] = images
    return decoded


def _read_classes(
    arrays: Mapping[str, npt.NDArray[np.generic]], where: str
) -> Iterator[tuple[str, Labels]]:
    labels = check_training_labels(arrays["y_train"], where=where, key="y_train")
    yield "train-labels", labels
    if "y_test" in arrays:
        n_classes = int(labels.max()) + 1
        yield (
            "test-labels",
            check_test_labels(arrays["y_test"], n_classes=n_classes, where=where, key="y_test"),
        )


def _read_targets(
    arrays: Mapping[str, npt.NDArray[np.generic]], where: str
) -> Iterator[tuple[str, Labels]]:
    targets = read_targets(arrays["y_train"], where=where, key="y_train")
    check_spread(targets, where=where, key="y_train")
    yield "train-labels", targets
    if "y_test" in arrays:
        yield "test-labels", read_targets(arrays["y_test"], where=where, key="y_test")


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


def _headers(archive: zipfile.ZipFile, path: Path, task: "Task | None") -> Mapping[str, Header]:
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
    check_headers(headers, task=task, where=str(path))
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
