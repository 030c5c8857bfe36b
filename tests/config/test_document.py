import json
from typing import Any

import pytest
from hypothesis import given

from pipeline.config import check_study, differences, digest
from tests.config.documents import SEARCHED, SMALLEST, changed, documents, study, study_of


@given(documents())
def test_a_dumped_study_loads_again_to_an_equal_one(document: dict[str, Any]) -> None:
    once = check_study(document, "study.yaml")
    again = check_study(json.loads(json.dumps(once.document)), "study.yaml")
    assert again == once
    assert digest(again) == digest(once)
    assert again.document == once.document


def test_a_digest_passes_over_the_number_of_trials_alone() -> None:
    assert digest(study(search={"trials": 6})) == digest(study(search={"trials": 60}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("name", "other"), ("question", "Why?"), ("data.validation", 0.25), ("data.test", 0)],
        *[("space.depth", 1), ("space.width_1", 8), ("space.input_dropout", 0.1)],
        *[("training.epochs", 3), ("training.threads", 2), ("search.seed", 1)],
        *[("search.block", 4), ("search.max_seconds", 9.0), ("trials", [{"depth": 2}])],
    ],
)
def test_a_digest_changes_with_any_other_value(key: str, value: Any) -> None:
    other = check_study(changed({key: value}), "study.yaml")
    assert digest(other) != digest(study())
    assert [line.partition(": ")[0].startswith(key) for line in _differences(other.document)]


def _differences(document: dict[str, Any]) -> list[str]:
    lines = differences(study().document, document)
    assert lines
    return lines


def test_a_digest_passes_over_the_order_and_the_spelling_of_keys() -> None:
    turned = {key: SMALLEST[key] for key in reversed(SMALLEST)}
    assert digest(check_study(turned, "")) == digest(study())


def test_a_digest_passes_over_defaults_that_are_written_out() -> None:
    assert digest(check_study(study().document, "")) == digest(study())


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"search.trials": 60}, [], id="the trials, which may grow"),
        pytest.param({"training.epochs": 4}, ["training.epochs: 2 → 4"], id="a number"),
        pytest.param(
            {"space.width_1": 8}, ["space.width_1: not set → 8"], id="a parameter that is new"
        ),
        pytest.param(
            {"space.dropout": {"low": 0.0, "high": 0.6}},
            [
                *("space.dropout: 0.5 → not set", "space.dropout.low: not set → 0.0"),
                *("space.dropout.high: not set → 0.6", "space.dropout.log: not set → false"),
                "space.dropout.per_layer: not set → false",
            ],
            id="a range for a constant",
        ),
    ],
)
def test_differences_name_each_changed_key(changes: dict[str, Any], lines: list[str]) -> None:
    other = check_study(changed(changes), "study.yaml")
    assert differences(study().document, other.document) == lines


def test_differences_name_the_value_of_a_fixed_trial() -> None:
    old = study_of(SEARCHED, {"depth": 2}).document
    new = study_of(SEARCHED, {"depth": 3}).document
    assert differences(old, new) == ["trials.0.depth: 2 → 3"]
