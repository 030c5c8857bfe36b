"""A module is found by its name: it says what is in it, and says it once."""

from collections import Counter
from pathlib import Path

import pytest

import pipeline

PIPELINE = Path(__file__).parents[1] / "pipeline"
ROOMS = sorted(path.parent for path in PIPELINE.glob("*/__init__.py"))
SAY_NOTHING = {"base", "common", "core", "helpers", "manager", "misc", "utils"}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_file_name_occurs_once_within_a_room(room: Path) -> None:
    names = Counter(path.name for path in room.rglob("*.py") if path.name != "__init__.py")
    assert [name for name, times in names.items() if times > 1] == []


def test_no_module_is_named_by_a_word_that_says_nothing() -> None:
    named = {path.stem for path in PIPELINE.rglob("*") if path.suffix in {"", ".py"}}
    assert not {word for name in named for word in name.split("_")} & SAY_NOTHING


def test_every_public_name_is_there_with_a_docstring() -> None:
    for name in pipeline.__all__:
        assert getattr(pipeline, name).__doc__, name
