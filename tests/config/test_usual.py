from typing import Any

import pytest

from pipeline.config import usual_setting
from pipeline.config.space.domain import limit_of
from tests.search.studies import study

SPACE: dict[str, Any] = {
    "depth": {"low": 1, "high": 4},
    "width": {"choices": [512, 128, 256]},
    "input_dropout": {"low": 0.0, "high": 0.3},
    "dropout": {"low": 0.0, "high": 0.6, "per_layer": True},
    "batch_size": {"choices": [32, 100, 256]},
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "activation": {"choices": ["gelu", "relu"]},
}


def test_usual_setting_is_that_of_the_papers_with_the_widest_layers() -> None:
    assert usual_setting(study(space=SPACE)) == {
        "depth": 2,
        "width": 512,
        "input_dropout": 0.2,
        "dropout_1": 0.5,
        "dropout_2": 0.5,
        "dropout_3": 0.5,
        "dropout_4": 0.5,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "activation": "relu",
        "weight_decay": 0.0,
    }


@pytest.mark.parametrize(
    ("name", "domain", "usual"),
    [
        ("dropout", {"low": 0.0, "high": 0.4, "step": 0.1}, 0.4),
        ("input_dropout", {"low": 0.25, "high": 0.3}, 0.25),
        ("depth", {"low": 3, "high": 5}, 3),
        ("width", {"low": 8, "high": 1000, "log": True}, 1000),
        ("learning_rate", {"choices": [3e-2, 1e-2]}, 1e-2),
        ("batch_size", 16, 16),
        ("activation", {"choices": ["tanh", "elu"]}, "tanh"),
        ("max_norm", {"low": 0.5, "high": 4}, 3.0),
    ],
)
def test_a_usual_value_outside_the_space_is_the_nearest_inside(
    name: str, domain: Any, usual: Any
) -> None:
    asked = study(space=SPACE | {name: domain})
    setting = usual_setting(asked)
    value = setting[name if name in setting else f"{name}_1"]
    assert value == pytest.approx(usual) if isinstance(usual, float) else value == usual
    for each, limits in asked.space.domains.items():
        assert limit_of(limits, setting[each]) is None


def test_a_users_own_module_begins_in_the_middle() -> None:
    space = {
        "units": {"low": 10, "high": 21},
        "rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "kind": {"choices": ["b", "a"]},
        "batch_size": {"choices": [16, 64]},
    }
    asked = study(space=space, model={"class_path": "some.Module"})
    assert usual_setting(asked) == {
        "batch_size": 64,
        "units": 16,
        "rate": pytest.approx(1e-3),
        "kind": "b",
    }


def test_plain_gradient_descent_begins_with_a_larger_step() -> None:
    asked = study(space=SPACE | {"learning_rate": {"low": 1e-3, "high": 1.0, "log": True}})
    sgd = asked.model_copy(
        update={"training": asked.training.model_copy(update={"optimizer": "sgd"})}
    )
    assert usual_setting(asked)["learning_rate"] == 1e-3
    assert usual_setting(sgd)["learning_rate"] == 0.1
