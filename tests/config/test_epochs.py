"""``training.epochs`` as a parameter: each trial has its own number."""

from typing import Any

import pytest

from pipeline.config import (
    Params,
    StudyConfig,
    TrialConfig,
    check_study,
    digest,
    usual_setting,
)
from pipeline.errors import BadInputError
from tests.config.documents import MODELS, SMALLEST, SPACES, changed

RANGE = {"low": 2, "high": 9}


def study(epochs: Any = RANGE, model: Any = "mlp", **changes: Any) -> StudyConfig:
    base = SMALLEST | {"model": MODELS[model], "space": SPACES[model], "trials": [{}]}
    return check_study(changed({"training.epochs": epochs} | changes, base), "study.yaml")


def config_of(asked: StudyConfig, **params: Any) -> TrialConfig:
    setting: Params = usual_setting(asked) | params
    return TrialConfig(
        study="small",
        number=0,
        study_seed=0,
        data=asked.data,
        model=asked.model,
        training=asked.training.of_trial(setting),
        params={name: setting[name] for name in asked.space.active(setting)},
    )


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("epochs", [RANGE, RANGE | {"log": True}, {"choices": [3, 9]}])
def test_epochs_are_a_parameter_of_every_model(epochs: Any, model: str) -> None:
    asked = study(epochs, model)
    assert list(asked.space.domains)[-1] == "epochs"
    assert "epochs" not in asked.document["space"]
    assert usual_setting(asked)["epochs"] == 9, "the search begins with the longest training"
    config = config_of(asked, epochs=3)
    assert (config.params["epochs"], config.training.epochs) == (3, 3)
    assert check_study(asked.document, "again") == asked
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config


def test_a_plain_number_of_epochs_is_no_parameter() -> None:
    asked = study(5)
    assert "epochs" not in asked.space.domains
    assert asked.document["training"]["epochs"] == 5
    assert digest(asked) != digest(study({"choices": [5]}))
    assert "epochs" not in config_of(asked).params


def test_trials_of_different_epochs_have_one_shape() -> None:
    asked = study(**{"space.depth": 2})
    assert config_of(asked, epochs=3).shape == config_of(asked, epochs=7).shape


def test_an_argument_named_epochs_is_left_alone_beside_a_plain_number() -> None:
    asked = study(5, "own", **{"space.epochs": {"low": 1, "high": 3}})
    config = config_of(asked, epochs=2)
    assert (config.params["epochs"], config.training.epochs) == (2, 5)


def test_fixed_trials_and_conditions_name_the_epochs() -> None:
    slow = {"low": 1.0, "high": 4.0, "when": {"epochs": {"at_least": 5}}}
    asked = study(**{"space.max_norm": slow, "trials": [{"epochs": 4}, {"epochs": 7}]})
    assert asked.fixed_params(0) == {"epochs": 4}
    assert "max_norm" in asked.space.active(usual_setting(asked) | {"epochs": 5})
    assert "max_norm" not in asked.space.active(usual_setting(asked) | {"epochs": 4})


def test_a_grid_lists_the_epochs() -> None:
    space = {"depth": 0, "batch_size": 8, "learning_rate": {"choices": [0.1, 0.01]}}
    asked = study(space=space, search={"trials": 4, "sampler": "grid"}, epochs={"choices": [2, 4]})
    found = [(one["learning_rate"], one["epochs"]) for one in asked.grid()]
    assert found == [(0.1, 2), (0.1, 4), (0.01, 2), (0.01, 4)]


def test_a_stopping_rule_follows_from_the_longest_training() -> None:
    search = study().search
    assert (search.stopping, search.first_rung) == ("halving", 3)
    assert study({"low": 2, "high": 7}).search.stopping == "none"


OF_A_MAP = "expected a value, or a map with low and high, or with choices"
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"training.epochs": None}, f"training.epochs: got nothing, {OF_A_MAP}"),
    ({"training.epochs": [3, 4]}, f"training.epochs: got [3, 4], {OF_A_MAP}"),
    ({"training.epochs": {}}, "training.epochs.low: required, but missing"),
    (
        {"training.epochs": {"low": 0, "high": 3}},
        "training.epochs.low: got 0, expected a number of",
    ),
    (
        {"training.epochs": {"low": 5, "high": 3}},
        "training.epochs.low: got 5, expected a number of",
    ),
    (
        {"training.epochs": {"low": 1.5, "high": 3}},
        "training.epochs.low: got 1.5, expected a whole",
    ),
    (
        {"training.epochs": {"low": 1, "high": 10**6}},
        "training.epochs.high: got 1000000, expected ",
    ),
    ({"training.epochs": {"low": 1, "hihg": 3}}, "training.epochs.hihg: unknown key, did you mean"),
    (
        {"training.epochs": {"choices": []}},
        "training.epochs.choices: got [], expected a list of at",
    ),
    ({"training.epochs": {"choices": [2, 2]}}, "training.epochs.choices: 2 is listed twice"),
    ({"training.epochs": {"choices": ["a"]}}, "training.epochs.choices.0: got 'a', expected a who"),
    ({"training.epochs": RANGE | {"per_layer": True}}, "training.epochs.per_layer: not allowed"),
    (
        {"training.epochs": RANGE | {"when": {"depth": {"at_least": 2}}}},
        "training.epochs.when: not allowed: every trial has epochs",
    ),
    ({"space.epochs": 5}, "space.epochs: given twice (training.epochs)"),
    ({"trials": [{"epochs": 10}]}, "trials.0.epochs: got 10, expected a whole number from 2 to 9"),
    ({"trials": [{"epochs": 2.0}]}, "trials.0.epochs: got 2.0, expected a whole number from 2 to "),
    ({"trials": [{"epoch": 2}]}, "trials.0.epoch: unknown key, did you mean 'epochs'?"),
    (
        {"training.epochs": 5, "trials": [{"epochs": 5}]},
        "trials.0.epochs: unknown key",
    ),
    (
        {"training.epochs": 5, "space.epochs": 5},
        "space.epochs: not allowed here: training.epochs is",
    ),
    ({"search.first_rung": 10}, "search.first_rung: got 10, expected a number of at most 9, train"),
    (
        {"space.max_norm": {"low": 1, "high": 2, "when": {"epochs": {"at_least": 10}}}},
        "space.max_norm.when.epochs.at_least: got 10, expected a number from 2 to 9 but 2",
    ),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=str)
def test_wrong_epochs_are_refused_in_one_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInputError) as caught:
        study(**({"epochs": changes.get("training.epochs", RANGE)} | changes))
    told = str(caught.value)
    assert told.startswith(f"study.yaml: {message}"), told
    assert "\n" not in told
