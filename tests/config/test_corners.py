"""The corners of a space are its extreme models, each once."""

from typing import Any

from pipeline.config import check_study
from pipeline.config.space.corners import corner_settings


def corners_of(**space: Any) -> dict[str, dict[str, Any]]:
    document = {
        "name": "corners",
        "data": {"name": "digits"},
        "model": {"name": "mlp"},
        "space": space,
        "training": {"epochs": 2},
        "search": {"trials": 2},
    }
    return corner_settings(check_study(document, "study.yaml"))


def test_corners_go_to_the_ends_of_what_shapes_a_network() -> None:
    found = corners_of(
        depth={"low": 1, "high": 3},
        width={"choices": [64, 16, 32]},
        dropout={"low": 0.0, "high": 0.5, "per_layer": True},
        batch_size={"choices": [32, 128]},
        learning_rate={"low": 1e-4, "high": 1e-1, "log": True},
        activation={"choices": ["relu", "tanh"]},
    )
    shapes = {
        title: (one["depth"], one["width"], one["batch_size"], one["activation"])
        for title, one in found.items()
    }
    assert shapes == {
        "the smallest model": (1, 16, 32, "relu"),
        "the largest model": (3, 64, 128, "relu"),
        "the largest model, smallest batches": (3, 64, 32, "relu"),
        "the smallest model, largest batches": (1, 16, 128, "relu"),
        "activation tanh": (1, 16, 32, "tanh"),
    }
    assert "dropout_3" in found["the largest model"]
    assert "dropout_2" not in found["the smallest model"]


def test_space_without_a_choice_has_one_corner() -> None:
    found = corners_of(depth=0, batch_size=32, learning_rate=0.01)
    assert list(found) == ["the smallest model"]
