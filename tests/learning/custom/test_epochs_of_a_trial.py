"""A user's schedule sees the epochs of its own trial, however early the trial ends."""

from typing import Any

import torch

from pipeline.config import check_study
from pipeline.learning.custom.checks import check_custom
from pipeline.learning.data import PreparedData
from pipeline.search.blocks import resolve
from pipeline.trial import TrialState
from tests.learning.custom.modules import Plain
from tests.learning.custom.trials import MODULES, fit, own_trial


class Cycle(Plain):
    """One cycle of the rate over the whole training, as the Trainer tells its length."""

    def __init__(self, epochs: int = 0) -> None:
        """Take the epochs too."""
        super().__init__()
        self.given = epochs

    def configure_optimizers(self) -> Any:
        """Step the schedule once a batch."""
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        n_steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=n_steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def rates(digits: PreparedData, n_epochs: int, **stopping: Any) -> list[float]:
    """The learning rate by epoch of a trial that has its own number of epochs."""
    config = own_trial("Plain", training={"epochs": n_epochs}, epochs=n_epochs, batch_size=200)
    path = {"class_path": f"{__name__}.Cycle"}
    outcome = fit(digits, config.model_validate(config.model_dump() | {"model": path}), **stopping)
    assert outcome.state is TrialState.COMPLETE, outcome.cause
    return [scores.learning_rate for scores in outcome.curve]


def test_a_cycle_ends_with_its_trial(digits: PreparedData) -> None:
    short, long = rates(digits, 2), rates(digits, 4)
    assert (len(short), len(long)) == (2, 4)
    assert max(short[-1], long[-1]) < 1e-3


def test_a_trial_that_is_trained_again_up_to_an_epoch_has_the_whole_trials_schedule(
    digits: PreparedData,
) -> None:
    assert rates(digits, 4, epochs=2) == rates(digits, 4)[:2]


def test_epochs_may_be_searched_though_no_constructor_takes_them() -> None:
    searched = {"epochs": {"low": 1, "high": 3}, "device": "cpu"}
    study = check_study(
        {
            "name": "own",
            "data": {"name": "digits"},
            "model": {"class_path": f"{MODULES}.Plain"},
            "space": {"hidden": {"choices": [4, 16]}},
            "training": searched,
            "search": {"trials": 2},
        },
        "own.yaml",
    )
    check_custom(study, "own.yaml")
    assert resolve(study, 0, {"hidden": 4, "epochs": 2}).training.epochs == 2
