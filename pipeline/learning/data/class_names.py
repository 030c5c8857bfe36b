"""What a data set's classes are called: for whoever reads a network's answers."""

import zipfile
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.errors import BadInputError
from pipeline.learning.data.catalogue import DATA_SETS
from pipeline.learning.data.locate import Source
from pipeline.learning.data.npz import FAULTS, Header, read_header
from pipeline.learning.data.reading import check_fits

KEY: Final = "class_names"
MOST_NAMES: Final = 1_000
"""Every trial's record holds them; of more classes the numbers have to do."""


def class_names_of(source: Source, *, n_classes: int | None) -> tuple[str, ...] | None:
    """Tell what the classes of a set are called, by label.

    Of a known set they are known, of a folder of images they are its folders' names, and of an npz
    file its array ``class_names``, where it has one.

    Args:
        source: Where the set's files are.
        n_classes: ``None`` where its labels are numbers to predict.

    Raises:
        BadInputError: An npz file names another number of classes, or names them by no texts.
    """
    if n_classes is None or n_classes > MOST_NAMES:
        return None
    if source.name == "npz":
        return _read_names(source.files[0], n_classes)
    if source.name == "image-folder":
        from pipeline.learning.data.images import list_images  # imports Pillow

        names = list_images(source.files[0]).classes
        return tuple(name.encode("utf-8", "replace").decode() for name in names)
    return DATA_SETS[source.name].class_names


def _read_names(path: Path, n_classes: int) -> tuple[str, ...] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            if f"{KEY}.npy" not in archive.namelist():
                return None
            info = archive.getinfo(f"{KEY}.npy")
            check_fits(info.file_size, where=str(path))
            with archive.open(info) as file:
                header = read_header(file, n_bytes=info.file_size, where=str(path), key=KEY)
                _check(header, n_classes, where=str(path))
            with archive.open(info) as file:
                return tuple(map(str, np.lib.format.read_array(file, allow_pickle=False)))
    except FAULTS as error:
        problem = f"damaged: {' '.join(str(error).split()) or type(error).__name__}"
        raise BadInputError(where=str(path), key=KEY, problem=problem) from error


def _check(header: Header, n_classes: int, *, where: str) -> None:
    if header.dtype.kind != "U" or header.shape != (n_classes,):
        expected = f"texts [{n_classes}], one for each class of y_train"
        raise BadInputError(where=where, key=KEY, got=str(header), expected=expected)
