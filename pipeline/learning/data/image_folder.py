"""A folder of images: which files it holds, and of which class each is. No image is opened."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.errors import BadInputError
from pipeline.learning.data.files import readable, sha256_of_file

SUFFIXES: Final = (*(".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"),)
"""torchvision's: files with other endings are not read."""

LAYOUT: Final = "folders named by class with images in them, or such folders in train (and test)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The images of a folder, sorted by class and name.

    Attributes:
        classes: Sorted; a class's place is its label.
        train: Images and their labels.
        test: The same of the folder's own test part; none where it has none.
    """

    classes: tuple[str, ...]
    train: tuple[tuple[Path, int], ...]
    test: tuple[tuple[Path, int], ...]


def list_images(folder: Path) -> Listing:
    """List ``CLASS/*`` or ``train/CLASS/*`` and ``test/CLASS/*``.

    What is hidden is left out, and so is what has another ending than images have.

    Raises:
        BadInputError: A folder cannot be read, a class has no image, train and test have other
            classes, or a link leads out of the folder.
    """
    with readable(folder):
        train = folder / "train"
        is_parted = bool(train.is_dir() and _class_folders(train, folder))
        root = train if is_parted else folder
        classes = _classes(root, folder)
        has_test = is_parted and (folder / "test").is_dir()
        if has_test:
            _check_alike(classes, _classes(folder / "test", folder), folder)
        return Listing(
            classes=classes,
            train=_images(root, classes, folder),
            test=_images(folder / "test", classes, folder) if has_test else (),
        )


def sha256_of_folder(folder: Path, *, image_size: int | None) -> str:
    """Give a digest over the names and the content of all images, and the size they come to.

    Raises:
        BadInputError: A file cannot be read, or the folder is none of images.
    """
    listing = list_images(folder)
    files = [
        [path.relative_to(folder).as_posix(), sha256_of_file(path)]
        for path, _ in (*listing.train, *listing.test)
    ]
    return hashlib.sha256(json.dumps([image_size, files]).encode()).hexdigest()


def _classes(root: Path, folder: Path) -> tuple[str, ...]:
    classes = tuple(path.name for path in _class_folders(root, folder))
    if not classes:
        raise BadInputError(where=str(root), got="no folder in it", expected=LAYOUT)
    return classes


def _class_folders(root: Path, folder: Path) -> list[Path]:
    return [path for path in _entries(root, folder) if path.is_dir()]


def _entries(root: Path, folder: Path) -> list[Path]:
    """Give what is not hidden, by name.

    Raises:
        BadInputError: A link leads out of the user's folder, or nowhere.
    """
    with os.scandir(root) as found:
        entries = sorted((one for one in found if one.name[0] != "."), key=lambda one: one.name)
    for entry in entries:
        if entry.is_symlink():
            _check_link(root / entry.name, folder)
    return [root / entry.name for entry in entries]


def _check_link(link: Path, folder: Path) -> None:
    target = Path(os.path.realpath(link))
    if not (target.is_relative_to(os.path.realpath(folder)) and target.exists()):
        expected = f"links that stay in {folder}"
        raise BadInputError(where=str(link), got=f"a link to {target}", expected=expected)


def _check_alike(train: tuple[str, ...], test: tuple[str, ...], folder: Path) -> None:
    if train != test:
        lacking, added = sorted(set(train) - set(test)), sorted(set(test) - set(train))
        told = [f"no {name}" for name in lacking] + [
            f"{name}, which train has not" for name in added
        ]
        raise BadInputError(
            where=str(folder / "test"),
            got="; ".join(told),
            expected=f"the {len(train)} classes of {folder / 'train'}",
        )


def _images(root: Path, classes: tuple[str, ...], folder: Path) -> tuple[tuple[Path, int], ...]:
    return tuple(
        (path, label)
        for label, name in enumerate(classes)
        for path in _images_of_class(root / name, folder)
    )


def _images_of_class(class_folder: Path, folder: Path) -> list[Path]:
    entries = _entries(class_folder, folder)
    images = [path for path in entries if path.name.lower().endswith(SUFFIXES)]
    if inner := [path for path in entries if path.is_dir()]:
        expected = "images in a class's folder, and no folder"
        raise BadInputError(where=str(inner[0]), got="a folder", expected=expected)
    if odd := [path for path in images if not path.is_file()]:
        raise BadInputError(where=str(odd[0]), got="no plain file", expected="an image")
    if not images:
        expected = f"an image in each class's folder ({', '.join(SUFFIXES)})"
        raise BadInputError(where=str(class_folder), got="no image", expected=expected)
    return images
