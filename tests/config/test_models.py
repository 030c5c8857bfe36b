"""What a study file says of each model, and what is told where it says another's."""

from typing import Any

import pytest

from pipeline.config import StudyConfig, check_study, digest
from pipeline.errors import BadInputError
from tests.config.documents import MISSING, MODELS, SMALLEST, SPACES, changed, study_for


@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_study_of_each_model_loads_again_from_what_it_writes(model: str) -> None:
    once = study_for(model, {}, batch_size=16)
    again = check_study(once.document, "")
    assert again == once
    assert digest(again) == digest(once)
    assert type(again.space) is type(once.space)


@pytest.mark.parametrize("key", ["regularizer", "activation", "max_norm"])
def test_a_parameter_that_is_not_given_is_left_out(key: str) -> None:
    assert digest(study_for("mlp", **{key: None})) == digest(study_for("mlp"))
    assert key not in study_for("cnn").document["space"]
    assert key not in study_for("cnn").space.domains


def test_a_batch_size_of_an_own_module_may_be_left_out() -> None:
    assert "batch_size" not in study_for("own", batch_size=MISSING).space.domains


def test_texts_are_fixed_or_chosen_from() -> None:
    space = study_for("mlp", activation="tanh", regularizer={"choices": ["dropconnect"]}).space
    assert space.domains["activation"] == "tanh"
    assert space.domains["regularizer"].choices == ("dropconnect",)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("model", "key", "value", "message"),
    [
        pytest.param("mlp", "filters", 8, "an unknown key .cnn has it.,", id="of the cnn"),
        pytest.param(
            "mlp", "block_keep_prob_1", 0.5, "key .cnn has it., .* 'keep_prob_1'", id="kept"
        ),
        pytest.param("autoencoder", "blocks", 2, "an unknown key .cnn has it.,", id="no blocks"),
        pytest.param("cnn", "filtres", 8, "an unknown key, expected 'filters'", id="misspelt"),
        pytest.param("cnn", "(filters)", {}, "an unknown key, expected one of blocks", id="inner"),
        pytest.param(
            "cnn", "blocks", 11, "got 11, expected a whole number from 1 to 10", id="many"
        ),
        pytest.param(
            "cnn", "blocks", MISSING, "got nothing, expected a whole", id="no blocks given"
        ),
        pytest.param(
            "cnn", "filters", MISSING, "filters or filters_1, since blocks may", id="none"
        ),
        pytest.param("cnn", "filters", 4097, "got 4097, .* from 1 to 4,096", id="filters"),
        pytest.param("cnn", "block_dropout", 1.0, "got 1.0, .* below 1", id="rate"),
        pytest.param(
            "cnn", "filters_4", 8, "a block too many, .* blocks, which is 3", id="block 4"
        ),
        pytest.param("cnn", "width_3", 8, "a layer too many, .* depth, which is 2", id="layer 3"),
        pytest.param(
            "cnn",
            "depth",
            {"low": 0, "high": 1, "per_layer": True},
            "it for filters, block",
            id="per",
        ),
        pytest.param(
            "mlp",
            "regularizer",
            "channel-dropout",
            "one of dropout, dropconnect, or",
            id="regularizer",
        ),
        pytest.param(
            "cnn",
            "regularizer",
            "dropuot",
            "one of dropout, channel-dropout, dropconnect",
            id="text",
        ),
        pytest.param(
            "mlp", "activation", "swish", "got 'swish', expected one of relu", id="no such"
        ),
        pytest.param("mlp", "activation", 3, "got 3, expected one of relu", id="number for a text"),
        pytest.param(
            "mlp", "activation", {"low": 1, "high": 2}, "got a map with low, high", id="no range"
        ),
        pytest.param("mlp", "max_norm", 0, "got 0, expected a number above 0 and at", id="norm"),
        pytest.param(
            "mlp", "max_norm", "3", "got '3', expected a number above 0", id="norm as text"
        ),
        pytest.param("autoencoder", "depth", 0, "got 0, .* from 1 to 100", id="no encoder"),
        pytest.param("own", "flag", True, "got true, .*; 1 stands for true", id="boolean"),
        pytest.param("own", "_x", 1, "got another key, expected a name that", id="underscore"),
        pytest.param("own", "lambda", 1, "got another key, expected a name that", id="keyword"),
        pytest.param("own", "self", 1, "got another key, expected a name that", id="self"),
        pytest.param("own", "a-b", 1, "got another key, expected a name that", id="dash"),
        pytest.param("own", "x" * 101, 1, "got another key, expected a name that", id="long"),
        pytest.param("own", "a", {"choices": [1, "x"]}, "numbers only, or choices of", id="mixed"),
        pytest.param("own", "a", {"low": "x", "high": "y"}, "numbers only, or", id="texts"),
        pytest.param("own", "a", "12", "got '12', expected a text that is no number", id="digits"),
        pytest.param("own", "a", "a\nb", "expected a text of one line", id="two lines"),
        pytest.param("own", "a", "", "a text of 1 to 200 characters", id="empty"),
        pytest.param("own", "a", "x" * 201, "a text of 1 to 200 characters", id="long text"),
        pytest.param("own", "a", 2**53 + 1, "a whole number of at most 2..53", id="large"),
        pytest.param("own", "a", float("inf"), "got inf, expected a whole number, or a", id="inf"),
        pytest.param("own", "a", None, "got nothing, expected a whole number, or a", id="nothing"),
        pytest.param("own", "a", [1], "got .1., expected a whole number, or a", id="list"),
        pytest.param("own", "batch_size", 0, "got 0, .* from 1 to 1,000,000", id="batch size"),
    ],
)
def test_a_space_refuses_what_its_model_does_not_have(
    model: str, key: str, value: Any, message: str
) -> None:
    with pytest.raises(BadInputError, match=message) as error:
        study_for(model, **{key: value})
    assert str(error.value).startswith(f"study.yaml: space.{key}")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        pytest.param(
            "a.choices", [1, True], r"choices.1: got true, .*; 1 stands for", id="boolean"
        ),
        pytest.param("a.low", False, r"low: got false, .*; 0 stands for false", id="low"),
        pytest.param("a.hihg", 3, r"hihg: got an unknown key, expected 'high'", id="misspelt"),
        pytest.param(
            "a.per_layer", True, r"per_layer: got true, expected no such key", id="layers"
        ),
        pytest.param("a.low", 9, r"low: got 9, .* at most high, which is 4", id="above"),
    ],
)
def test_an_own_modules_space_refuses_a_wrong_domain(key: str, value: Any, message: str) -> None:
    domain = {"low": 1, "high": 4} if "choices" not in key else {}
    document = SMALLEST | {"model": MODELS["own"], "space": {"a": domain}}
    with pytest.raises(BadInputError, match=rf"^study.yaml: space.a\.{message}"):
        check_study(changed({f"space.{key}": value}, document), "study.yaml")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        pytest.param({"name": "transformer"}, "model.name: got 'transformer'", id="no such"),
        pytest.param({}, "model: got nothing, expected one of name and class_path", id="none"),
        pytest.param("cnn", "model: got 'cnn', expected a map", id="text"),
        pytest.param({"class_path": "MyModule"}, "model.class_path: got 'MyModule'", id="path"),
        pytest.param(MISSING, "model: got nothing, expected a map", id="missing"),
    ],
)
def test_a_wrong_model_is_told_before_its_space(model: Any, message: str) -> None:
    document = changed({"model": model, "space": {"filters": -1}, "trials": [{"keep_prob": 9}]})
    with pytest.raises(BadInputError, match=f"^study.yaml: {message}"):
        check_study(document, "study.yaml")


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        pytest.param({"low": 0, "high": 1}, {int}, id="whole range"),
        pytest.param({"low": 0, "high": 1.0}, {float}, id="range"),
        pytest.param({"low": 0, "high": 1, "step": 0.5}, {float}, id="step"),
        pytest.param({"choices": [1, 2]}, {int}, id="whole choices"),
        pytest.param({"choices": [1, 2.5]}, {float}, id="choices"),
        pytest.param({"choices": ["a", "b"]}, {str}, id="texts"),
        pytest.param(3, {int}, id="whole"),
        pytest.param(3.0, {float}, id="number"),
        pytest.param("relu", {str}, id="text"),
    ],
)
def test_an_own_modules_parameter_takes_its_type_from_the_file(
    value: Any, kinds: set[type]
) -> None:
    domain: Any = study_for("own", a=value).space.domains["a"]
    values = getattr(domain, "choices", (getattr(domain, "low", domain),))
    assert {type(one) for one in values} == kinds


def test_an_own_modules_keep_prob_is_left_alone() -> None:
    study = study_for("own", {"keep_prob": 0.75}, input_keep_prob=7)
    assert study.fixed_params(0) == {"keep_prob": 0.75}
    assert study.space.domains["input_keep_prob"] == 7


def test_a_block_keep_prob_is_turned_into_the_blocks_dropout() -> None:
    kept = cnn({"block_keep_prob": {"low": 0.5, "high": 1}, "block_keep_prob_2": 0.9})
    dropped = cnn({"block_dropout": {"low": 0.0, "high": 0.5}, "block_dropout_2": 0.1})
    assert kept == dropped


def cnn(changes: dict[str, Any]) -> StudyConfig:
    space = {key: value for key, value in SPACES["cnn"].items() if key != "block_dropout"}
    return check_study(SMALLEST | {"model": MODELS["cnn"], "space": space | changes}, "")


@pytest.mark.parametrize(
    ("trial", "params"),
    [
        pytest.param(
            {"blocks": 2, "filters": 8},
            {"blocks": 2, "filters_1": 8, "filters_2": 8, "filters_3": 8},
            id="every block",
        ),
        pytest.param(
            {"block_keep_prob": 0.9, "block_dropout_2": 0.2},
            {"block_dropout_1": 0.1, "block_dropout_2": 0.2, "block_dropout_3": 0.1},
            id="every block but one",
        ),
        pytest.param({"depth": 0, "dropout": 0.5}, {"depth": 0, "dropout": 0.5}, id="dense layers"),
    ],
)
def test_a_fixed_trial_says_a_value_for_every_block(
    trial: dict[str, Any], params: dict[str, Any]
) -> None:
    assert study_for("cnn", trial).fixed_params(0) == params


@pytest.mark.parametrize(
    ("model", "trial", "message"),
    [
        pytest.param("cnn", {"filters": 9}, "filters: got 9, expected one of", id="no choice"),
        pytest.param(
            "cnn",
            {"blocks": 1, "filters_2": 8},
            "filters_2: .* number of blocks, which is 1",
            id="far",
        ),
        pytest.param(
            "cnn", {"block_keep_prob": 2}, "block_keep_prob: got 2, .* to keep", id="kept"
        ),
        pytest.param("cnn", {"activation": "relu"}, "activation: got an unknown", id="not given"),
        pytest.param("own", {"activation": "relu"}, r"'relu', expected one of \['tanh'", id="text"),
        pytest.param("own", {"flavour": "sour"}, "flavour: .* plain, a constant", id="constant"),
        pytest.param(
            "own", {"keep_prob": True}, "keep_prob: got true, expected a nu", id="boolean"
        ),
        pytest.param("own", {"activation_1": "tanh"}, "an unknown parameter", id="no layers"),
    ],
)
def test_a_fixed_trial_refuses_what_its_models_space_does_not_have(
    model: str, trial: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInputError, match=rf"^study.yaml: trials.0.*{message}"):
        study_for(model, trial)
