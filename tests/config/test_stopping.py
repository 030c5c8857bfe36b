"""What a study file may say of the stopping rule, and what ``auto`` stands for."""

from typing import Any

import pytest

from pipeline.config import StudyConfig, check_study, digest
from pipeline.errors import BadInputError
from tests.config.documents import SMALLEST, changed


def study(epochs: int, **search: Any) -> StudyConfig:
    """The smallest study, of so many epochs and with so much of the search."""
    changes = {"training.epochs": epochs} | {f"search.{key}": one for key, one in search.items()}
    return check_study(changed(changes, SMALLEST), "small.yaml")


@pytest.mark.parametrize(
    ("epochs", "rule", "first_rung"),
    [
        (1, "none", None),
        (7, "none", None),
        (8, "halving", 2),
        (9, "halving", 3),
        (20, "halving", 5),
    ],
)
def test_auto_is_halving_after_a_quarter_of_the_epochs_or_none_where_they_are_few(
    epochs: int, rule: str, first_rung: int | None
) -> None:
    for said in ({}, {"stopping": "auto"}):
        search = study(epochs, **said).search
        assert (search.stopping, search.first_rung) == (rule, first_rung)
        assert search.reduction == (None if rule == "none" else 2)


def test_auto_is_stored_and_digested_as_the_rule_that_it_stands_for() -> None:
    by_default = study(20)
    said = by_default.document["search"]
    assert (said["stopping"], said["first_rung"], said["reduction"]) == ("halving", 5, 2)
    assert check_study(by_default.document, "again.yaml") == by_default
    spelt_out = study(20, stopping="halving", first_rung=5, reduction=2)
    assert digest(by_default) == digest(spelt_out)
    assert digest(by_default) != digest(study(20, first_rung=6))
    assert digest(by_default) != digest(study(20, stopping="none"))


@pytest.mark.parametrize("rule", ["none", "median", "asha", "hyperband"])
def test_rules_of_before_are_stored_as_before_where_nothing_more_is_said(rule: str) -> None:
    """So a study that was begun before these keys were there goes on."""
    assert not {"first_rung", "reduction"} & study(20, stopping=rule).document["search"].keys()


REFUSED: list[tuple[int, dict[str, Any], str]] = [
    (
        20,
        {"stopping": "none", "first_rung": 3},
        "first_rung: got 3, expected no value with .* none",
    ),
    (20, {"stopping": "none", "reduction": 3}, "reduction: got 3, expected no value with .* none"),
    (
        4,
        {"first_rung": 2},
        "first_rung: got 2, .* auto, which stops nothing below 8 training.epochs",
    ),
    (20, {"stopping": "median", "reduction": 3}, "reduction: got 3, .* median, which keeps"),
    (20, {"first_rung": 21}, "first_rung: got 21, .* at most 20, training.epochs"),
    (
        9,
        {"stopping": "asha", "first_rung": 10},
        "first_rung: got 10, .* at most 9, training.epochs",
    ),
    (9, {"stopping": "hyperband", "first_rung": 10}, "first_rung: got 10, .* at most 9"),
]


@pytest.mark.parametrize(("epochs", "search", "words"), REFUSED)
def test_a_setting_that_the_rule_cannot_have_is_an_error_that_names_key_value_and_limit(
    epochs: int, search: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadInputError, match=f"small.yaml: search.{words}"):
        study(epochs, **search)


@pytest.mark.parametrize("rule", ["halving", "median", "asha", "hyperband"])
def test_a_first_rung_may_be_the_last_epoch(rule: str) -> None:
    assert study(9, stopping=rule, first_rung=9).search.first_rung == 9
