"""What is learned from labels: said in the study file, or told by the data."""

from typing import Any

import pytest

from pipeline.config import DataConfig, TrialConfig, check_study, digest
from pipeline.config.task import check_fits_task
from pipeline.errors import BadInputError
from tests.config.documents import SMALLEST, changed

DIGEST = "3d32ab2e7b0c9d9c6ef8b2f90d8147d9fe7e9bc4d5bd376c5506ee186583fe6a"
"""Of the smallest study, by the version before there was a task."""
SETTING = {"depth": 0, "batch_size": 8, "learning_rate": 0.1, "input_dropout": 0.0}
NPZ = {"data": {"name": "npz", "path": "x.npz"}}


def trial(data: dict[str, Any] | None = None, **training: str) -> TrialConfig:
    """The smallest trial."""
    return TrialConfig.model_validate(
        {
            "study": "small",
            "number": 0,
            "study_seed": 0,
            "data": {"name": "digits"} | (data or {}),
            "model": {"name": "mlp"},
            "training": {"epochs": 1} | training,
            "params": SETTING | {"weight_decay": 0.0},
        }
    )


def test_a_study_that_says_nothing_of_a_task_keeps_its_digest() -> None:
    assert digest(check_study(SMALLEST, "study.yaml")) == DIGEST
    said = check_study(changed({"data.task": "classification"}), "study.yaml")
    assert digest(said) != DIGEST
    assert said.document["data"]["task"] == "classification"


def test_a_trial_without_task_and_loss_is_written_as_before() -> None:
    written = trial().model_dump(mode="json")
    assert "task" not in written["data"]
    assert "loss" not in written["training"]


def test_a_trial_of_a_regression_is_read_again_as_it_was_written() -> None:
    config = trial({"task": "regression"}, loss="huber")
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config
    assert (config.data.task, config.training.loss) == ("regression", "huber")


@pytest.mark.parametrize(
    ("data", "task"),
    [
        ({"name": "digits"}, "classification"),
        ({"name": "digits", "task": "regression"}, "regression"),
        ({"name": "image-folder", "path": "x"}, "classification"),
        (NPZ["data"], None),
        (NPZ["data"] | {"task": "classification"}, "classification"),
        ({"class_path": "a.B"}, None),
    ],
)
def test_a_task_is_known_where_the_labels_need_not_be_asked(
    data: dict[str, str], task: str | None
) -> None:
    assert DataConfig.model_validate(data).known_task == task


def test_a_loss_is_refused_once_the_labels_turn_out_to_be_classes() -> None:
    study = check_study(changed(NPZ | {"training.loss": "mse"}), "study.yaml")
    check_fits_task(study, "regression", where="study.yaml")
    with pytest.raises(BadInputError, match=r"^study\.yaml: training\.loss: only for regression"):
        check_fits_task(study, "classification", where="study.yaml")


def test_an_autoencoder_takes_rows_of_any_labels() -> None:
    changes = NPZ | {"model": {"name": "autoencoder"}}
    study = check_study(changed(changes), "study.yaml")
    check_fits_task(study, "classification", where="study.yaml")
    check_fits_task(study, "regression", where="study.yaml")
