from collections import Counter
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import StudyConfig, check_study
from pipeline.errors import BadInputError
from tests.config.documents import SMALLEST, study_of

STEPPED = {
    "depth": {"low": 0, "high": 2},
    "width": {"choices": [16, 32]},
    "dropout": {"low": 0.0, "high": 0.3, "step": 0.1, "per_layer": True},
}


LR = {"batch_size": 32, "learning_rate": 0.001}
REGULARIZERS = {"choices": ["dropout", "channel-dropout"]}


def test_a_grid_lists_no_layer_that_a_depth_does_not_have() -> None:
    sizes = dict.fromkeys(range(3), 0)
    for setting in study_of(STEPPED, sampler="grid").grid():
        sizes[setting["depth"]] += 1
    assert sizes == {0: 1, 1: 2 * 4, 2: 2 * 4 * 4}


def test_a_grid_lists_no_block_that_a_setting_does_not_have() -> None:
    space = {"blocks": {"low": 1, "high": 2}, "depth": {"low": 0, "high": 1}}
    layers = {"filters": {"choices": [4, 8], "per_layer": True}, "block_dropout": 0.1}
    rest = {"width": {"choices": [1, 2, 3]}, "dropout": 0.5, "regularizer": REGULARIZERS}
    document = {"model": {"name": "cnn"}, "space": LR | space | layers | rest}
    search = {"trials": 1, "sampler": "grid"}
    sizes: Counter[tuple[int, int]] = Counter()
    for setting in check_study(SMALLEST | document | {"search": search}, "").grid():
        sizes[setting["blocks"], setting["depth"]] += 1
    assert sizes == {(1, 0): 2 * 2, (1, 1): 2 * 3 * 2, (2, 0): 4 * 2, (2, 1): 4 * 3 * 2}


def test_a_grid_lists_every_setting_of_an_own_module() -> None:
    space = {"b": {"choices": ["x", "y"]}, "a": {"low": 1, "high": 3}, "c": 0.5}
    document = {"model": {"class_path": "my_package.MyModule"}, "space": space}
    study = check_study(SMALLEST | document | {"search": {"trials": 6, "sampler": "grid"}}, "")
    assert list(study.grid()) == [
        {"a": a, "b": b, "c": 0.5} for a, b in product((1, 2, 3), ("x", "y"))
    ]


def test_a_grid_turns_the_last_parameter_fastest() -> None:
    space = {"depth": 1, "width": 4, "dropout": {"choices": [0.5, 0.1]}}
    study = study_of(space | {"batch_size": {"choices": [8, 4]}}, trials=4, sampler="grid")
    assert [(setting["dropout"], setting["batch_size"]) for setting in study.grid()] == [
        *((0.5, 8), (0.5, 4), (0.1, 8), (0.1, 4)),
    ]


@st.composite
def finite_studies(draw: st.DrawFn) -> StudyConfig:
    """Studies of few settings, single layers set apart."""
    widths = st.lists(st.integers(1, 64), min_size=1, max_size=2, unique=True)
    rates = st.lists(st.sampled_from([0.0, 0.25, 0.5]), min_size=1, max_size=2, unique=True)
    width = widths.map(lambda values: {"choices": values})
    dropout = st.just({"low": 0.0, "high": 0.5, "step": 0.25}) | rates.map(
        lambda values: {"choices": values}
    )
    low = draw(st.integers(0, 3))
    high = draw(st.integers(low, 3))
    space = {
        "depth": {"low": low, "high": high},
        "width": draw(width) | {"per_layer": draw(st.booleans())},
        "dropout": draw(dropout) | {"per_layer": draw(st.booleans())},
        "batch_size": draw(widths.map(lambda values: {"choices": values}) | st.just(8)),
    }
    for layer in draw(st.sets(st.integers(1, high))) if high else ():
        space[f"width_{layer}"] = draw(width | st.just(3))
    return study_of(space)


@given(finite_studies())
def test_a_grid_lists_each_setting_once_and_inside_the_space(study: StudyConfig) -> None:
    settings = list(study.grid())
    assert len({tuple(sorted(setting.items())) for setting in settings}) == len(settings)
    for setting in settings:
        assert tuple(setting) == study.space.active(setting)
        for name, value in setting.items():
            domain = study.space.domains[name]
            assert domain == value or domain.excludes(value) is None  # type: ignore[union-attr]


@given(st.integers(1, 6), st.integers(0, 2))
def test_a_grid_bounds_the_trials_by_its_size_and_the_fixed_trials(size: int, fixed: int) -> None:
    space = {"depth": 1, "width": {"low": 1, "high": size}, "dropout": 0.1}
    study_of(space, *([{}] * fixed), trials=size + fixed, sampler="grid")
    with pytest.raises(BadInputError, match=f"search.trials: .* at most {size + fixed}: the grid"):
        study_of(space, *([{}] * fixed), trials=size + fixed + 1, sampler="grid")


@pytest.mark.parametrize(
    ("space", "message"),
    [
        pytest.param(
            {"depth": 1, "width": 4, "dropout": {"low": 0.0, "high": 0.5}},
            "space.dropout: got a range without a step, expected choices",
            id="no step",
        ),
        pytest.param(
            {"depth": 4, "width": {"low": 1, "high": 99, "per_layer": True}, "dropout": 0.1},
            "space: got a grid of 96,059,601 settings, expected at most 1,000,000",
            id="too large",
        ),
    ],
)
def test_a_grid_refuses_a_space_it_cannot_list(space: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        study_of(space, sampler="grid")
