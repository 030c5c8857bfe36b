"""The idx files of the MNIST family: every byte is checked before it is believed."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import BadInputError
from pipeline.learning.data.arrays import Arrays
from pipeline.learning.data.files import is_packed, md5_of, unpack
from pipeline.learning.data.origins import IdxFile, IdxOrigin


def decode_idx(origin: IdxOrigin, paths: tuple[Path, ...]) -> Arrays:
    """Read the four files of a set.

    Raises:
        BadInputError: One cannot be read, or has another md5.
    """
    arrays = [_read_idx(path, file=file) for path, file in zip(paths, origin.files, strict=True)]
    names = ("train-images", "train-labels", "test-images", "test-labels")
    return {
        name: array.astype(np.int64) if name.endswith("labels") else array
        for name, array in zip(names, arrays, strict=True)
    }


def _read_idx(path: Path, *, file: IdxFile) -> npt.NDArray[np.uint8]:
    expected = f"{file.name} with md5 {file.md5}" + (" once unpacked" if is_packed(path) else "")
    content = unpack(path, expected=expected)
    md5 = md5_of(content)
    if md5 != file.md5:
        got = f"{_idx_fault(content, file)} (md5 {md5})"
        raise BadInputError(where=str(path), got=got, expected=expected)
    n_header = 4 + 4 * len(file.shape)
    return np.frombuffer(content, dtype=np.uint8, offset=n_header).reshape(file.shape)


def _idx_fault(content: bytes, file: IdxFile) -> str:
    """Say in words how bytes differ from the file they should be."""
    n_dimensions = len(file.shape)
    magic = bytes((0, 0, 8, n_dimensions))
    n_bytes = 4 + 4 * n_dimensions + int(np.prod(file.shape))
    if content[:4] != magic:
        return f"a file that starts with {content[:4].hex() or 'nothing'} and not {magic.hex()}"
    if len(content) != n_bytes:
        return f"{len(content):,} of {n_bytes:,} bytes"
    return "other content"
