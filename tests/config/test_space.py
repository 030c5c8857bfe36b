from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import (
    DataConfig,
    ModelConfig,
    Range,
    Space,
    StudyConfig,
    check_study,
    digest,
    is_fixed,
    parameters_of,
    read_space,
    values_of,
)
from tests.config.documents import (
    MISSING,
    MODELS,
    SEARCHED,
    SMALLEST,
    SPACES,
    spaces,
    spaces_of,
    study_for,
)

REST = {"batch_size": 32, "learning_rate": 0.001}
BUILT_IN = ["mlp", "cnn", "autoencoder"]
ANY = st.sampled_from(sorted(MODELS))
ANY_SPACE = ANY.flatmap(lambda model: spaces_of(model).map(lambda given_: (model, given_)))
LAYERED = st.sampled_from(BUILT_IN).flatmap(
    lambda model: spaces(model).map(lambda given_: space_for(model, given_))
)


def space_for(model: str, given_: dict[str, Any]) -> Space:
    data = DataConfig(name="digits")
    return read_space(parameters_of(ModelConfig.model_validate(MODELS[model]), data), given_)


def space(**parameters: Any) -> Space:
    return space_for("mlp", REST | parameters)


def test_a_space_names_its_parameters_in_the_files_order() -> None:
    assert list(space_for("mlp", SEARCHED).domains) == [
        *("depth", "width", "input_dropout", "dropout_1", "dropout_2", "dropout_3"),
        *("batch_size", "learning_rate", "weight_decay"),
    ]


@pytest.mark.parametrize("kind", ["width", "dropout"])
def test_a_space_spreads_a_parameter_that_is_searched_per_layer(kind: str) -> None:
    domain = {"choices": [0 if kind == "dropout" else 1], "per_layer": True}
    domains = space(**({"depth": 2, "width": 4, "dropout": 0.1} | {kind: domain})).domains
    assert kind not in domains
    assert domains[f"{kind}_1"] == domains[f"{kind}_2"]
    assert not getattr(domains[f"{kind}_1"], "per_layer", True)


def test_a_space_takes_layers_one_by_one_without_a_shared_width() -> None:
    domains = space(depth=2, width_1=128, width_2=64, dropout=0.1).domains
    assert (domains["width_1"], domains["width_2"]) == (128, 64)
    assert "width" not in domains


def test_a_space_sets_one_layer_apart_from_the_shared_width() -> None:
    one_apart = space(depth=3, width=128, width_2=64, dropout=0.1)
    assert one_apart.active({"depth": 1}) == (
        *("depth", "width", "input_dropout", "dropout"),
        *("batch_size", "learning_rate", "weight_decay"),
    )
    assert {"width", "width_2"} <= set(one_apart.active({"depth": 2}))


def test_a_space_of_depth_0_needs_neither_width_nor_dropout() -> None:
    assert space(depth=0).active({"depth": 0}) == (
        *("depth", "input_dropout", "batch_size", "learning_rate", "weight_decay"),
    )


def test_a_cnn_has_the_layers_of_its_blocks_and_of_its_depth() -> None:
    assert space_for("cnn", SPACES["cnn"]).active({"blocks": 2, "depth": 0}) == (
        *("blocks", "filters_1", "filters_2", "block_dropout_1", "block_dropout_2", "depth"),
        *("input_dropout", "batch_size", "learning_rate", "weight_decay"),
    )


def test_a_cnn_has_one_hidden_layer_where_the_file_does_not_say() -> None:
    given_ = {key: value for key, value in SPACES["cnn"].items() if key != "depth"}
    assert space_for("cnn", given_).domains["depth"] == 1


def test_an_own_modules_parameters_stand_in_the_order_of_their_names() -> None:
    given_ = SPACES["own"]
    names = ["batch_size", "activation", "flavour", "hidden", "keep_prob", "shift"]
    assert list(space_for("own", given_).domains) == names
    turned = {key: given_[key] for key in reversed(given_)}
    assert list(space_for("own", turned).domains) == names


@given(spaces_of("own"))
def test_an_own_modules_parameters_are_all_active(given_: dict[str, Any]) -> None:
    own = space_for("own", given_)
    assert set(own.active({})) == set(given_)


@given(ANY_SPACE)
def test_a_space_says_nothing_of_what_was_left_out(given_: tuple[str, dict[str, Any]]) -> None:
    optional = {"regularizer", "activation", "max_norm", "batch_size"}
    written = space_for(*given_).document
    assert set(written) & optional == set(given_[1]) & optional


@given(LAYERED, st.data())
def test_a_setting_has_each_layer_once(any_space: Space, data: st.DataObject) -> None:
    counts = data.draw(_counts(any_space))
    active = any_space.active(counts)
    assert set(active) <= set(any_space.domains)
    for kind, count in any_space.table.layered.items():
        own = {name for name in active if name.startswith(f"{kind}_")}
        assert all(int(name.rpartition("_")[2]) <= counts[count] for name in own)
        assert (kind in active) == (len(own) < counts[count])


@given(LAYERED, st.data())
def test_a_larger_network_has_all_parameters_of_a_smaller_one(
    any_space: Space, data: st.DataObject
) -> None:
    counts = data.draw(_counts(any_space))
    largest = {count: any_space.most(count) for count in counts}
    assert set(any_space.active(counts)) <= set(any_space.active(largest))
    assert any_space.active(largest) == tuple(any_space.domains)


def _counts(any_space: Space) -> st.SearchStrategy[dict[str, int]]:
    counts = sorted(set(any_space.layered.values()))
    numbers = {name: st.integers(0, any_space.most(name)) for name in counts}
    return st.fixed_dictionaries(numbers)


@given(ANY_SPACE)
def test_each_listed_value_lies_in_its_domain(given_: tuple[str, dict[str, Any]]) -> None:
    for domain in space_for(*given_).domains.values():
        if isinstance(domain, Range) and isinstance(domain.low, float):
            continue
        for value in values_of(domain):
            assert is_fixed(domain) or domain.excludes(value) is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("low", "high", "step", "values"),
    [
        pytest.param(0.0, 0.3, 0.1, [0.0, 0.1, 0.2, 0.3], id="tenths"),
        pytest.param(0.1, 0.7, 0.2, [0.1, 0.3, 0.5, 0.7], id="fifths"),
        pytest.param(0.5, 0.5, None, None, id="no step"),
    ],
)
def test_a_range_with_a_step_lists_values_from_low_to_high(
    low: float, high: float, step: float | None, values: list[float] | None
) -> None:
    stepped = Range[float](low=low, high=high, step=step)
    if values is None:
        with pytest.raises(ValueError, match="a range without a step"):
            values_of(stepped)
    else:
        assert values_of(stepped) == pytest.approx(values)
        assert all(stepped.excludes(value) is None for value in values_of(stepped))


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        pytest.param(2, None, id="inside"),
        pytest.param(1, None, id="low"),
        pytest.param(5, "a whole number from 1 to 4", id="above"),
        pytest.param(0, "a whole number from 1 to 4", id="below"),
        pytest.param(2.0, "a whole number from 1 to 4", id="a float"),
        pytest.param(True, "a whole number from 1 to 4", id="a boolean"),
        pytest.param("2", "a whole number from 1 to 4", id="a text"),
    ],
)
def test_a_range_of_whole_numbers_excludes_all_others(value: Any, limit: str | None) -> None:
    assert Range[int](low=1, high=4).excludes(value) == limit


def test_a_range_with_a_step_excludes_what_lies_between() -> None:
    assert Range[int](low=16, high=64, step=16).excludes(24) == (
        "a whole number that is 16 plus a multiple of step 16"
    )


@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_study_of_each_model_loads_again_from_what_it_writes(model: str) -> None:
    once = study_for(model, {}, batch_size=16)
    again = check_study(once.document, "")
    assert again == once
    assert digest(again) == digest(once)


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
