from typing import Any

import pytest

from pipeline.errors import BadInputError
from tests.config.documents import SEARCHED, study_of


@pytest.mark.parametrize(
    ("trial", "params"),
    [
        pytest.param({}, {}, id="leaves out all"),
        pytest.param(
            {"depth": 2, "dropout": 0.25},
            {"depth": 2, "dropout_1": 0.25, "dropout_2": 0.25, "dropout_3": 0.25},
            id="dropout of every layer",
        ),
        pytest.param(
            {"depth": 2, "dropout_1": 0.1, "dropout_2": 0.2},
            {"depth": 2, "dropout_1": 0.1, "dropout_2": 0.2},
            id="dropout of named layers",
        ),
        pytest.param(
            {"dropout": 0.5, "dropout_2": 0.2},
            {"dropout_1": 0.5, "dropout_2": 0.2, "dropout_3": 0.5},
            id="every layer but one",
        ),
        pytest.param({"weight_decay": 0.0}, {"weight_decay": 0.0}, id="repeats a constant"),
        pytest.param({"dropout_1": 0}, {"dropout_1": 0.0}, id="0 for 0.0"),
        pytest.param({"width": 32}, {"width": 32}, id="a choice"),
        pytest.param({"learning_rate": 1e-4}, {"learning_rate": 1e-4}, id="a bound"),
    ],
)
def test_a_fixed_trial_resolves_what_it_says(trial: dict[str, Any], params: dict[str, Any]) -> None:
    resolved = study_of(SEARCHED, trial).fixed_params(0)
    assert resolved == params
    assert [type(value) for value in resolved.values()] == [type(v) for v in params.values()]


def test_a_fixed_trial_takes_dropout_for_a_network_without_layers() -> None:
    assert study_of({"depth": 0}, {"dropout": 0.5}).fixed_params(0) == {}


def test_a_fixed_trial_takes_a_choice_in_the_choices_own_type() -> None:
    study = study_of({"depth": 1, "width": 4, "dropout": {"choices": [0.0, 0.5]}}, {"dropout": 0})
    assert type(study.fixed_params(0)["dropout"]) is float


@pytest.mark.parametrize(
    ("trial", "message"),
    [
        pytest.param({"depth": 4}, r"depth: got 4, .* from 1 to 3 \(space.depth\)", id="above"),
        pytest.param({"depth": 2.0}, "depth: got 2.0, expected a whole number", id="float depth"),
        pytest.param({"dropout": 0.7}, r"from 0.0 to 0.6 \(space.dropout_1\)", id="every layer"),
        pytest.param({"dropout_3": 0.7}, r"from 0.0 to 0.6 \(space.dropout_3\)", id="one layer"),
        pytest.param({"width": 24}, r"width: got 24, expected one of \[16, 32\]", id="no choice"),
        pytest.param({"width": 16.0}, r"width: got 16.0, expected one of \[16, 32\]", id="float"),
        pytest.param({"width": True}, r"width: got true, expected one of \[16, 32\]", id="boolean"),
        pytest.param({"width": [16]}, r"width: got \[16\], expected one of", id="list"),
        pytest.param({"weight_decay": 0.1}, r"expected 0.0, a constant \(space", id="constant"),
        pytest.param({"learning_rate": "x"}, "learning_rate: got 'x', expected a num", id="text"),
        pytest.param({"learning_rate": float("nan")}, "learning_rate: got nan", id="nan"),
        pytest.param({"learning_rate": None}, "learning_rate: got nothing", id="null"),
        pytest.param({"dropuot": 0.5}, "dropuot: got an unknown parameter", id="unknown"),
        pytest.param({"batch": 32}, "batch: got an unknown parameter", id="half a name"),
        pytest.param({"width_1": 16}, "width_1: got an unknown parameter", id="not per layer"),
        pytest.param(
            {"depth": 1, "dropout_2": 0.1}, "dropout_2: .* trial's depth, which is 1", id="too deep"
        ),
    ],
)
def test_a_fixed_trial_refuses_what_lies_outside_the_space(
    trial: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInputError, match=rf"^study.yaml: trials.1\..*{message}"):
        study_of(SEARCHED, {}, trial)


def test_a_study_refuses_more_fixed_trials_than_trials() -> None:
    message = "search.trials: got 1, expected at least 2, the number of fixed trials"
    with pytest.raises(BadInputError, match=message):
        study_of(SEARCHED, {}, {}, trials=1)
