"""Decoded arrays on the disk: written once, mapped by everyone."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.learning.data.catalogue import Part
from pipeline.learning.data.meta import Fingerprint, Meta, read_meta
from pipeline.learning.data.records import PreparedData

Images = npt.NDArray[np.uint8 | np.float32]
"""[N, H, W] of grey images, [N, 3, H, W] of colour, [N, n_inputs] of rows that are no images."""

Labels = npt.NDArray[np.int64]

Arrays = Mapping[str, npt.NDArray[np.generic]]
"""``train-images``, ``train-labels`` int64 [N], and so the set's own test part if it has one."""


def open_train(prepared: PreparedData) -> tuple[Images, Labels]:
    """Map the training part: its pages are shared by all processes of the machine.

    Returns:
        Images [N, *image_shape], uint8 or float32, and labels int64 [N]. They can be written to,
        as torch asks; what is written stays in this process and never reaches the file.
    """
    return open_part(prepared.folder, "train")


def open_part(folder: Path, part: Part) -> tuple[Images, Labels]:
    """Map one part's images and labels, copy on write."""
    images, labels = (_open(path) for path in _paths(folder, part))
    return images, labels


def intact_meta(folder: Path, *, parts: tuple[Part, ...]) -> Meta | None:
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


def _paths(folder: Path, part: Part) -> tuple[Path, Path]:
    return folder / f"{part}-images.npy", folder / f"{part}-labels.npy"
