from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import (
    DataConfig,
    ModelConfig,
    Range,
    Space,
    is_fixed,
    space_type_of,
    values_of,
)
from tests.config.documents import MODELS, SEARCHED, SPACES, spaces, spaces_of

REST = {"batch_size": 32, "learning_rate": 0.001}
BUILT_IN = ["mlp", "cnn", "autoencoder"]
ANY = st.sampled_from(sorted(MODELS))
ANY_SPACE = ANY.flatmap(lambda model: spaces_of(model).map(lambda given_: (model, given_)))
LAYERED = st.sampled_from(BUILT_IN).flatmap(
    lambda model: spaces(model).map(lambda given_: space_for(model, given_))
)


def space_for(model: str, given_: dict[str, Any]) -> Space:
    data = DataConfig(name="digits")
    return space_type_of(ModelConfig.model_validate(MODELS[model]), data).model_validate(given_)


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
    written = space_for(*given_).model_dump(mode="json")
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
    numbers = {name: st.integers(0, any_space.most(name)) for name in any_space.table.counts}
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
