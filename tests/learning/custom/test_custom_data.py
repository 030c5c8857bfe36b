"""A built-in model on a user-defined data module."""

from typing import Any

import pytest

from pipeline.config import check_study
from pipeline.learning.cohort.fit import fit_cohort
from pipeline.learning.custom.datamodule import CustomData
from pipeline.trial import TrialState
from tests.learning.custom.trials import MODULES
from tests.search.studies import Stores

DENSE: dict[str, Any] = {
    "depth": {"low": 1, "high": 2},
    "width": {"choices": [4, 8], "per_layer": True},
    "dropout": {"low": 0.0, "high": 0.5, "per_layer": True},
    "batch_size": 20,
    "learning_rate": 0.01,
}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "mlp": ("Blobs", DENSE),
    "autoencoder": ("Blobs", DENSE),
    "cnn": ("Pictures", DENSE | {"blocks": 1, "filters": 2, "block_dropout": 0.1}),
}


@pytest.mark.parametrize("model", MODELS)
def test_a_study_of_a_built_in_model_runs_on_a_user_defined_data_module(model: str) -> None:
    data, space = MODELS[model]
    path = f"{MODULES}.{data}"
    document = {
        "name": "small",
        "data": {"class_path": path},
        "model": {"name": model},
        "space": space | {"spread": {"low": 0.5, "high": 1.5}},
        "training": {"epochs": 1, "device": "cpu"},
        "search": {"trials": 3, "sampler": "random"},
    }
    stores = Stores()
    stores.run(check_study(document, "study.yaml"), fit=fit_cohort, context=CustomData(path))
    assert [row.cause for row in stores.rows] == [None] * 3
    assert {row.state for row in stores.rows} == {TrialState.COMPLETE}
