from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.config import TrialConfig, derive_seed
from tests.config.documents import MISSING, MODELS, changed

TRIAL: dict[str, Any] = {
    "study": "small",
    "number": 3,
    "study_seed": 7,
    "data": {"name": "digits"},
    "model": {"name": "mlp"},
    "training": {"epochs": 2},
    "params": {
        "depth": 2,
        "width": 128,
        "width_2": 64,
        "input_dropout": 0.1,
        "dropout_1": 0.2,
        "dropout_2": 0.3,
        "batch_size": 32,
        "learning_rate": 0.001,
        "weight_decay": 0.0,
    },
}


def trial(**changes: Any) -> TrialConfig:
    return TrialConfig.model_validate(TRIAL | changes)


def test_a_trial_tells_each_layers_width_and_dropout() -> None:
    assert trial().values_of("width") == (128, 64)
    assert trial().values_of("dropout") == (0.2, 0.3)


def test_a_trial_of_depth_0_has_no_layers() -> None:
    rest = {"input_dropout": 0.0, "batch_size": 8, "learning_rate": 0.1, "weight_decay": 0.0}
    linear = trial(params={"depth": 0} | rest)
    assert linear.values_of("width") == linear.values_of("dropout") == ()


@pytest.mark.parametrize(
    "own", ["input_dropout", "dropout_1", "dropout_2", "learning_rate", "weight_decay"]
)
def test_trials_that_differ_in_a_rate_share_a_shape(own: str) -> None:
    other = trial(number=9, params=TRIAL["params"] | {own: 0.05})
    assert other != trial()
    assert other.shape == trial().shape
    assert hash(other.shape) == hash(trial().shape)


@pytest.mark.parametrize(
    "change", [{"depth": 1}, {"width": 64}, {"width_2": 65}, {"batch_size": 8}]
)
def test_trials_that_differ_in_depth_width_or_batch_do_not_share_a_shape(
    change: dict[str, int],
) -> None:
    assert trial(params=TRIAL["params"] | change).shape != trial().shape


def test_widths_written_in_two_ways_are_one_shape() -> None:
    named = {"width_1": 128, "width_2": 64}
    rest = {name: value for name, value in TRIAL["params"].items() if name != "width"}
    assert trial(params=rest | named).shape == trial().shape


@pytest.mark.parametrize("model", [{}, *[{"model": model} for model in ("cnn", "own")]])
def test_a_trial_loads_again_from_json(model: dict[str, str]) -> None:
    once = of_model(model["model"]) if model else trial()
    assert TrialConfig.model_validate_json(once.model_dump_json()) == once


CNN = TRIAL["params"] | {
    "blocks": 3,
    "filters": 16,
    "filters_3": 32,
    "block_dropout_1": 0.1,
    "block_dropout_2": 0.2,
    "block_dropout_3": 0.0,
}
OWN = {"hidden": 3, "rate": 0.5, "activation": "Snake", "depth": "shallow"}
PARAMS = {"mlp": TRIAL["params"], "autoencoder": TRIAL["params"], "cnn": CNN, "own": OWN}


def of_model(model: str, **params: Any) -> TrialConfig:
    return trial(model=MODELS[model], params=PARAMS[model] | params)


def test_a_cnns_trial_tells_each_blocks_filters_and_dropout() -> None:
    cnn = of_model("cnn")
    assert cnn.count("blocks") == 3
    assert cnn.values_of("filters") == (16, 16, 32)
    assert cnn.values_of("block_dropout") == (0.1, 0.2, 0.0)
    assert cnn.values_of("width") == (128, 64)


def test_a_trial_without_blocks_has_no_filters() -> None:
    assert trial().count("blocks") == 0
    assert trial().values_of("filters") == ()


@pytest.mark.parametrize("model", ["mlp", "cnn", "autoencoder"])
def test_a_trial_drops_units_behind_rectifiers_where_it_does_not_say(model: str) -> None:
    plain = of_model(model)
    names = ("regularizer", "activation", "max_norm")
    assert [plain.value(name) for name in names] == ["dropout", "relu", None]
    other = of_model(model, regularizer="dropconnect", activation="tanh", max_norm=3)
    assert [other.value(name) for name in names] == ["dropconnect", "tanh", 3.0]
    assert type(other.value("max_norm")) is float


def test_an_own_modules_trial_is_its_parameters_and_its_batch_size() -> None:
    assert of_model("own").params == OWN
    assert of_model("own").batch_size == 64
    assert of_model("own", batch_size=8).batch_size == 8
    assert of_model("own").values_of("width") == ()


@pytest.mark.parametrize("model", ["mlp", "cnn", "autoencoder"])
@pytest.mark.parametrize(
    ("name", "value", "is_shared"),
    [
        *[("regularizer", "dropconnect", False), ("activation", "tanh", False)],
        *[("max_norm", 3.0, True), ("regularizer", "dropout", True), ("activation", "relu", True)],
    ],
)
def test_trials_share_a_shape_whatever_their_largest_norm(
    model: str, name: str, value: Any, *, is_shared: bool
) -> None:
    assert (of_model(model, **{name: value}).shape == of_model(model).shape) is is_shared


@pytest.mark.parametrize(
    ("change", "is_shared"),
    [
        *[({"blocks": 2}, False), ({"filters": 8}, False), ({"filters_3": 16}, False)],
        *[({"block_dropout_3": 0.5}, True), ({"filters_1": 16, "filters_2": 16}, True)],
    ],
)
def test_trials_of_a_cnn_share_a_shape_where_their_blocks_do(
    change: dict[str, Any], *, is_shared: bool
) -> None:
    assert (of_model("cnn", **change).shape == of_model("cnn").shape) is is_shared


@pytest.mark.parametrize("change", [{"rate": 0.25}, {"activation": "relu"}, {"batch_size": 8}])
def test_trials_of_an_own_module_share_a_shape_only_where_all_is_the_same(
    change: dict[str, Any],
) -> None:
    assert of_model("own", **change).shape != of_model("own").shape
    assert hash(of_model("own", batch_size=64).shape) == hash(of_model("own", batch_size=64).shape)


def test_networks_of_two_models_share_no_shape() -> None:
    assert of_model("autoencoder").shape != of_model("mlp").shape


@pytest.mark.parametrize(
    ("model", "change", "message"),
    [
        pytest.param("cnn", {"blocks": 4}, "block_dropout_4 is required", id="block 4"),
        pytest.param(
            "cnn",
            {"filters_2": 0},
            "filters_2: got 0, .* at least 1",
            id="filters",
        ),
        pytest.param(
            "cnn",
            {"regularizer": "x"},
            "regularizer: got 'x', expected 'dropout",
            id="text",
        ),
        pytest.param(
            "mlp",
            {"filters": 3},
            "params.filters: unknown key",
            id="of the cnn",
        ),
        pytest.param("mlp", {"max_norm": 0.0}, "max_norm: got 0.0, .* above 0", id="norm"),
        pytest.param(
            "autoencoder",
            {"depth": 0},
            "depth: got 0, .* at least 1",
            id="encoder",
        ),
        pytest.param(
            "own",
            {"batch_size": 0},
            "batch_size: got 0, .* at least 1",
            id="batch size",
        ),
        pytest.param("own", {"flag": None}, "flag", id="null"),
        pytest.param("own", {"hidden": [1]}, "hidden", id="list"),
    ],
)
def test_a_trial_refuses_what_its_model_does_not_have(
    model: str, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        of_model(model, **change)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        pytest.param("number", -1, "greater than or equal to 0", id="number"),
        pytest.param("number", True, "valid integer", id="number that is a boolean"),
        pytest.param("study", "a/b", "got 'a/b', expected a name of at most 100", id="study"),
        pytest.param("study_seed", 2**32, "less than or equal", id="seed"),
        pytest.param("params.depth", MISSING, "params.depth: required, but missing", id="no depth"),
        pytest.param("params.depth", -1, "params.depth: got -1, .* at least 0", id="depth"),
        pytest.param("params.depth", 1.5, "params.depth: got 1.5", id="half a layer"),
        pytest.param("params.depth", True, "params.depth", id="depth that is a boolean"),
        pytest.param(
            "params.depth",
            3,
            "dropout or dropout_3 is required",
            id="a layer missing",
        ),
        pytest.param("params.width", 0, "params.width: got 0, .* at least 1", id="width"),
        pytest.param("params.width_2", 6.5, "params.width_2: got 6.5", id="half a unit"),
        pytest.param("params.dropout_1", 1.0, "params.dropout_1: got 1.0, .* below 1", id="drop"),
        pytest.param("params.input_dropout", -0.1, "params.input_dropout: got -0.1", id="input"),
        pytest.param("params.batch_size", 0, "params.batch_size: got 0", id="batch"),
        pytest.param("params.learning_rate", 0.0, "params.learning_rate: got 0.0", id="rate"),
        pytest.param("params.learning_rate", float("nan"), "finite number", id="nan"),
        pytest.param("params.weight_decay", "x", "params.weight_decay: got 'x'", id="text"),
        pytest.param("params.momentum", 0.9, "params.momentum: unknown key", id="unknown"),
        pytest.param("extra", 1, "extra: unknown key, expected one of study", id="extra key"),
    ],
)
def test_a_trial_refuses_bad_values_when_built(key: str, value: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrialConfig.model_validate(changed({key: value}, TRIAL))


def test_a_trial_shares_the_order_of_batches_and_the_split_with_its_study() -> None:
    one, other = trial(number=0).seeds, trial(number=1).seeds
    assert {purpose for purpose in one if one[purpose] == other[purpose]} == {"order", "split"}
    assert set(one) == {"initialisation", "dropout", "order", "split"}


def test_a_derived_seed_never_changes() -> None:
    assert derive_seed(0, 12, "dropout") == 3_706_317_239


PARTS = st.lists(st.integers() | st.from_regex("[a-z]+", fullmatch=True), max_size=4)


@given(PARTS)
def test_a_derived_seed_is_one_that_every_generator_takes(parts: list[int | str]) -> None:
    assert 0 <= derive_seed(*parts) <= 2**32 - 1


def test_derived_seeds_differ_between_trials_and_purposes() -> None:
    purposes = ("initialisation", "dropout", "order", "split")
    seeds = {derive_seed(0, number, purpose) for number in range(500) for purpose in purposes}
    assert len(seeds) == 500 * 4
