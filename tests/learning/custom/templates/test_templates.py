"""Modules and data modules in the style of public templates run with nothing but a study file."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline.app.first_batch import first_params
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.learning.custom.datamodule import CustomData, prepare_custom_data
from pipeline.learning.data import PreparedData
from pipeline.search.blocks import resolve
from pipeline.trial import Assignment
from tests.app.studies import check_ledgers_agree, with_store
from tests.learning.checkpoints.stops import bits, fit, resumable
from tests.long_form import in_long_form

HERE = Path(__file__).parent
DATA_DIR = "data.init_args.data_dir"
INPUTS = {
    "dense_classifier": torch.zeros(2, 1, 8, 8),
    "resnet": torch.zeros(2, 1, 8, 8),
    "table_classifier": {"continuous": torch.zeros(2, 13)},
}
N_CLASSES = {"dense_classifier": 10, "resnet": 10, "table_classifier": 3}
LOGGED = {
    "dense_classifier": {"train/loss", "train/acc", "val/loss", "val/acc", "val/acc_best"},
    "resnet": {"val_acc"},
    "table_classifier": {"val_MulticlassAccuracy", "val_MulticlassF1Score"},
}
"""What each logs beside the names that every trial has."""

pytestmark = pytest.mark.filterwarnings("ignore:Attribute 'net' is an instance of `nn.Module`")


def study_of(template: str, folder: Path) -> Study:
    """A template's study in a folder of its own."""
    overrides = [f"{DATA_DIR}={folder}"] if template == "dense_classifier" else []
    workspace = Workspace(home=with_store(folder / "home"), tracking_uri=None)
    return Study.load(HERE / f"{template}.yaml", overrides=overrides, workspace=workspace)


@pytest.mark.slow
@pytest.mark.parametrize("template", INPUTS)
def test_template_is_run_reproduced_confirmed_and_loaded(template: str, tmp_path: Path) -> None:
    study = study_of(template, tmp_path)
    n_trials = study.config.search.trials
    result = study.run(workers=2)
    assert result.counts == {"complete": n_trials, "pruned": 0, "failed": 0}, result.trials
    check_ledgers_agree(study.workspace.home, n_trials, study.config.name)
    curves = result.to_dataframe(curves=True)
    assert set(curves.columns) >= LOGGED[template]
    measured = ["train_loss", "train_loss_no_dropout", study.config.objective.metric]
    assert not curves[measured].isna().any(axis=None)
    assert result.best is not None
    network = result.best.load_model()
    assert not network.training
    assert network(INPUTS[template]).shape == (2, N_CLASSES[template])
    again = study.reproduce()
    assert again.as_json()["verdict"] == "identical", again.comparison.first_difference
    confirmed = study.confirm(top=1, seeds=2, workers=2).answer
    assert result.best.number in [one.number for one in confirmed.candidates]
    assert confirmed.candidates[0].test_loss.mean is not None


TRAINED_ANEW = ("dense_classifier",)
"""The metric of the best accuracy so far is in no checkpoint: such a trial is trained anew."""


@pytest.mark.parametrize(
    "template", ["resnet", in_long_form("dense_classifier"), in_long_form("table_classifier")]
)
def test_template_that_pauses_goes_on_as_if_it_never_had(
    template: str, tmp_path: Path, digits: PreparedData
) -> None:
    config = study_of(template, tmp_path).config
    trial = resolve(config, 0, first_params(config))
    data: PreparedData | CustomData = digits
    if config.data.class_path:
        data = prepare_custom_data(config.data, trial.params, where="here")
    assignment = Assignment(config=trial, epochs=trial.training.epochs)
    (undisturbed,) = fit(data, [assignment])
    context = resumable(data, tmp_path)
    (early,) = fit(context, [replace(assignment, pause_at=1)])
    assert early.is_paused, early.cause
    (after,) = fit(context, [assignment])
    assert bits(after) == bits(undisturbed)
    (first,) = early.curve
    assert (after.curve[0].epoch_seconds == first.epoch_seconds) == (template not in TRAINED_ANEW)
    assert not math.isnan(first.train_loss_no_dropout)
