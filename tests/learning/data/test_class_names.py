"""What classes are called, wherever a set says it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import BadInputError
from pipeline.learning.data import PreparedData
from pipeline.learning.data.catalogue import DATA_SETS
from tests.learning.data.own_arrays import GREY, LABELS, TARGETS, prepared_npz, saved
from tests.learning.data.own_images import GREY as GREY_IMAGES
from tests.learning.data.own_images import prepared_images, save


def test_digits_are_called_by_their_numbers(digits: PreparedData) -> None:
    assert digits.class_names == tuple("0123456789")


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_known_set_has_a_name_for_each_class(name: str) -> None:
    known = DATA_SETS[name]
    assert len(set(known.class_names)) == known.n_classes


def test_a_folder_s_classes_are_called_as_its_folders(tmp_path: Path) -> None:
    for name in ("hen", "<i>cat"):
        save(tmp_path / "images" / name / "one.png", GREY_IMAGES[0])
    found = prepared_images(tmp_path / "images", tmp_path / "cache")
    assert found.class_names == ("<i>cat", "hen")


def test_an_npz_file_may_name_its_classes(tmp_path: Path) -> None:
    named = saved(tmp_path, x_train=GREY, y_train=LABELS, class_names=np.array(["a", "b", "☂"]))
    assert prepared_npz(named, tmp_path / "cache").class_names == ("a", "b", "☂")
    again = prepared_npz(named, tmp_path / "cache")
    assert again.class_names == ("a", "b", "☂"), "from the cache"


@pytest.mark.parametrize("labels", [LABELS, TARGETS], ids=["no names", "targets"])
def test_nobody_names_the_classes_of_other_arrays(tmp_path: Path, labels: Any) -> None:
    path = saved(tmp_path, x_train=GREY, y_train=labels)
    assert prepared_npz(path, tmp_path / "cache").class_names is None


@pytest.mark.parametrize(
    ("names", "got"),
    [
        (np.array(["a", "b"]), r"got <U1 \[2\], expected texts \[3\], one for each class"),
        (np.arange(3), r"got int64 \[3\], expected texts \[3\]"),
        (np.array(["a", "b", None], dtype=object), "holds Python objects"),
    ],
    ids=["too few", "numbers", "objects"],
)
def test_names_that_are_none_are_refused(tmp_path: Path, names: Any, got: str) -> None:
    path = saved(tmp_path, x_train=GREY, y_train=LABELS, class_names=names)
    with pytest.raises(BadInputError, match=f"own.npz: class_names: {got}"):
        prepared_npz(path, tmp_path / "cache")
