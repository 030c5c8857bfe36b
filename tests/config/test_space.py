from typing import Any

import pytest
from hypothesis import given

from pipeline.config import Range, Space, is_fixed, values_of
from tests.config.documents import SEARCHED, spaces

REST = {"batch_size": 32, "learning_rate": 0.001}


def space(**parameters: Any) -> Space:
    return Space.model_validate(REST | parameters)


def test_a_space_names_its_parameters_in_the_files_order() -> None:
    assert list(Space.model_validate(SEARCHED).domains) == [
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
    assert one_apart.active(1) == (
        *("depth", "width", "input_dropout", "dropout"),
        *("batch_size", "learning_rate", "weight_decay"),
    )
    assert {"width", "width_2"} <= set(one_apart.active(2))


def test_a_space_of_depth_0_needs_neither_width_nor_dropout() -> None:
    assert space(depth=0).active(0) == (
        *("depth", "input_dropout", "batch_size", "learning_rate", "weight_decay"),
    )


@given(spaces())
def test_a_depth_has_only_parameters_of_the_space(given_: dict[str, Any]) -> None:
    any_space = Space.model_validate(given_)
    for depth in values_of(any_space.depth):
        assert set(any_space.active(depth)) <= set(any_space.domains)


@given(spaces())
def test_a_depth_has_each_layer_once(given_: dict[str, Any]) -> None:
    any_space = Space.model_validate(given_)
    for depth in range(any_space.max_depth + 1):
        active = any_space.active(depth)
        for kind in Space.PER_LAYER:
            own = {name for name in active if name.startswith(f"{kind}_")}
            assert all(int(name.rpartition("_")[2]) <= depth for name in own)
            assert (kind in active) == (len(own) < depth)


@given(spaces())
def test_a_deeper_network_has_all_parameters_of_a_shallower_one(given_: dict[str, Any]) -> None:
    any_space = Space.model_validate(given_)
    for depth in range(any_space.max_depth):
        assert set(any_space.active(depth)) <= set(any_space.active(depth + 1))


@given(spaces())
def test_the_deepest_network_has_every_parameter(given_: dict[str, Any]) -> None:
    any_space = Space.model_validate(given_)
    assert any_space.active(any_space.max_depth) == tuple(any_space.domains)


@given(spaces())
def test_each_listed_value_lies_in_its_domain(given_: dict[str, Any]) -> None:
    for domain in Space.model_validate(given_).domains.values():
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
