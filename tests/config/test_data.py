"""The data section: what it takes, what it refuses, and how it is written."""

from typing import Any

import pytest

from pipeline.config import DataConfig, check_study
from pipeline.errors import BadInputError
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


def refusal(data: dict[str, Any]) -> str:
    """What a study file with this data section is told."""
    with pytest.raises(BadInputError, match=r"^study\.yaml: data") as caught:
        check_study(SMALLEST | {"data": data}, "study.yaml")
    return str(caught.value).removeprefix("study.yaml: ")


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
    ("data", "message"),
    [
        pytest.param({}, "data: got nothing, expected one of name and class_path", id="nothing"),
        pytest.param(
            {"name": "digits", "class_path": "my.Own"},
            "data: got both, expected one of name and class_path",
            id="a name and a class",
        ),
        pytest.param(
            {"name": "cifar"},
            "data.name: got 'cifar', expected one of mnist-5k, digits, mnist, fashion-mnist, "
            "cifar10, npz, image-folder",
            id="an unknown name",
        ),
        pytest.param(
            {"name": "npz"},
            "data.path: got nothing, expected the path of a file or a folder, since name is npz",
            id="an npz without a path",
        ),
        pytest.param(
            {"name": "image-folder", "image_size": 4},
            "data.path: got nothing, expected the path of a file or a folder, "
            "since name is image-folder",
            id="a folder without a path",
        ),
        pytest.param(
            {"name": "mnist", "path": "x.npz"},
            "data.path: got 'x.npz', expected no such key, since name is mnist",
            id="a path where there is none",
        ),
        pytest.param(
            {"name": "npz", "path": "x.npz", "image_size": 3},
            "data.image_size: got 3, expected no such key, since name is npz",
            id="a size of an npz",
        ),
        pytest.param(
            {"name": "npz", "path": ""},
            "data.path: got '', expected the path of a file or a folder",
            id="an empty path",
        ),
        pytest.param(
            {"name": "npz", "path": "a\0b"},
            "data.path: got 'a\\x00b', expected the path of a file or a folder",
            id="a path that no file can have",
        ),
        pytest.param(
            {"name": "image-folder", "path": "x", "image_size": 0},
            "data.image_size: got 0, expected a whole number from 1 to 4,096",
            id="no pixel",
        ),
        pytest.param(
            {"name": "digits", "folds": 5, "validation": 0.2},
            "data.folds: got 5 beside validation: 0.2, expected one of validation and folds",
            id="folds and the default spelt out",
        ),
        *[
            pytest.param(
                {"name": "digits", "folds": folds},
                f"data.folds: got {folds}, expected a whole number from 2 to 100",
                id=f"{folds} folds",
            )
            for folds in (0, 1, 101)
        ],
        *[
            pytest.param(
                {"class_path": "my.Own", key: value},
                f"data.{key}: got {value!r}, expected no such key, since class_path is given "
                "and the user's module says it",
                id=f"a class and {key}",
            )
            for key, value in {
                "path": "x",
                "image_size": 8,
                "validation": 0.2,
                "test": 0,
                "folds": 3,
            }.items()
        ],
        pytest.param(
            {"class_path": "MyModule"},
            "data.class_path: got 'MyModule', expected a dotted path to a class",
            id="a class without its module",
        ),
    ],
)
def test_a_section_refuses_what_it_cannot_mean(data: dict[str, Any], message: str) -> None:
    assert refusal(data).startswith(message)


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
