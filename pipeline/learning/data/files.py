"""Bytes of source files, as they lie on the disk and unpacked."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import BadInputError


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
            where=str(path), got=error.strerror or str(error), expected="a file that can be read"
        ) from error


def is_packed(path: Path) -> bool:
    """Tell whether a file is packed by gzip, as its name says."""
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
