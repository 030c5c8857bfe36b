"""What is said of a folder that is none of images, before anything is written."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import BadInputError
from tests.learning.data.own_images import GREY, leave, prepared_images, save


def plant(folder: Path, name: str, content: bytes) -> None:
    """Write a file of bytes."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def cut(folder: Path) -> None:
    """Leave an image's beginning."""
    path = folder / "dog" / "4.png"
    path.write_bytes(path.read_bytes()[:60])


def part(folder: Path) -> None:
    """Make a test part of other classes."""
    inner = folder / "train"
    inner.mkdir()
    for name in ("cat", "dog"):
        (folder / name).rename(inner / name)
    save(folder / "test" / "cat" / "0.png", GREY[0])
    save(folder / "test" / "fox" / "0.png", GREY[0])


def claim_pixels(folder: Path) -> None:
    """An image whose header says that it has 400 million pixels."""
    plant(folder, "cat/0.pgm", b"P5 20000 20000 255\n" + bytes(100))


def claim_many_pixels(folder: Path) -> None:
    """An image as large as Pillow only warns of."""
    plant(folder, "cat/0.pgm", b"P5 10000 10000 255\n" + bytes(100))


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 4\n%%EndComments\n"
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (cut, r"dog/4\.png: cannot be decoded as PNG, JPEG, .*truncated"),
    "empty": (
        lambda folder: plant(folder, "cat/1.png", b""),
        r"1\.png: cannot be .*identify",
    ),
    "text": (
        lambda folder: plant(folder, "cat/x.jpg", b"<html>"),
        r"x\.jpg: cannot be .*identify",
    ),
    "a program": (lambda folder: plant(folder, "cat/x.png", POSTSCRIPT), "cannot identify"),
    "another size": (
        lambda folder: save(folder / "dog" / "3.png", GREY[0][:, :-1]),
        (
            r"dog/3\.png: got an image of 4x4 pixels, expected 5x4, "
            r"as the first image \(.*0\.png\) has, or data\.image_size to bring"
        ),
    ),
    "16 bits": (
        lambda folder: save(folder / "cat" / "1.png", GREY[1].astype(np.uint16)),
        r"cat/1\.png: got pixels of mode I;16, expected 8 bits a colour",
    ),
    "floats": (
        lambda folder: save(folder / "cat" / "1.tif", GREY[1], "F"),
        r"cat/1\.tif: got pixels of mode F, expected 8 bits",
    ),
    "far too many pixels": (claim_pixels, r"cat/0\.pgm: .*decompression bomb"),
    "too many pixels": (claim_many_pixels, r"cat/0\.pgm: .*decompression bomb"),
    "a folder in a class": (
        lambda folder: (folder / "cat" / "more").mkdir(),
        r"cat/more: a folder inside a class's folder",
    ),
    "a folder called as an image": (
        lambda folder: (folder / "cat" / "a.png").mkdir(),
        r"cat/a\.png: a folder",
    ),
    "a pipe": (
        lambda folder: os.mkfifo(folder / "cat" / "a.png"),
        r"cat/a\.png: not a plain file",
    ),
    "a class without images": (
        lambda folder: (folder / "fox").mkdir(),
        r"fox: no image of this class \(\.jpg, ",
    ),
    "a link out": (
        lambda folder: leave(folder, "/etc/hostname"),
        r"cat/link\.png: a link to /etc/hostname; links must stay in .*pets",
    ),
    "a link up": (lambda folder: leave(folder, "../.."), r"link\.png: a link to"),
    "a link to nothing": (lambda folder: leave(folder, "gone.png"), r"a link to .*cat/gone\.png"),
    "a link to itself": (lambda folder: leave(folder, "link.png"), r"a link to .*cat/link\.png"),
    "a class that is a link out": (
        lambda folder: (folder / "fox").symlink_to("/etc"),
        r"pets/fox: a link to /etc",
    ),
    "other classes in test": (
        part,
        r"pets/test: other classes than .*pets/train: no dog; fox, which train has not",
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_folder_names_the_fault_and_writes_nothing(
    damage: Callable[[Path], object], message: str, pets: Path, cache: Path
) -> None:
    damage(pets)
    with pytest.raises(BadInputError, match=message):
        prepared_images(pets, cache)
    assert not cache.exists()
