"""A data set's decoded arrays in a folder, and the description by which they are checked."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from pipeline.learning.data.catalogue import Subset
from pipeline.learning.data.reading import Arrays, Images, Labels

FORMAT: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """An array's type, its shape and the SHA-256 of its bytes in C order."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str

    @classmethod
    def of(cls, array: npt.NDArray[np.generic]) -> Self:
        """Take an array's fingerprint.

        >>> Fingerprint.of(np.zeros(2, dtype=np.uint8)).shape
        (2,)
        """
        digest = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
        return cls(dtype=array.dtype.name, shape=array.shape, sha256=digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """The content of ``meta.json``.

    Attributes:
        sources: SHA-256 of each source file as it lies on the disk, by its name; of a folder of
            images one over all.
        arrays: Fingerprints by array name, ``train-images`` for example.
        class_names: What the classes are called, by label; ``None`` where nobody says.
    """

    name: str
    sources: Mapping[str, str]
    arrays: Mapping[str, Fingerprint]
    class_names: tuple[str, ...] | None = None

    @property
    def content_sha256(self) -> str:
        """A digest over every row of every part, however the source was packed."""
        rows = [
            [name, one.dtype, list(one.shape), one.sha256]
            for name, one in sorted(self.arrays.items())
        ]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def as_json(self) -> str:
        """Write the file's text."""
        content = {"format": FORMAT, "content_sha256": self.content_sha256} | asdict(self)
        return json.dumps(content, indent=1, sort_keys=True) + "\n"


def read_meta(folder: Path) -> Meta | None:
    """Read ``meta.json``; ``None`` where there is none or it is damaged."""
    try:
        document = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        meta = _meta_of(document)
        is_sound = meta.content_sha256 == document["content_sha256"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return meta if is_sound and document.get("format") == FORMAT else None


def _meta_of(document: dict[str, Any]) -> Meta:
    arrays = {
        name: Fingerprint(dtype=entry["dtype"], shape=tuple(entry["shape"]), sha256=entry["sha256"])
        for name, entry in document["arrays"].items()
    }
    names = document["class_names"]
    return Meta(
        name=document["name"],
        sources=document["sources"],
        arrays=arrays,
        class_names=None if names is None else tuple(map(str, names)),
    )


def open_subset(folder: Path, part: Subset) -> tuple[Images, Labels]:
    """Map one part's images and labels, copy on write."""
    images, labels = (_open(path) for path in _paths(folder, part))
    return images, labels


def intact_meta(folder: Path, *, parts: tuple[Subset, ...]) -> Meta | None:
    """Give a decoded set's description where these parts are what it says, or else nothing."""
    meta = read_meta(folder)
    if meta is None:
        return None
    paths = [path for part in parts for path in _paths(folder, part)]
    try:
        is_intact = all(Fingerprint.of(_open(path)) == meta.arrays[path.stem] for path in paths)
    except (OSError, ValueError, EOFError, KeyError):
        return None
    return meta if is_intact else None


def write_arrays(folder: Path, *, arrays: Arrays, meta: Meta) -> None:
    """Write arrays and then their description; each file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        with _whole(folder / f"{name}.npy") as partial, partial.open("wb") as file:
            np.save(file, array, allow_pickle=False)
    with _whole(folder / "meta.json") as partial:
        partial.write_text(meta.as_json(), encoding="utf-8")


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _open(path: Path) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    return array


def _paths(folder: Path, part: Subset) -> tuple[Path, Path]:
    return folder / f"{part}-images.npy", folder / f"{part}-labels.npy"
