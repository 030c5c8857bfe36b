"""From a set's files to its arrays, whatever form the files have."""

import hashlib
import json
from collections.abc import Mapping

import numpy as np

from pipeline.errors import BadInputError
from pipeline.learning.data.arrays import Arrays
from pipeline.learning.data.catalogue import DATA_SETS
from pipeline.learning.data.cifar import decode_batches
from pipeline.learning.data.files import sha256_of_file
from pipeline.learning.data.idx import decode_idx
from pipeline.learning.data.image_folder import list_images, sha256_of_folder
from pipeline.learning.data.meta import FORMAT
from pipeline.learning.data.npz import count_rows, decode_npz
from pipeline.learning.data.origins import BatchesOrigin, IdxOrigin
from pipeline.learning.data.records import Source
from pipeline.learning.data.table import decode_csv


def decode(source: Source) -> Arrays:
    """Read a set's files into memory.

    Raises:
        BadInputError: A file cannot be read, or does not hold what it must hold.
    """
    if source.name == "npz":
        return decode_npz(source.files[0])
    if source.name == "image-folder":
        from pipeline.learning.data.image_files import decode_images  # Pillow, for these alone

        return decode_images(list_images(source.files[0]), image_size=source.image_size)
    known = DATA_SETS[source.name]
    if isinstance(known.origin, IdxOrigin):
        return decode_idx(known.origin, source.files)
    if isinstance(known.origin, BatchesOrigin):
        return decode_batches(known, known.origin, source.files)
    return decode_csv(known, source.files[0])


def count_own_rows(source: Source) -> tuple[int, int]:
    """Tell the rows of the training and of the test part of the user's own data.

    Nothing is decoded: an npz file's headers are read, a folder's images are counted.

    Raises:
        BadInputError: The file or folder is no data set.
    """
    if source.name == "npz":
        return count_rows(source.files[0])
    listing = list_images(source.files[0])
    return len(listing.train), len(listing.test)


def scale_of(name: str, dtype: np.dtype[np.generic]) -> float:
    """Tell what a set's values are divided by: its largest pixel, and nothing if it has floats.

    >>> scale_of("npz", np.dtype(np.float32))
    1.0
    """
    if name in DATA_SETS:
        return DATA_SETS[name].scale
    return 255 if dtype == np.uint8 else 1.0


def digests(source: Source) -> dict[str, str]:
    """Give the SHA-256 of each source file; of a folder of images one over all.

    Raises:
        BadInputError: A file cannot be read.
    """
    if source.name == "image-folder":
        folder = source.files[0]
        return {folder.name: sha256_of_folder(folder, image_size=source.image_size)}
    return {path.name: sha256_of_file(path) for path in source.files}


def folder_name(source: Source, sources: Mapping[str, str]) -> str:
    """Name the folder of a set's decoded arrays by what they are decoded from."""
    key = json.dumps([FORMAT, sorted(sources.items())])
    return f"{source.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def check_unchanged(source: Source, sources: Mapping[str, str], *, name: str) -> None:
    """Refuse files that are no longer those that a folder of arrays was named by.

    Raises:
        BadInputError: They changed since, or while they were read.
    """
    if folder_name(source, sources) != name:
        raise BadInputError(
            where=", ".join(map(str, source.files)),
            got="another content than a moment ago",
            expected="data that stay as they are while a study reads them",
        )
