from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import check_study, digest
from pipeline.errors import BadInputError
from tests.config.documents import MISSING, changed, study_of


def document(**space: Any) -> dict[str, Any]:
    return changed({"space.dropout": MISSING} | {f"space.{key}": space[key] for key in space})


@pytest.mark.parametrize(
    ("kept", "dropped"),
    [
        pytest.param(0.8, 0.2, id="constant"),
        pytest.param(1, 0.0, id="all kept"),
        pytest.param({"low": 0.4, "high": 1.0}, {"low": 0.0, "high": 0.6}, id="range"),
        pytest.param(
            {"low": 0.4, "high": 1.0, "step": 0.2},
            {"low": 0.0, "high": 0.6, "step": 0.2},
            id="range with a step",
        ),
        pytest.param(
            {"low": 0.4, "high": 0.9, "per_layer": True},
            {"low": 0.1, "high": 0.6, "per_layer": True},
            id="per layer",
        ),
        pytest.param({"choices": [0.5, 0.9, 1.0]}, {"choices": [0.5, 0.1, 0.0]}, id="choices"),
    ],
)
def test_a_space_turns_keep_prob_into_dropout(kept: Any, dropped: Any) -> None:
    given_, wanted = document(keep_prob=kept), document(dropout=dropped)
    assert digest(check_study(given_, "")) == digest(check_study(wanted, ""))


@pytest.mark.parametrize(
    ("kept", "dropped"), [("input_keep_prob", "input_dropout"), ("keep_prob_2", "dropout_2")]
)
def test_a_space_turns_keep_prob_of_a_layer_into_its_dropout(kept: str, dropped: str) -> None:
    given_ = document(dropout=0.5, **{kept: 0.9})
    wanted = document(dropout=0.5, **{dropped: 0.1})
    assert check_study(given_, "") == check_study(wanted, "")


def test_a_fixed_trial_turns_keep_prob_into_dropout() -> None:
    space = {"depth": 2, "width": 8, "dropout": {"low": 0.0, "high": 0.6, "per_layer": True}}
    study = study_of(space | {"input_dropout": {"low": 0.0, "high": 0.3}}, TRIAL)
    assert study.fixed_params(0) == {"input_dropout": 0.1, "dropout_1": 0.25, "dropout_2": 0.5}


TRIAL = {"input_keep_prob": 0.9, "keep_prob_1": 0.75, "keep_prob": 0.5}


def test_a_converted_study_is_not_converted_again() -> None:
    once = check_study(document(keep_prob=0.8) | {"trials": [{"keep_prob": 0.8}]}, "")
    assert check_study(once.document, "") == once


@given(st.integers(1, 1_000))
def test_a_keep_prob_becomes_the_plain_decimal_to_drop(thousandths: int) -> None:
    study = check_study(document(keep_prob=thousandths / 1_000), "")
    assert study.space.domains["dropout"] == (1_000 - thousandths) / 1_000


@pytest.mark.parametrize(
    ("space", "message"),
    [
        pytest.param({"keep_prob": 0}, "space.keep_prob: got 0, expected a prob.* above 0", id="0"),
        pytest.param({"keep_prob": 1.1}, "space.keep_prob: got 1.1, .* at most 1", id="above 1"),
        pytest.param({"keep_prob": True}, "space.keep_prob: got true", id="boolean"),
        pytest.param({"keep_prob": "x"}, "space.keep_prob: got 'x'", id="text"),
        pytest.param(
            {"keep_prob": 0.5, "dropout": 0.5}, "got both keep_prob and dropout", id="both"
        ),
        pytest.param(
            {"keep_prob": {"low": 0.9, "high": 0.5}},
            "space.keep_prob.low: got 0.9, expected a number of at most high, which is 0.5",
            id="low above high",
        ),
        pytest.param(
            {"keep_prob": {"low": 0.5}}, "space.keep_prob.high: got nothing", id="no high"
        ),
        pytest.param(
            {"keep_prob": {"low": 0.5, "high": 1.0, "log": True}},
            "space.keep_prob.log: got true, expected no log",
            id="log",
        ),
        pytest.param(
            {"keep_prob": {"low": 0.5, "high": 1.0, "hihg": 1}},
            "space.keep_prob.hihg: got an unknown key, expected 'high'",
            id="unknown key",
        ),
        pytest.param(
            {"keep_prob": {"choices": [0.5, 0]}}, r"space.keep_prob.choices.1: got 0", id="choice"
        ),
        pytest.param(
            {"keep_prob": {"choices": 0.5}}, "space.keep_prob.choices: got 0.5, .* list", id="list"
        ),
        pytest.param({"keep_probs": 0.5}, "space.keep_probs: .* 'keep_prob'", id="misspelt"),
    ],
)
def test_a_space_refuses_a_keep_prob_in_the_files_own_words(
    space: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        check_study(document(**space), "study.yaml")


def test_a_fixed_trial_refuses_a_keep_prob_outside_the_space_with_both_numbers() -> None:
    space = {"depth": 1, "width": 8, "dropout": {"low": 0.0, "high": 0.6}}
    message = r"trials.0.keep_prob: got 0.1 \(dropout 0.9\), expected a number from 0.0 to 0.6"
    with pytest.raises(BadInputError, match=message):
        study_of(space, {"keep_prob": 0.1})


def test_a_fixed_trial_names_a_keep_prob_that_the_space_does_not_have() -> None:
    with pytest.raises(BadInputError, match=r"trials\.0\.keep_prob_5: got an unknown"):
        study_of({"depth": 1, "width": 8, "dropout": 0.5}, {"keep_prob_5": 0.5})
