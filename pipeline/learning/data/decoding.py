"""What a data set's files hold: decoded into arrays, counted, digested."""

from typing import TYPE_CHECKING

import numpy as np

from pipeline.learning.data.catalogue import DATA_SETS
from pipeline.learning.data.labels import as_targets
from pipeline.learning.data.locate import Source
from pipeline.learning.data.npz import count_rows, decode_npz
from pipeline.learning.data.reading import Arrays, sha256_of_file, tell_nobody

if TYPE_CHECKING:
    from pipeline.trial import Tell


def decode(source: Source, tell: "Tell" = tell_nobody) -> Arrays:
    """Read a set's files into memory; ``tell`` is called with how far it is.

    Raises:
        BadInputError: A file cannot be read, or does not hold what it must hold.
    """
    if source.name == "npz":
        return decode_npz(source.files[0], task=source.task)
    if source.name == "image-folder":
        from pipeline.learning.data.images import decode_images, list_images  # imports Pillow

        listing = list_images(source.files[0])
        return decode_images(listing, image_size=source.image_size, tell=tell)
    known = DATA_SETS[source.name]
    arrays = known.decode(known, source.files)
    return as_targets(arrays) if source.task == "regression" else arrays


def count_rows_of_source(source: Source) -> tuple[int, int]:
    """Tell the rows of the training and of the test part of the user's own data.

    Nothing is decoded: an npz file's headers are read, a folder's images are counted.

    Raises:
        BadInputError: The file or folder is no data set.
    """
    if source.name == "npz":
        return count_rows(source.files[0], task=source.task)
    from pipeline.learning.data.images import list_images  # imports Pillow

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
        from pipeline.learning.data.images import sha256_of_folder  # imports Pillow

        folder = source.files[0]
        return {folder.name: sha256_of_folder(folder, image_size=source.image_size)}
    return {path.name: sha256_of_file(path) for path in source.files}
