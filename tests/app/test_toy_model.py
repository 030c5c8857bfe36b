"""A new model is one module and one row (``toy.py``): it gets every promise."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.config import MODELS, StudyConfig, check_study
from pipeline.errors import BadInputError
from tests.app import toy
from tests.app.studies import check_ledgers_agree

ROW = MODELS["toy"]
N_TRIALS = 6
STUDY: dict[str, Any] = {
    "name": "toy",
    "data": {"name": "digits"},
    "model": {"name": "toy"},
    "space": {
        "stages": {"low": 1, "high": 2},
        "units": {"choices": [8, 16]},
        "stage_dropout": {"low": 0.0, "high": 0.5, "per_layer": True},
        "batch_size": 64,
        "learning_rate": 0.01,
    },
    "training": {"epochs": 2, "device": "cpu"},
    "search": {"trials": N_TRIALS, "block": 3},
    "trials": [{"stages": 2, "units": 8, "stage_keep_prob": 0.75}],
}


@pytest.fixture(autouse=True)
def _row() -> Iterator[None]:
    """The row is there for these tests alone: others compare all rows with the documents."""
    MODELS["toy"] = ROW
    yield
    del MODELS["toy"]


del MODELS["toy"]


@pytest.mark.slow
def test_a_study_of_a_new_model_runs_and_its_best_trial_is_reproduced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.app.training.FIT", f"{toy.__name__}:fit_cohort")
    workspace = Workspace(home=tmp_path, tracking_uri=None)
    study = Study(config=check_study(STUDY, "toy.yaml"), workspace=workspace)
    result = study.run(workers=2)
    assert result.counts["complete"] == N_TRIALS, [row.cause for row in result.trials]
    check_ledgers_agree(tmp_path, N_TRIALS, "toy")
    assert result.trials[0].params["stage_dropout_2"] == 0.25
    again = reproduce(workspace, "toy")
    assert again.comparison.verdict.value == "identical", again.comparison.first_difference


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        pytest.param("units", 257, "got 257, expected a number of at most 256", id="large"),
        pytest.param("unitz", 8, "unknown key, did you mean 'units'", id="misspelt"),
        pytest.param("filters", 8, "a parameter of cnn, not of this model", id="another's"),
        pytest.param("stage_dropout_3", 0.1, "no such layer: the largest stages is 2", id="layer"),
        pytest.param("nonlinearity", "elu", "got 'elu', expected 'relu' or 'tanh'", id="text"),
    ],
)
def test_a_study_of_a_new_model_refuses_a_wrong_key(key: str, value: Any, message: str) -> None:
    document = STUDY | {"space": STUDY["space"] | {key: value}}
    with pytest.raises(BadInputError, match=rf"^toy\.yaml: space\.{key}.*{message}"):
        check_study(document, "toy.yaml")


def test_the_schema_of_study_files_describes_a_new_model() -> None:
    schema = json.dumps(StudyConfig.model_json_schema())
    assert '"enum": ["mlp", "cnn", "autoencoder", "toy"]' in schema
    assert '"stage_dropout"' in schema


def test_a_model_without_a_row_is_refused() -> None:
    del MODELS["toy"]
    with pytest.raises(BadInputError, match=r"got 'toy', expected one of mlp, cnn, autoencoder$"):
        check_study(STUDY, "toy.yaml")
    MODELS["toy"] = ROW
