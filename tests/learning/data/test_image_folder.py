"""A folder of images: which are taken, what they become, and which are refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.config import DataConfig
from pipeline.errors import BadInputError
from pipeline.learning.data import (
    SplitSizes,
    known_sizes,
    locate,
    open_train,
    prepare,
    reading,
)
from pipeline.learning.data import images as images_module
from pipeline.learning.data.sealed import open_test_subset
from tests.learning.data.own_images import COLOUR, GENERATOR, GREY, leave, prepared_images, save


def test_grey_images_stay_grey(pets: Path, cache: Path) -> None:
    prepared = prepared_images(pets, cache)
    images, labels = open_train(prepared)
    assert np.array_equal(images, GREY)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert (prepared.image_shape, prepared.scale) == ((4, 5), 255)
    assert (prepared.n_classes, prepared.n_train, prepared.n_test) == (2, 6, 0)


def test_decoding_says_how_far_it_is(
    pets: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images_module, "TOLD_EVERY", 4)
    told: list[str] = []
    config = DataConfig(name="image-folder", path=str(pets))
    prepare(locate(config, None, cache=cache), cache=cache, tell=told.append)
    assert told == [
        "reading image-folder",
        "decoding image-folder",
        "looking through 6 images",
        "decoding images of train: 0 of 6",
        "decoding images of train: 4 of 6",
    ]
    again: list[str] = []
    prepare(locate(config, None, cache=cache), cache=cache, tell=again.append)
    assert again == ["reading image-folder"], "decoded once"


def test_one_image_of_colour_makes_all_colour(pets: Path, cache: Path) -> None:
    save(pets / "dog" / "9.png", COLOUR[0])
    images = open_train(prepared_images(pets, cache))[0]
    assert images.shape == (7, 3, 4, 5)
    assert np.array_equal(images[6], COLOUR[0].transpose(2, 0, 1))
    assert all(np.array_equal(images[0][colour], GREY[0]) for colour in range(3))


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("P", ".png"), ("RGBA", ".png"), ("CMYK", ".tif"), ("RGB", ".bmp"), ("RGB", ".ppm")],
)
def test_other_modes_become_rgb(mode: str, suffix: str, tmp_path: Path, cache: Path) -> None:
    path = save(tmp_path / "all" / "one" / f"a{suffix}", COLOUR[0], mode)
    images = open_train(prepared_images(tmp_path / "all", cache))[0]
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(images, expected[np.newaxis])


def test_black_and_white_is_grey(tmp_path: Path, cache: Path) -> None:
    save(tmp_path / "all" / "one" / "a.png", (GREY[0] > 127) * np.uint8(255), "1")
    images = open_train(prepared_images(tmp_path / "all", cache))[0]
    assert np.array_equal(images[0], (GREY[0] > 127) * 255)


def test_train_and_test_folders_are_the_sets_own_parts(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "parted"
    for row, pixels in enumerate(GREY):
        part, name = ("train", "test")[row % 3 == 2], ("cat", "dog")[row // 3]
        save(folder / part / name / f"{row}.png", pixels)
    prepared = prepared_images(folder, cache)
    assert np.array_equal(open_train(prepared)[0], GREY[[0, 1, 3, 4]])
    images, labels = open_test_subset(prepared)
    assert np.array_equal(images, GREY[[2, 5]])
    assert labels.tolist() == [0, 1]


def test_a_train_folder_alone_is_no_class(pets: Path, cache: Path) -> None:
    (pets.parent / "outer").mkdir()
    pets.rename(pets.parent / "outer" / "train")
    prepared = prepared_images(pets.parent / "outer", cache)
    assert (prepared.n_classes, prepared.n_train, prepared.n_test) == (2, 6, 0)


def test_classes_may_be_called_train_and_test(tmp_path: Path, cache: Path) -> None:
    for name in ("train", "test", "plane"):
        save(tmp_path / "vehicles" / name / "a.png", GREY[0])
    assert prepared_images(tmp_path / "vehicles", cache).n_classes == 3


def test_what_is_no_image_is_left_out(pets: Path, cache: Path) -> None:
    sound = prepared_images(pets, cache)
    (pets / "README.md").write_text("")
    (pets / "cat" / "Thumbs.db").write_bytes(b"no image")
    (pets / "cat" / ".hidden.png").write_bytes(b"no image")
    (pets / ".git").mkdir()
    assert prepared_images(pets, cache) == sound


def test_an_ending_may_be_in_capitals(pets: Path, cache: Path) -> None:
    (pets / "cat" / "0.png").rename(pets / "cat" / "0.PNG")
    assert prepared_images(pets, cache).n_train == 6


@pytest.mark.parametrize(("width", "height"), [(60, 40), (40, 60), (40, 40), (20, 20), (10, 15)])
def test_images_are_scaled_and_their_middle_is_kept(
    width: int, height: int, tmp_path: Path, cache: Path
) -> None:
    pixels = GENERATOR.integers(0, 256, (height, width, 3), dtype=np.uint8)
    save(tmp_path / "all" / "one" / "a.png", pixels)
    prepared = prepared_images(tmp_path / "all", cache, image_size=20)
    scale = 20 / min(width, height)
    scaled = (int(width * scale), int(height * scale))
    left, top = ((length - 20) // 2 for length in scaled)
    expected = Image.fromarray(pixels).resize(scaled, Image.Resampling.BILINEAR)
    expected = expected.crop((left, top, left + 20, top + 20))
    assert prepared.image_shape == (3, 20, 20)
    assert np.array_equal(open_train(prepared)[0][0].transpose(1, 2, 0), np.asarray(expected))


def test_a_very_long_image_takes_no_room_to_scale(tmp_path: Path, cache: Path) -> None:
    save(tmp_path / "all" / "one" / "a.png", np.full((1, 60_000), 9, dtype=np.uint8))
    images = open_train(prepared_images(tmp_path / "all", cache, image_size=512))[0]
    assert images.shape == (1, 512, 512)
    assert (images == 9).all()


def changed_pixel(folder: Path) -> None:
    """Another image under the same name."""
    save(folder / "cat" / "0.png", GREY[0] ^ 1)


CHANGES: dict[str, Callable[[Path], object]] = {
    "another image": changed_pixel,
    "another name": lambda folder: (folder / "cat" / "0.png").rename(folder / "cat" / "a.png"),
    "another class": lambda folder: (folder / "cat" / "0.png").rename(folder / "dog" / "0.png"),
    "an image less": lambda folder: (folder / "cat" / "0.png").unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_files_are_decoded_anew(
    change: Callable[[Path], object], pets: Path, cache: Path
) -> None:
    before = prepared_images(pets, cache)
    change(pets)
    after = prepared_images(pets, cache)
    assert after.folder != before.folder
    assert after.sha256 != before.sha256


def test_another_size_is_decoded_apart(pets: Path, cache: Path) -> None:
    some = [prepared_images(pets, cache, image_size=size) for size in (None, 3, 4)]
    assert len({one.folder for one in some}) == 3
    assert prepared_images(pets, cache, image_size=3) == some[1]


def test_the_same_images_elsewhere_have_the_same_digest(pets: Path, cache: Path) -> None:
    before = prepared_images(pets, cache)
    moved = pets.rename(pets.parent / "moved")
    assert prepared_images(moved, cache).sha256 == before.sha256


def test_the_description_does_not_grow_with_the_images(pets: Path, cache: Path) -> None:
    meta = json.loads((prepared_images(pets, cache).folder / "meta.json").read_text())
    assert list(meta["sources"]) == ["pets"]


def test_a_source_travels_as_one_path_however_many_images(pets: Path, cache: Path) -> None:
    assert prepared_images(pets, cache, image_size=4).source.files == (pets,)


def test_links_within_the_folder_are_followed(pets: Path, cache: Path) -> None:
    leave(pets, "../dog/3.png")
    images = open_train(prepared_images(pets, cache))[0]
    assert np.array_equal(images[3], GREY[3])


def test_the_folder_itself_may_be_a_link(pets: Path, cache: Path) -> None:
    (pets.parent / "linked").symlink_to(pets)
    assert prepared_images(pets.parent / "linked", cache).n_train == 6


def test_a_folder_without_classes_says_how_it_should_look(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "flat").mkdir()
    save(tmp_path / "flat" / "a.png", GREY[0])
    message = r"flat: no folder in it; it must hold folders named by class with images in them"
    with pytest.raises(BadInputError, match=message):
        prepared_images(tmp_path / "flat", cache)


def test_a_folder_that_is_a_file_is_told(pets: Path, cache: Path) -> None:
    with pytest.raises(BadInputError, match=r"0\.png is no folder\), expected a folder of images"):
        prepared_images(pets / "cat" / "0.png", cache)


def test_more_images_than_memory_holds_are_refused(
    pets: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST_BYTES", 119)
    with pytest.raises(BadInputError, match=r"pets: got 0\.0 GiB once decoded"):
        prepared_images(pets, cache)


def test_sizes_are_known_by_counting(pets: Path, cache: Path) -> None:
    (pets / "cat" / "0.png").write_bytes(b"not opened")
    config = DataConfig(name="image-folder", path=str(pets), test=0, validation=2)
    source = locate(config, None, cache=cache)
    assert known_sizes(config, source) == SplitSizes(train=4, validation=2, test=0)
    too_many = DataConfig(name="image-folder", path=str(pets), test=0, validation=6)
    with pytest.raises(BadInputError, match=r"data\.validation: got 6, expected 1 to 5 of 6 rows"):
        known_sizes(too_many, source, where="study.yaml")
