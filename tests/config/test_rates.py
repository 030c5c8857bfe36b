"""The mean of the hidden rates counts each hidden layer once, and no other layer."""

from typing import Any

import pytest

from pipeline.config import mean_dropout

CASES: dict[str, tuple[dict[str, Any], float | None]] = {
    "one a layer": ({"depth": 2, "dropout_1": 0.1, "dropout_2": 0.3, "input_dropout": 0.9}, 0.2),
    "one for all": ({"depth": 3, "dropout": 0.25}, 0.25),
    "one layer apart": ({"depth": 3, "dropout": 0.3, "dropout_2": 0.0}, 0.2),
    "blocks too": ({"blocks": 2, "block_dropout": 0.1, "depth": 1, "dropout": 0.4}, 0.2),
    "no hidden layer": ({"depth": 0, "input_dropout": 0.2}, None),
    "a module of one's own": ({"dropout": 0.5, "width": 64}, 0.5),
    "its layers": ({"n_layers": 2, "dropout_1": 0.2, "dropout_2": 0.4}, 0.3),
    "its switch": ({"dropout": True}, None),
}


@pytest.mark.parametrize(("params", "mean"), CASES.values(), ids=CASES.keys())
def test_mean_of_the_hidden_rates(params: dict[str, Any], mean: float | None) -> None:
    found = mean_dropout(params)
    assert found == (mean if mean is None else pytest.approx(mean))
