"""The command ``plan``: exit codes, JSON on stdout alone, and nothing written."""

import json
from pathlib import Path

import pytest

from tests.cli.typed import FILE, TEXT, TypeIn


@pytest.fixture(autouse=True)
def _study(folder: Path) -> None:
    (folder / FILE).write_text(TEXT)


def test_plan_of_a_study_with_a_fault_ends_with_1_and_prints_json_alone(type_in: TypeIn) -> None:
    answer = type_in(
        "plan", FILE, "--json", "--workers", "1", "--set", "training.early_stopping.patience=2"
    )
    assert answer.code == 1
    found = json.loads(answer.stdout)
    assert found["ok"] is False
    assert [fault["where"] for fault in found["faults"]] == ["training.early_stopping.patience"]
    assert found["predicted_seconds"][0] < found["predicted_seconds"][1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nowhere.yaml",), "nowhere.yaml"),
        ((FILE, "--set", "space.dept=3"), "did you mean 'depth'?"),
        ((FILE, "--set", "search.sampler=grid"), "choices, whole numbers or a step"),
        ((FILE, "--home", FILE), "expected a folder"),
    ],
    ids=["no file", "unknown key", "grid of a range", "home is a file"],
)
def test_plan_refuses_what_run_refuses(words: tuple[str, ...], told: str, type_in: TypeIn) -> None:
    type_in("plan", *words).refuses(told)
