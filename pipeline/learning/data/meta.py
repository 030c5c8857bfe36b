"""What stands beside the decoded arrays: of what they were made, and their digests."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """An array told by its type, its shape and the SHA-256 of its bytes in C order."""

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
    """

    name: str
    n_classes: int
    scale: float
    sources: Mapping[str, str]
    arrays: Mapping[str, Fingerprint]

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
    plain = {key: document[key] for key in ("name", "n_classes", "scale", "sources")}
    return Meta(arrays=arrays, **plain)
