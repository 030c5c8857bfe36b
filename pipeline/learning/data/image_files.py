"""Decode the images of a folder with Pillow."""

import math
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.errors import BadInputError
from pipeline.learning.data.arrays import Arrays
from pipeline.learning.data.image_folder import Listing
from pipeline.learning.data.memory import check_fits

FORMATS: Final = ("PNG", "JPEG", "PPM", "BMP", "TIFF", "WEBP")
"""What may be in a file, whatever its name says; no format whose decoder starts a program."""

GREY_MODES: Final = ("1", "L")
DEEP_MODES: Final = ("I", "F")
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


def decode_images(listing: Listing, *, image_size: int | None) -> Arrays:
    """Read all images into arrays.

    Images of 8 grey bits stay grey where all are so; else all become RGB. Each is brought to
    ``image_size`` pixels a side, or keeps its size, which all must share then.

    Args:
        listing: Of the folder.
        image_size: Pixels to which the shorter side is scaled (bilinear); of the longer one the
            middle is kept.

    Returns:
        Images uint8 [N, H, W] or [N, 3, H, W], and labels int64 [N], of both parts.

    Raises:
        BadInputError: An image is damaged, too large or too deep, or has another size than the
            first.
    """
    paths = [path for path, _ in (*listing.train, *listing.test)]
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    with _strict():
        mode, (width, height) = _survey(paths, image_size=image_size)
        shape = (height, width) if mode == "L" else (height, width, 3)
        check_fits(len(paths) * math.prod(shape), where=str(paths[0].parents[1]))
        read = partial(_pixels, mode=mode, image_size=image_size)
        for part, images in (("train", listing.train), ("test", listing.test)):
            if images:
                arrays[f"{part}-images"] = _stacked([path for path, _ in images], read, shape)
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


def _stacked(
    paths: Sequence[Path], read: Callable[[Path], Pixels], shape: tuple[int, ...]
) -> Pixels:
    """Decode into one array, colours first; Pillow decodes in several threads at once."""
    rows = np.empty((len(paths), *shape), dtype=np.uint8)
    with ThreadPoolExecutor() as pool:
        for row, pixels in zip(rows, pool.map(read, paths), strict=True):
            row[...] = pixels
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
        expected = "an image (PNG, JPEG, PPM, BMP, TIFF or WebP) that can be decoded"
        raise BadInputError(where=str(path), got=said, expected=expected) from error
