"""A bundle's file read as a stranger's: checked from its first byte to its last, never unpacked.

The reader computes each header again and accepts no other: a link, a device, a member that is there
twice or hidden between others cannot be said in it. Nothing is compressed, so nothing can grow.
"""

import hashlib
import json
import tarfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from pydantic import ValidationError

from pipeline.app.bundles.archive import (
    BLOCK,
    END,
    FORMAT,
    HEAD,
    LONGEST_NAME,
    MANIFEST,
    PROJECT,
    Head,
    Manifest,
    Member,
    header_of,
    json_of,
    largest_of,
    padding_of,
)
from pipeline.errors import BadInputError, first_line

CHUNK: Final = 1 << 20
MOST_MEMBERS: Final = 200_000


class _Place(NamedTuple):
    offset: int
    member: Member


@dataclass(frozen=True)
class Archive:
    """A bundle that was checked from its first byte to its last, and is still open.

    Attributes:
        path: The file.
        head: What it is of.
        sha256: Of the whole file.
    """

    path: Path
    head: Head
    sha256: str
    _file: IO[bytes] = field(repr=False)
    _places: Mapping[str, _Place] = field(repr=False)

    @property
    def names(self) -> Collection[str]:
        """The members, in order."""
        return self._places.keys()

    def digest_of(self, name: str) -> str | None:
        """The SHA-256 of a member; ``None``: there is no such member."""
        return self._places[name].member.sha256 if name in self._places else None

    def read(self, name: str) -> bytes:
        """Read a member, which is held to its digest each time.

        Raises:
            BadInputError: It is not there, or the file was changed since it was opened.
        """
        if name not in self._places:
            raise fault(self.path, f"it has no {name}")
        offset, member = self._places[name]
        self._file.seek(offset)
        content = self._file.read(member.size)
        if hashlib.sha256(content).hexdigest() != member.sha256:
            raise fault(self.path, f"{name} was changed while it was read")
        return content

    def parse(self, name: str, kind: type[Any]) -> Any:
        """Read a member as a record of some kind.

        Raises:
            BadInputError: It is none.
        """
        return parsed(self.path, name, self.read(name), kind)


def fault(path: Path, problem: str) -> BadInputError:
    """The error of a file that is no sound bundle."""
    return BadInputError(where=str(path), problem=f"{problem}; nothing was imported")


def parsed(path: Path, name: str, content: bytes, kind: type[Any]) -> Any:
    """Read a record of JSON.

    Raises:
        BadInputError: It is none; the first fault is named.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise fault(path, f"{name}: {place}: {first['msg']}") from None


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a bundle and check all of it; nothing is unpacked.

    Raises:
        BadInputError: It is no file, no bundle, or not byte for byte what ``bundle`` writes.
    """
    if not path.is_file():
        got = "no such file" if not path.exists() else "no regular file"
        expected = "a file that `pipeline bundle` wrote"
        raise BadInputError(where=str(path), got=got, expected=expected)
    try:
        with path.open("rb") as file:
            yield _Reader(path, file).archive()
    except OSError as error:
        raise BadInputError(where=str(path), problem=first_line(error)) from None


class _Reader:
    """Goes through an archive once, computing each header again."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file
        self._digest = hashlib.sha256()
        self._offset = 0

    def archive(self) -> Archive:
        """Read all of it."""
        head = self._head()
        places = self._places()
        manifest = places.pop(MANIFEST)
        if self._take(len(END)) != END or self._file.read(1):
            raise fault(self._path, f"something follows {MANIFEST}")
        archive = Archive(self._path, head, self._digest.hexdigest(), self._file, places)
        self._check(places, manifest)
        return archive

    def _head(self) -> Head:
        """Know what it is before anything else of it is read.

        Raises:
            BadInputError: It is no bundle, or one of another format.
        """
        size = self._next(expected=HEAD)
        content = self._take(size)
        try:
            said = json.loads(content)
            is_other = (said["project"], said["format"]) != (PROJECT, FORMAT)
        except (ValueError, TypeError, LookupError, RecursionError):
            raise fault(self._path, f"{HEAD} does not say what it is of") from None
        if is_other:
            got = f"a bundle of {said['project']!r:.40}, format {said['format']!r:.20}"
            raise BadInputError(
                where=str(self._path), got=got, expected=f"one of {PROJECT!r}, format {FORMAT}"
            )
        head: Head = parsed(self._path, HEAD, content, Head)
        self._skip_padding(size)
        return head

    def _places(self) -> dict[str, _Place]:
        """Where each member is, the manifest last."""
        places: dict[str, _Place] = {}
        self._file.seek(0)
        self._digest, self._offset = hashlib.sha256(), 0
        while MANIFEST not in places:
            name, size = self._name_and_size()
            if name in places:
                raise fault(self._path, f"{name} is there twice")
            if len(places) >= MOST_MEMBERS:
                raise fault(self._path, f"it has more than {MOST_MEMBERS:,} members")
            offset, digest = self._offset, hashlib.sha256()
            for start in range(0, size, CHUNK):
                digest.update(self._take(min(CHUNK, size - start)))
            self._skip_padding(size)
            places[name] = _Place(offset, Member(name=name, size=size, sha256=digest.hexdigest()))
        return places

    def _check(self, places: Mapping[str, _Place], manifest: _Place) -> None:
        """Hold what was found to the manifest."""
        self._file.seek(manifest.offset)
        content = self._file.read(manifest.member.size)
        said: Manifest = parsed(self._path, MANIFEST, content, Manifest)
        found = [place.member for place in places.values()]
        listed = {member.name: member for member in said.members}
        for member in found:
            if listed.get(member.name) != member:
                raise fault(self._path, f"{member.name} is not what {MANIFEST} says of it")
        if missing := [name for name in listed if name not in places]:
            raise fault(self._path, f"it has no {missing[0][:LONGEST_NAME]}")
        if content != json_of(Manifest(members=tuple(found))):
            raise fault(self._path, f"{MANIFEST} is not as `pipeline bundle` writes it")

    def _next(self, *, expected: str) -> int:
        name, size = self._name_and_size()
        if name != expected:
            raise fault(self._path, f"its first member is {name}, not {expected}")
        return size

    def _name_and_size(self) -> tuple[str, int]:
        """Read a header that says nothing but a name and a size.

        Raises:
            BadInputError: It is none, or of a member that no bundle has.
        """
        block = self._take(BLOCK)
        try:
            info = tarfile.TarInfo.frombuf(block, "ascii", "backslashreplace")
        except tarfile.HeaderError:
            raise fault(self._path, "it is no bundle, or a damaged one") from None
        if not info.isfile():
            raise fault(self._path, f"{info.name[:LONGEST_NAME]} is no file but a link or a device")
        largest = largest_of(info.name)
        if largest is None:
            raise fault(self._path, f"no bundle has a member {info.name[:LONGEST_NAME]!r}")
        if not 0 <= info.size <= largest:
            raise fault(self._path, f"{info.name} says {info.size:,} bytes, of at most {largest:,}")
        if block != header_of(info.name, info.size):
            raise fault(self._path, f"the header of {info.name} says more than a name and a size")
        return info.name, info.size

    def _take(self, size: int) -> bytes:
        content = self._file.read(size)
        if len(content) < size:
            raise fault(self._path, "it ends before its end")
        self._digest.update(content)
        self._offset += size
        return content

    def _skip_padding(self, size: int) -> None:
        padding = padding_of(size)
        if self._take(len(padding)) != padding:
            raise fault(self._path, "something lies between its members")
