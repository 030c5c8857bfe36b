"""Read source files: their bytes, their digests, and how much memory they may take."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import BadInputError

Images = npt.NDArray[np.uint8 | np.float32]
"""[N, H, W] of grey images, [N, 3, H, W] of colour, [N, n_inputs] of rows that are no images."""

Labels = npt.NDArray[np.int64 | np.float32]
"""int64 [N] of classes; float32 [N] or [N, n_targets] of numbers to predict."""

Arrays = Mapping[str, npt.NDArray[np.generic]]
"""``train-images``, ``train-labels``, and so the set's own test part if it has one."""


def read_raw(path: Path) -> bytes:
    """Read a file as it lies on the disk.

    Raises:
        BadInputError: It cannot be read.
    """
    with readable(path):
        return path.read_bytes()


def sha256_of_file(path: Path) -> str:
    """Give the SHA-256 of a file as it lies on the disk; it is never in memory as a whole.

    Raises:
        BadInputError: It cannot be read.
    """
    with readable(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def md5_of(content: bytes) -> str:
    """Give the digest by which the old data sets are known."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Name a file or folder that cannot be read.

    Raises:
        BadInputError: Instead of an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        raise BadInputError(
            where=str(path), problem=f"cannot be read: {error.strerror or error}"
        ) from error


def is_packed(path: Path) -> bool:
    """Whether a file is packed by gzip, as its name says."""
    return path.suffix == ".gz"


def unpack(path: Path, *, expected: str) -> bytes:
    """Read a file, unpacked where it is packed.

    Args:
        path: With or without ``.gz`` at its end.
        expected: What an error says that it should be.

    Raises:
        BadInputError: It cannot be read or unpacked.
    """
    raw = read_raw(path)
    if not is_packed(path):
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        md5 = md5_of(raw)
        raise BadInputError(
            where=str(path),
            got=f"a gz file that does not unpack: {error} (packed md5 {md5})",
            expected=expected,
        ) from error


LARGEST_BYTES: Final = 64 * 2**30


def check_fits(n_bytes: int, *, where: str) -> None:
    """Refuse arrays that memory cannot hold, before any of them is made.

    Args:
        n_bytes: Of all arrays, decoded.
        where: What an error names: the file or folder.

    Raises:
        BadInputError: They are larger than this machine's memory, or than 64 GiB.
    """
    limit = min(LARGEST_BYTES, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if n_bytes > limit:
        raise BadInputError(
            where=where,
            got=f"{n_bytes / 2**30:,.1f} GiB once decoded",
            expected=f"at most {limit / 2**30:,.1f} GiB, which this machine can hold",
        )


def tell_nobody(_step: str) -> None:
    """Say nothing of what is being done; ``trial.ignore`` would import pydantic."""
