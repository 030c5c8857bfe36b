"""The data section: what it takes, what it refuses, and how it is written."""

from typing import Any

import pytest

from pipeline.config import DataConfig, check_study
from tests.config.documents import SMALLEST
from tests.config.test_schema import SCHEMA, faults

VALID: dict[str, dict[str, Any]] = {
    "a set by its name": {"name": "cifar10"},
    "a fraction": {"name": "mnist", "validation": 0.25, "test": 0.1},
    "counts": {"name": "mnist", "validation": 100, "test": 0},
    "folds": {"name": "digits", "folds": 5},
    "folds and a test": {"name": "digits", "folds": 2, "test": 0.5},
    "an npz": {"name": "npz", "path": "my/own.npz"},
    "an npz and its parts": {"name": "npz", "path": "own.npz", "validation": 3, "test": None},
    "a folder": {"name": "image-folder", "path": "/some where/images"},
    "a folder and a size": {"name": "image-folder", "path": "images", "image_size": 64, "folds": 3},
    "a class": {"class_path": "my_package.data.MyDataModule"},
    "nulls": {"name": "digits", "path": None, "image_size": None, "folds": None, "test": None},
    "nulls beside a class": {"class_path": "my_package.My", "name": None, "test": None},
}


@pytest.mark.parametrize("data", VALID.values(), ids=VALID)
def test_a_section_is_read_back_as_it_was_written(data: dict[str, Any]) -> None:
    config = DataConfig.model_validate(data)
    assert DataConfig.model_validate(config.model_dump()) == config
    assert DataConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("data", VALID.values(), ids=VALID)
def test_the_schema_accepts_a_valid_section(data: dict[str, Any]) -> None:
    document = SMALLEST | {"data": data}
    check_study(document, "study.yaml")
    assert list(faults(document, SCHEMA)) == []


@pytest.mark.parametrize(
    ("given_", "written"),
    [
        pytest.param({"name": "digits", "folds": 4}, {"name": "digits", "folds": 4}, id="folds"),
        pytest.param({"class_path": "my.Own"}, {"class_path": "my.Own"}, id="a class"),
        pytest.param(
            {"name": "image-folder", "path": "a", "image_size": 8},
            {
                "name": "image-folder",
                "path": "a",
                "image_size": 8,
                "validation": 0.2,
            },
            id="a folder",
        ),
    ],
)
def test_what_means_nothing_is_not_written(given_: dict[str, Any], written: dict[str, Any]) -> None:
    assert DataConfig.model_validate(given_).model_dump(exclude_none=True) == written


@pytest.mark.parametrize(
    ("data", "title"),
    [
        ({"name": "mnist-5k"}, "mnist-5k"),
        ({"name": "npz", "path": "/some/where/mine.npz"}, "mine.npz"),
        ({"name": "image-folder", "path": "flowers/"}, "flowers"),
        ({"name": "image-folder", "path": "/"}, "image-folder"),
        ({"class_path": "my_package.Own"}, "my_package.Own"),
    ],
)
def test_data_are_called_by_what_tells_them_apart(data: dict[str, Any], title: str) -> None:
    assert DataConfig.model_validate(data).title == title
