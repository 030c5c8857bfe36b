"""What the arrays of an npz file say of themselves, held against what a data set needs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, Final

import numpy as np

from pipeline.errors import BadInputError

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
        expected = "numbers; objects would have to be unpickled, which nothing here does"
        raise BadInputError(where=where, key=key, got="Python objects", expected=expected)
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
