from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import check_study, digest
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
