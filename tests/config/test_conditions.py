"""Parameters that only some settings have: layers of a user's own class, and conditions."""

import re
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Condition, Space, StudyConfig, TrialConfig, check_study, digest
from pipeline.config.arguments import with_lists
from pipeline.config.space.domain import values_of
from pipeline.errors import BadInputError
from tests.config.documents import (
    CONDITIONAL_GRID,
    CONDITIONAL_SPACE,
    MODELS,
    SEARCHED,
    SMALLEST,
    changed,
)

BASES = {
    "own": SMALLEST | {"model": MODELS["own"], "space": CONDITIONAL_SPACE, "trials": [{}]},
    "mlp": SMALLEST | {"space": SEARCHED, "trials": [{}]},
}
SETTING: dict[str, Any] = {
    "n_layers": 2,
    **{f"net.dropout_{layer}": layer / 10 for layer in (1, 2, 3)},
    "optimizer": "sgd",
    "momentum": 0.8,
    "nesterov": True,
    "warm_up": 1,
    **{f"skip_{layer}": layer for layer in (1, 2, 3)},
    "batch_size": 32,
}


def study(base: str = "own", **changes: Any) -> StudyConfig:
    return check_study(changed(changes, BASES[base]), "study.yaml")


def active(**values: Any) -> set[str]:
    return set(study().space.active(SETTING | values))


def test_an_own_classs_parameter_has_one_name_for_each_layer() -> None:
    assert list(study().space.domains) == [
        *("batch_size", "momentum", "n_layers", "nesterov"),
        *("net.dropout_1", "net.dropout_2", "net.dropout_3", "optimizer"),
        *("skip_1", "skip_2", "skip_3", "warm_up"),
    ]


def test_depth_counts_the_layers_where_the_file_does_not_say_what_does() -> None:
    space = {"depth": {"low": 0, "high": 2}, "rate": {"choices": [1, 2], "per_layer": True}}
    read = check_study(BASES["own"] | {"space": space}, "").space
    assert read.active({"depth": 1}) == ("depth", "rate_1")
    assert read.lists({"depth": 0}) == {"rate": "depth"}


def test_a_constant_may_count_the_layers_and_one_layer_may_be_set_apart() -> None:
    space = {"n": 2, "rate": {"low": 0.0, "high": 1.0, "per_layer": "n"}, "rate_2": 0}
    read = check_study(BASES["own"] | {"space": space}, "").space
    assert list(read.domains) == ["n", "rate_1", "rate_2"]
    assert type(read.domains["rate_2"]) is float, "the type of all layers"


@pytest.mark.parametrize(
    ("values", "there", "missing"),
    [
        ({}, {"momentum", "nesterov", "skip_2"}, {"skip_3", "warm_up", "net.dropout_3"}),
        ({"momentum": 0.6}, {"momentum"}, {"nesterov"}),
        ({"optimizer": "adam"}, {"warm_up"}, {"momentum", "nesterov"}),
        ({"optimizer": "adam", "n_layers": 1}, {"net.dropout_1"}, {"warm_up", "skip_1"}),
        ({"n_layers": 3}, {"skip_3", "net.dropout_3"}, {"warm_up"}),
    ],
    ids=["sgd", "a condition on a condition", "adam", "two conditions", "three layers"],
)
def test_a_setting_has_a_parameter_where_all_its_conditions_hold(
    values: dict[str, Any], there: set[str], missing: set[str]
) -> None:
    assert there <= active(**values)
    assert not missing & active(**values)


def test_a_parameter_that_depends_on_one_that_is_not_there_is_not_there() -> None:
    assert SETTING["momentum"] >= 0.7
    assert "nesterov" not in active(optimizer="adam"), "its momentum is not the setting's"


def test_parameters_of_layers_are_put_together_as_lists() -> None:
    read = study().space
    params = {name: SETTING[name] for name in read.active(SETTING)}
    lists = read.lists(params)
    assert lists == {"net.dropout": "n_layers", "skip": "n_layers"}
    assert with_lists(params, lists) == {
        "n_layers": 2,
        "net.dropout": [0.1, 0.2],
        "optimizer": "sgd",
        "momentum": 0.8,
        "nesterov": True,
        "skip": [1, 2],
        "batch_size": 32,
    }
    assert read.lists(SETTING | {"n_layers": 1}) == {"net.dropout": "n_layers"}
    assert set(read.arguments) == set(CONDITIONAL_SPACE)


def test_a_constant_count_of_0_gives_empty_lists() -> None:
    space = {"n": 0, "rate": {"low": 0.0, "high": 1.0, "per_layer": "n"}}
    read = check_study(BASES["own"] | {"space": space}, "").space
    assert read.arguments == ("n", "rate")
    assert with_lists({"n": 0}, read.lists({"n": 0})) == {"n": 0, "rate": []}


def test_a_trial_without_a_layer_of_its_lists_is_refused() -> None:
    asked = study()
    given_: dict[str, Any] = {
        "study": "small",
        "number": 0,
        "study_seed": 0,
        "data": asked.data,
        "model": asked.model,
        "training": asked.training.of_trial({}),
    }
    lists = {"rate": "n"}
    config = TrialConfig(**given_, params={"n": 1, "rate_1": 0.5}, lists=lists)
    assert config.arguments == {"n": 1, "rate": [0.5]}
    for params in ({"n": 2, "rate_1": 0.5}, {"rate_1": 0.5}, {"n": 0.5}, {"n": 10**9}):
        with pytest.raises(ValueError, match=r"params\.(n|rate_2): "):
            TrialConfig(**given_, params=params, lists=lists)


def test_a_study_with_conditions_is_read_again_from_what_it_writes() -> None:
    document = study().document
    assert document["space"]["warm_up"]["when"]["n_layers"] == {"in": [2, 3]}
    assert digest(check_study(document, "")) == digest(study())


def test_a_study_without_conditions_writes_nothing_of_them() -> None:
    assert "when" not in study("mlp").document["space"]["dropout"]


@pytest.mark.parametrize("key", ["max_norm", "activation"])
def test_a_built_in_model_has_conditions_on_what_it_can_do_without(key: str) -> None:
    values: dict[str, Any] = {
        "max_norm": {"low": 1, "high": 4},
        "activation": {"choices": ["relu", "tanh"]},
    }
    when = {"depth": {"at_least": 2}}
    read = study("mlp", **{f"space.{key}": values[key] | {"when": when}}).space
    assert key in read.active({"depth": 2})
    assert key not in read.active({"depth": 1})


def test_a_number_next_to_a_bound_counts_as_the_bound() -> None:
    assert Condition(at_most=0.7).holds(0.1 + 6 * 0.1)
    assert not Condition(at_most=0.7).holds(0.7001)


OPERATORS = st.one_of(
    st.integers(2, 3).map(lambda value: {"at_least": value}),
    st.integers(1, 2).map(lambda value: {"at_most": value}),
    st.integers(1, 3).map(lambda value: {"equals": value}),
    st.sampled_from([{"in": [1, 2]}, {"in": [3, 1]}, {"at_least": 2, "at_most": 2}]),
)


@st.composite
def conditional_spaces(draw: st.DrawFn) -> Space:
    """Spaces of whole numbers, each with conditions on some before it."""
    space: dict[str, Any] = {"a": {"low": 1, "high": 3}}
    for name in ("b", "c", "d"):
        before = draw(st.sets(st.sampled_from(sorted(space)), max_size=2))
        when = {other: draw(OPERATORS) for other in sorted(before)}
        space[name] = {"low": 1, "high": 3} | ({"when": when} if when else {})
    space["e"] = {"choices": [0, 1], "per_layer": "a"}
    return check_study(BASES["own"] | {"space": space}, "").space


@given(conditional_spaces())
def test_a_grid_lists_each_setting_once_without_what_it_does_not_have(space: Space) -> None:
    names = list(space.domains)
    all_ = [
        dict(zip(names, values, strict=True))
        for values in product(*map(values_of, space.domains.values()))
    ]
    expected = {tuple((name, one[name]) for name in space.active(one)) for one in all_}
    from pipeline.config.space.grid import list_settings

    listed = [tuple(one.items()) for one in list_settings(space)]
    assert len(set(listed)) == len(listed)
    assert set(listed) == expected


@given(conditional_spaces(), st.data())
def test_what_a_setting_has_follows_from_what_it_has(space: Space, data: st.DataObject) -> None:
    setting = {
        name: data.draw(st.sampled_from(values_of(domain)))
        for name, domain in space.domains.items()
    }
    active_ = space.active(setting)
    assert space.active({name: setting[name] for name in active_}) == active_
    for name in names_without_layers(space):
        assert (space.why_not(name, setting) is None) == (name in active_)


def names_without_layers(space: Space) -> list[str]:
    return [name for name in space.domains if not space.layer_of(name)]


def test_a_grid_of_a_conditional_space_is_counted_and_bounded() -> None:
    grid = study(space=CONDITIONAL_GRID, search={"trials": 8, "sampler": "grid"})
    assert len(list(grid.grid())) == len({tuple(one.items()) for one in grid.grid()}) > 100


@pytest.mark.parametrize(
    ("trial", "params"),
    [
        ({"net.dropout": 0.25}, {f"net.dropout_{layer}": 0.25 for layer in (1, 2, 3)}),
        ({"optimizer": "sgd", "momentum": 0.5}, {"optimizer": "sgd", "momentum": 0.5}),
        ({"momentum": 0.5}, {"momentum": 0.5}),
        ({"n_layers": 2, "skip_2": 3}, {"n_layers": 2, "skip_2": 3}),
    ],
    ids=["every layer", "a condition that holds", "one that may hold", "a layer"],
)
def test_a_fixed_trial_names_what_it_has(trial: dict[str, Any], params: dict[str, Any]) -> None:
    assert study(trials=[trial]).fixed_params(0) == params


ON_DEPTH = {"depth": {"at_least": 2}}
REFUSED: list[tuple[str, str, Any, str]] = [
    ("own", "space.skip.per_layer", True, "depth is to count the layers: unknown key, expected "),
    ("own", "space.skip.per_layer", "n_layer", "n_layer is to count the layers: unknown key, did"),
    ("own", "space.skip.per_layer", 3, "got 3, expected true or false, or the name of the "),
    ("own", "space.skip.per_layer", "", "got '', expected true or false, or the name of the "),
    ("own", "space.skip.per_layer", "optimizer", "got the parameter optimizer, expected one with"),
    ("own", "space.skip.per_layer", "momentum", "got the parameter momentum, expected one with"),
    ("own", "space.skip.per_layer", "net.dropout", "got the parameter net.dropout, expected one "),
    ("own", "space.skip.per_layer", "skip", "got the parameter skip, expected one with whole num"),
    ("own", "space.skip_2", {"low": 1, "high": 2, "per_layer": "n_layers"}, ".per_layer: not all"),
    ("own", "space.skip_4", 1, "there is no such layer: the largest n_layers is 3"),
    ("own", "space.skip_2", "x", "got 'x', expected a whole number"),
    ("own", "space.n_layers.high", 101, ".per_layer: got the parameter n_layers, expected one "),
    ("mlp", "space.dropout.per_layer", "depth", "got 'depth', expected true or false, since dep"),
    ("own", "space.momentum.when", {}, "got an empty map, expected a map of parameters' condit"),
    ("own", "space.momentum.when", 3, "got 3, expected a map"),
    (
        "own",
        "space.momentum.when",
        {"optimiser": {"equals": "sgd"}},
        ".optimiser: unknown key, did",
    ),
    ("own", "space.momentum.when", {"optimizer": "sgd"}, ".optimizer: got 'sgd', expected a map"),
    (
        "own",
        "space.momentum.when.optimizer",
        {},
        "got nothing, expected at_least, at_most, both of",
    ),
    (
        "own",
        "space.momentum.when.optimizer",
        {"above": 1},
        ".above: unknown key, expected one of a",
    ),
    (
        "own",
        "space.momentum.when.optimizer",
        {"eqals": 1},
        ".eqals: unknown key, did you mean 'equ",
    ),
    ("own", "space.momentum.when.optimizer.in", ["sgd"], "got equals and in, expected at_least, "),
    ("own", "space.momentum.when.optimizer.equals", "sdg", "got 'sdg', expected one of ['sgd', 'a"),
    ("own", "space.momentum.when.optimizer.equals", [1], "got [1], expected a finite number"),
    (
        "own",
        "space.momentum.when.optimizer",
        {"in": []},
        ".in: got [], expected a list of at least",
    ),
    ("own", "space.momentum.when.optimizer", {"in": ["x"]}, ".in.0: got 'x', expected one of ['sg"),
    ("own", "space.momentum.when.optimizer", {"in": ["adam", "sgd"]}, ".in: this always holds, si"),
    (
        "own",
        "space.momentum.when.optimizer",
        {"at_least": 2},
        "got at_least, expected equals or in",
    ),
    ("own", "space.skip.when.n_layers.at_least", "2", "got '2', expected a finite number"),
    ("own", "space.skip.when.n_layers.at_least", True, "got true, expected a finite number"),
    (
        "own",
        "space.skip.when.n_layers.at_least",
        1,
        "got 1, expected a number from 1 to 3 but 1, w",
    ),
    (
        "own",
        "space.skip.when.n_layers.at_least",
        4,
        "got 4, expected a number from 1 to 3 but 1, w",
    ),
    (
        "own",
        "space.skip.when.n_layers",
        {"at_most": 3},
        ".at_most: got 3, expected a number from 1 ",
    ),
    (
        "own",
        "space.skip.when.n_layers",
        {"at_most": 0},
        ".at_most: got 0, expected a number from 1 ",
    ),
    (
        "own",
        "space.skip.when.n_layers.at_most",
        1,
        ".at_least: got 2, expected a number of at most",
    ),
    (
        "own",
        "space.skip.when.n_layers",
        {"at_least": 2.25, "at_most": 2.75},
        ": this never holds: it has no value of at least 2.25 and at most 2.75",
    ),
    ("own", "space.nesterov.when.momentum", {"equals": 0.7}, "got equals, expected at_least or at"),
    ("own", "space.warm_up.when", {"skip": {"equals": 1}}, ".skip: unknown key, did you mean 'ski"),
    (
        "own",
        "space.n_layers.when",
        {"optimizer": {"equals": "sgd"}},
        "not allowed: n_layers counts",
    ),
    (
        "own",
        "space.optimizer.when",
        {"nesterov": {"equals": True}},
        "the conditions go in a circle",
    ),
    ("own", "space.momentum.when", {"momentum": {"at_most": 0.8}}, "the conditions go in a circle"),
    (
        "own",
        "space.skip.when",
        {"skip_1": {"at_least": 2}},
        "the conditions go in a circle: skip_1",
    ),
    (
        "own",
        "space.skip_2",
        {"choices": [1], "when": ON_DEPTH},
        ".when: not allowed: give it at sk",
    ),
    ("own", "space.optimizer", "sgd", "space.momentum.when.optimizer: this always holds, since th"),
    ("own", "space.optimizer", "adam", "space.momentum.when.optimizer: this never holds, since th"),
    ("mlp", "space.dropout.when", ON_DEPTH, "not allowed: every trial has dropout"),
    ("mlp", "space.learning_rate.when", ON_DEPTH, "not allowed: every trial has learning_rate"),
    ("own", "trials.0", {"optimizer": "adam", "momentum": 0.6}, ".momentum: the trial does not h"),
    ("own", "trials.0", {"optimizer": "adam", "nesterov": True}, ".nesterov: the trial does not h"),
    ("own", "trials.0", {"momentum": 0.6, "nesterov": True}, ".nesterov: the trial does not have "),
    ("own", "trials.0", {"n_layers": 1, "skip": 2}, ".skip: the trial does not have it, since its"),
    ("own", "trials.0", {"n_layers": 1, "net.dropout_2": 0.1}, ".net.dropout_2: there is no such "),
    ("own", "trials.0", {"skip": 5}, ".skip: got 5, expected a whole number from 1 to 4 (space.sk"),
    ("own", "trials.0", {"skip_4": 1}, ".skip_4: unknown key, did you mean 'skip_"),
]


@pytest.mark.parametrize(("base", "key", "value", "message"), REFUSED, ids=str)
def test_a_wrong_condition_or_layer_is_refused_in_one_sentence(
    base: str, key: str, value: Any, message: str
) -> None:
    with pytest.raises(BadInputError) as caught:
        check_study(changed({key: value}, BASES[base]), "study.yaml")
    told = str(caught.value)
    assert told.startswith("study.yaml: "), told
    assert message.removeprefix(":").strip() in told, told
    assert "\n" not in told
    assert re.search(r"study\.yaml: (space|trials)\.", told), told
