"""A user's class is found, or refused in one sentence, before anything is written."""

import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import StudyConfig, check_study
from pipeline.errors import BadInputError
from pipeline.learning.custom.checks import check_custom
from pipeline.learning.custom.classes import find_class
from pipeline.learning.custom.sources import extend_search_path
from tests.learning.custom.trials import MODULES


def study(model: str = "Plain", data: str | None = None, **space: Any) -> StudyConfig:
    """A study of a module of ``modules.py``."""
    given: dict[str, Any] = {
        "name": "own",
        "data": {"class_path": f"{MODULES}.{data}"} if data else {"name": "digits"},
        "model": {"class_path": f"{MODULES}.{model}"} if model[0].isupper() else {"name": model},
        "space": space,
        "training": {"epochs": 1},
        "search": {"trials": 1},
    }
    return check_study(given, "study.yaml")


def write(folder: Path, name: str, text: str) -> str:
    """Write a module and return its name."""
    (folder / f"{name}.py").write_text(text)
    return name


def refused(path: str) -> str:
    """What is said of a class path that is no good."""
    with pytest.raises(BadInputError, match=r"study.yaml: model.class_path: ") as caught:
        find_class(path, "model", where="study.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NotThere", "NotThere is not in its module"),
        ("A_NUMBER", "is no class but of type int"),
        ("NoModule", "derives from object"),
        ("Blobs", "derives from LightningDataModule"),
    ],
)
def test_what_is_no_lightning_module_is_refused_and_never_constructed(name: str, said: str) -> None:
    told = refused(f"{MODULES}.{name}")
    assert said in told
    assert "it must derive from Lightning's LightningModule" in told


def test_a_module_that_is_not_found_is_refused_with_the_places_that_were_searched() -> None:
    told = refused("no_such_module_of_mine.Net")
    assert "no module no_such_module_of_mine of no_such_module_of_mine.Net" in told
    assert "the study file's folder, the folders of PYTHONPATH" in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_package", "raises ModuleNotFoundError: No module named 'no_such_package'"),
        ("x = 1 / 0", "raises ZeroDivisionError: division by zero (own_broken_2:1)"),
        ("def (", "raises SyntaxError"),
        ("raise SystemExit('no')", "raises SystemExit: no, in own_broken_4:1"),
    ],
)
def test_a_module_that_does_not_import_is_refused_with_its_own_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    number = {"imp": 1, "x =": 2, "def": 3, "rai": 4}[text[:3]]
    name = write(tmp_path, f"own_broken_{number}", text)
    assert said in refused(f"{name}.Net")


def test_a_space_that_fits_the_constructors_is_accepted() -> None:
    check_custom(study(hidden={"low": 4, "high": 8}, dropout=0.1, batch_size=32), "study.yaml")
    check_custom(study(data="Blobs", n_inputs=8, batch_size=20, spread=0.5), "study.yaml")
    check_custom(study("Takes", anything=1), "study.yaml")


@pytest.mark.parametrize(
    ("asked", "key", "said"),
    [
        (
            study(hiden=4),
            "space.hiden",
            "Plain; there are batch_size, hidden",
        ),
        (
            study(data="Blobs", far=4),
            "space.far",
            "Plain or tests.learning.custom.modules.Blobs; there",
        ),
        (study("Needing"), "space.hidden", "missing, and the constructor of"),
    ],
    ids=["unknown", "unknown to both", "missing"],
)
def test_a_space_that_does_not_fit_the_constructors_is_refused(
    asked: StudyConfig, key: str, said: str
) -> None:
    with pytest.raises(BadInputError, match=f"study.yaml: {key}: ") as caught:
        check_custom(asked, "study.yaml")
    assert said in str(caught.value)


def test_folders_are_searched_last_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    extend_search_path(tmp_path, tmp_path / "not-there", tmp_path)
    extend_search_path(tmp_path)
    assert sys.path == [*before, str(tmp_path.resolve())]
