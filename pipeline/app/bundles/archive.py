"""The file of a bundle: a tar archive of which every byte follows from what it holds.

``bundle.json`` comes first and says the format, ``manifest.json`` last with size and SHA-256 of all
before it. Headers have no owner, no time and one mode, so one content makes one file.
"""

import hashlib
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

from pydantic import Field

from pipeline.app.output_file import replacing
from pipeline.config import Frozen
from pipeline.config.frozen import Name
from pipeline.errors import BadInputError

FORMAT: Final = 1
PROJECT: Final = "dropout-search"
HEAD: Final = "bundle.json"
MANIFEST: Final = "manifest.json"
BLOCK: Final = tarfile.BLOCKSIZE
END: Final = b"\0" * (2 * BLOCK)
LONGEST_NAME: Final = 90
MB: Final = 1_000_000
LARGEST: Final = {
    r"bundle\.json": 10_000,
    r"study\.yaml": 1 * MB,
    r"study\.json": 200 * MB,
    r"note\.md": 1 * MB,
    r"report\.html": 100 * MB,
    r"trials/\d{6}/(record|run)\.json": 10 * MB,
    r"trials/\d{6}/weights\.safetensors": 4_000 * MB,
    r"trials/\d{6}/[A-Za-z0-9][A-Za-z0-9_-]*\.png": 20 * MB,
    r"confirmations/\d{3}/confirmation\.json": 10 * MB,
    r"confirmations/\d{3}/\d{7}-\d{4}/(record|run)\.json": 10 * MB,
    r"confirmations/\d{3}/\d{7}-\d{4}/weights\.safetensors": 4_000 * MB,
    r"manifest\.json": 100 * MB,
}
"""Which members there may be, each as a pattern, and how many bytes each may have."""


class Member(Frozen):
    """A line of the manifest."""

    name: str
    size: int = Field(ge=0)
    sha256: str


class Manifest(Frozen):
    """``manifest.json``: every member before it, in order."""

    members: tuple[Member, ...]


class Head(Frozen):
    """``bundle.json``: what the file is, in the first member, so that it is known before all else.

    Attributes:
        version: Of the project that wrote it.
        weights: Which trials' weights it holds: ``all``, ``best`` or ``none``.
    """

    project: str
    format: int
    version: str
    study: Name
    weights: str


def trial_folder(number: int) -> str:
    """Where a trial's members are."""
    return f"trials/{number:06}/"


def repeat_folder(confirmation: int, key: tuple[int, int]) -> str:
    """Where the members of a repeat are."""
    return f"confirmations/{confirmation:03}/{key[0]:07}-{key[1]:04}/"


def json_of(content: Frozen) -> bytes:
    """The same bytes for the same content, on any machine."""
    return content.model_dump_json(indent=1).encode() + b"\n"


def write_archive(path: Path, head: Head, members: Iterable[tuple[str, bytes]]) -> str:
    """Write a bundle in place of an older one, whole or not at all.

    Args:
        path: The file; its folder is made.
        head: What it is of.
        members: Names and contents, in the order in which they are written; one at a time is held.

    Returns:
        The SHA-256 of the file.

    Raises:
        BadInputError: A member is larger than a reader would take.
    """
    with replacing(path) as unfinished:
        with unfinished.open("wb") as file:
            manifest = Manifest(members=tuple(_write_all(file, head, members)))
            _write(file, MANIFEST, json_of(manifest))
            file.write(END)
        with unfinished.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _write_all(
    file: IO[bytes], head: Head, members: Iterable[tuple[str, bytes]]
) -> Iterator[Member]:
    yield _write(file, HEAD, json_of(head))
    for name, content in members:
        yield _write(file, name, content)


def _write(file: IO[bytes], name: str, content: bytes) -> Member:
    largest = largest_of(name)
    if largest is None or len(content) > largest:
        problem = f"{name} has {len(content):,} bytes, of at most {largest or 0:,} in a bundle"
        raise BadInputError(where="bundle", problem=problem)
    file.write(header_of(name, len(content)) + content + padding_of(len(content)))
    return Member(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def header_of(name: str, size: int) -> bytes:
    """The only header that a member of this name and size has."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(format=tarfile.USTAR_FORMAT, encoding="ascii", errors="strict")


def padding_of(size: int) -> bytes:
    """What fills the last block of a member."""
    return b"\0" * (-size % BLOCK)


def largest_of(name: str) -> int | None:
    """How many bytes a member may have; ``None``: there is no such member."""
    if len(name) > LONGEST_NAME:
        return None
    return next((size for pattern, size in LARGEST.items() if re.fullmatch(pattern, name)), None)
