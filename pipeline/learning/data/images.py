"""A folder of images: listed without opening them, then decoded with Pillow."""

import hashlib
import json
import math
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.errors import BadInputError
from pipeline.learning.data.reading import Arrays, check_fits, readable, sha256_of_file, tell_nobody

if TYPE_CHECKING:
    from pipeline.trial import Tell

SUFFIXES: Final = (*(".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"),)
"""torchvision's: files with other endings are not read."""

LAYOUT: Final = "folders named by class with images in them, or such folders in train (and test)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The images of a folder, sorted by class and name.

    Attributes:
        classes: Sorted; a class's index is its label.
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
        raise BadInputError(where=str(root), problem=f"no folder in it; it must hold {LAYOUT}")
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
        problem = f"a link to {target}; links must stay in {folder}"
        raise BadInputError(where=str(link), problem=problem)


def _check_alike(train: tuple[str, ...], test: tuple[str, ...], folder: Path) -> None:
    if train != test:
        lacking, added = sorted(set(train) - set(test)), sorted(set(test) - set(train))
        differences = [f"no {name}" for name in lacking]
        differences += [f"{name}, which train has not" for name in added]
        problem = f"other classes than {folder / 'train'}: {'; '.join(differences)}"
        raise BadInputError(where=str(folder / "test"), problem=problem)


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
        problem = "a folder inside a class's folder, which may hold images only"
        raise BadInputError(where=str(inner[0]), problem=problem)
    if odd := [path for path in images if not path.is_file()]:
        raise BadInputError(where=str(odd[0]), problem="not a plain file")
    if not images:
        problem = f"no image of this class ({', '.join(SUFFIXES)})"
        raise BadInputError(where=str(class_folder), problem=problem)
    return images


FORMATS: Final = ("PNG", "JPEG", "PPM", "BMP", "TIFF", "WEBP")
"""What may be in a file, whatever its name says; no format whose decoder starts a program."""

GREY_MODES: Final = ("1", "L")
DEEP_MODES: Final = ("I", "F")
TOLD_EVERY: Final = 500
"""Images between two lines that say how many are decoded."""
FAULTS: Final = (
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    KeyError,
    OSError,
    OverflowError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What a damaged image raises in Pillow."""

Pixels = npt.NDArray[np.uint8]
Size = tuple[int, int]
"""(width, height), as Pillow has it."""


def decode_images(
    listing: Listing, *, image_size: int | None, tell: "Tell" = tell_nobody
) -> Arrays:
    """Read all images into arrays.

    Images of 8 grey bits stay grey where all are so; else all become RGB. Each is brought to
    ``image_size`` pixels a side, or keeps its size, which all must share then.

    Args:
        listing: Of the folder.
        image_size: Pixels to which the shorter side is scaled (bilinear); of the longer one the
            middle is kept.
        tell: Called with how far it is.

    Returns:
        Images uint8 [N, H, W] or [N, 3, H, W], and labels int64 [N], of both parts.

    Raises:
        BadInputError: An image is damaged, too large or too deep, or has another size than the
            first.
    """
    paths = [path for path, _ in (*listing.train, *listing.test)]
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    tell(f"looking through {len(paths):,} images")
    with _strict():
        mode, (width, height) = _survey(paths, image_size=image_size)
        shape = (height, width) if mode == "L" else (height, width, 3)
        check_fits(len(paths) * math.prod(shape), where=str(paths[0].parents[1]))
        read = partial(_pixels, mode=mode, image_size=image_size)
        for part, images in (("train", listing.train), ("test", listing.test)):
            if images:
                told = partial(_tell, tell, part, len(images))
                arrays[f"{part}-images"] = _stacked([one for one, _ in images], read, shape, told)
                arrays[f"{part}-labels"] = np.array([label for _, label in images], dtype=np.int64)
    return arrays


def _survey(paths: Sequence[Path], *, image_size: int | None) -> tuple[str, Size]:
    """Read the images' headers: are all grey, and of one size?"""
    is_grey, first = True, None
    for path in paths:
        with _sound(path), Image.open(path, formats=FORMATS) as image:
            mode, size = image.mode, image.size
        _check_depth(path, mode)
        is_grey = is_grey and mode in GREY_MODES
        first = first or size
        if image_size is None and size != first:
            raise BadInputError(
                where=str(path),
                got=f"an image of {size[0]}x{size[1]} pixels",
                expected=f"{first[0]}x{first[1]}, as the first image ({paths[0]}) has, "
                "or data.image_size to bring all to one size",
            )
    side = image_size and (image_size, image_size)
    return "L" if is_grey else "RGB", side or first or (0, 0)


def _check_depth(path: Path, mode: str) -> None:
    if mode.startswith(DEEP_MODES):
        expected = "8 bits a colour"
        raise BadInputError(where=str(path), got=f"pixels of mode {mode}", expected=expected)


def _tell(tell: "Tell", part: str, n_images: int, n_done: int) -> None:
    if n_done % TOLD_EVERY == 0:
        tell(f"decoding images of {part}: {n_done:,} of {n_images:,}")


def _stacked(
    paths: Sequence[Path],
    read: Callable[[Path], Pixels],
    shape: tuple[int, ...],
    tell_done: Callable[[int], None],
) -> Pixels:
    """Decode into one array, colours first; Pillow decodes in several threads at once."""
    rows = np.empty((len(paths), *shape), dtype=np.uint8)
    with ThreadPoolExecutor() as pool:
        for n_done, (row, pixels) in enumerate(zip(rows, pool.map(read, paths), strict=True)):
            row[...] = pixels
            tell_done(n_done)
    return rows if len(shape) == len("HW") else np.ascontiguousarray(rows.transpose(0, 3, 1, 2))


def _pixels(path: Path, *, mode: str, image_size: int | None) -> Pixels:
    with _sound(path), Image.open(path, formats=FORMATS) as image:
        converted = image.convert(mode)
        return np.asarray(converted if image_size is None else _square(converted, image_size))


def _square(image: Image.Image, side: int) -> Image.Image:
    """Scale so that the shorter side fits, and keep the middle of the longer one."""
    shorter = min(image.size)
    left, top = ((length - shorter) / 2 for length in image.size)
    box = (left, top, left + shorter, top + shorter)
    return image.resize((side, side), Image.Resampling.BILINEAR, box=box)


@contextmanager
def _strict() -> Iterator[None]:
    """Take Pillow's doubt of a very large image for a no; let it be silent of damaged comments."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
        yield


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """Name an image that Pillow cannot decode."""
    try:
        yield
    except FAULTS as error:
        said = " ".join(str(error).split()) or type(error).__name__
        problem = f"cannot be decoded as PNG, JPEG, PPM, BMP, TIFF or WebP: {said}"
        raise BadInputError(where=str(path), problem=problem) from error
