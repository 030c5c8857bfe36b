"""``training.trainer``: what a user sets of the Trainer is done, recorded, or refused."""

from typing import Any

import pytest
import torch
from torch.optim import Optimizer

from pipeline.config import TrialConfig, check_study
from pipeline.errors import BadInputError
from pipeline.learning.custom.checks import check_custom
from pipeline.learning.custom.sources import own_name
from pipeline.learning.data import PreparedData
from pipeline.learning.lightning import Callback, LightningModule, Trainer
from pipeline.trial import TrialOutcome, TrialRecord, TrialState
from tests.learning.custom.modules import Batch, Plain
from tests.learning.custom.trials import MLP, fit, fit_on_own, own_trial

HERE = __name__


class Watched(Plain):
    """Logs the gradients that the optimizer is given, and counts its steps and its batches."""

    def __init__(self, hidden: int = 16, *, n_inputs: int, n_classes: int) -> None:
        """Count from nothing."""
        super().__init__(hidden, n_inputs=n_inputs, n_classes=n_classes)
        self.n_steps = self.n_batches = 0

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Count a step."""
        del optimizer
        self.n_steps += 1

    def optimizer_step(self, *args: Any, **given: Any) -> None:
        """Look at the gradients after clipping."""
        super().optimizer_step(*args, **given)
        gradients = [weight.grad for weight in self.parameters() if weight.grad is not None]
        self.log("norm", torch.cat([one.flatten() for one in gradients]).norm())
        self.log("largest", max(one.abs().max() for one in gradients))

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        """Count a batch."""
        self.n_batches += 1
        self.log("batches", float(self.n_batches))
        self.log("steps", float(self.n_steps))
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the rows that validate."""
        super().validation_step(batch, batch_idx)
        self.log("rows", float(len(batch[0])), reduce_fx="sum")


class Plain2(Plain):
    """Of this file, so that its sources are."""


class Talking(Plain):
    """Calls its logger as modules of templates do."""

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Write a figure and a text."""
        super().validation_step(batch, batch_idx)
        logger: Any = self.logger
        logger.experiment.add_scalar("x", 1.0, 0)
        logger.experiment.add_text("note", "hello")
        logger.log_metrics({"y": 2.0})


class Doubling(Callback):
    """Logs its argument."""

    def __init__(self, factor: float = 2.0, *, words: list[str] | None = None) -> None:
        """Refuse what is no factor."""
        if factor <= 0:
            message = f"factor {factor} is not above 0"
            raise ValueError(message)
        self.factor, self.words = factor, words

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log it."""
        del trainer
        pl_module.log("factor", self.factor)


def trial(model: str = "Watched", *, data: str | None = None, **trainer: Any) -> TrialConfig:
    """A trial of this file's module with a Trainer of its own."""
    given = own_trial(training={"trainer": trainer}, data=data).model_dump(exclude={"model"})
    path = f"{HERE}.{model}"
    return TrialConfig.model_validate(given | {"model": {"class_path": path}})


def logged(outcome: TrialOutcome, name: str) -> list[float]:
    """A curve, of a trial that is complete."""
    assert outcome.state is TrialState.COMPLETE, outcome.cause
    return [scores.logged[name] for scores in outcome.curve]


def test_gradients_are_clipped_by_norm_or_by_value(digits: PreparedData) -> None:
    free = fit(digits, trial())
    by_norm = fit(digits, trial(gradient_clip_val=0.01))
    by_value = fit(digits, trial(gradient_clip_val=0.01, gradient_clip_algorithm="value"))
    assert max(logged(free, "norm")) > 0.1
    assert max(logged(by_norm, "norm")) == pytest.approx(0.01, rel=1e-4)
    assert max(logged(by_value, "largest")) == pytest.approx(0.01, rel=1e-4)
    assert max(logged(by_value, "norm")) > 0.011


def test_gradients_are_accumulated(digits: PreparedData) -> None:
    one, four = fit(digits, trial()), fit(digits, trial(accumulate_grad_batches=4))
    assert logged(one, "batches") == logged(four, "batches")
    assert logged(one, "steps")[-1] > 3.5 * logged(four, "steps")[-1]


def test_an_epoch_has_no_more_batches_than_its_limit(digits: PreparedData) -> None:
    outcome = fit(digits, trial(limit_train_batches=3))
    assert logged(outcome, "batches") == [3.0, 6.0, 9.0]
    assert outcome.curve[0].train_loss_no_dropout > 0


def test_the_limit_of_validation_leaves_the_fixed_training_rows_alone() -> None:
    whole = fit_on_own(trial(data="Blobs"))
    part = fit_on_own(trial(data="Blobs", limit_val_batches=0.5))
    assert (logged(whole, "rows")[0], logged(part, "rows")[0]) == (50.0, 25.0)
    losses = [[one.train_loss_no_dropout for one in outcome.curve] for outcome in (whole, part)]
    assert losses[0] == losses[1]


def test_a_trial_ends_after_its_steps_and_counts_whole_epochs_alone(digits: PreparedData) -> None:
    n_batches = int(logged(fit(digits, trial()), "batches")[0])
    cut = fit(digits, trial(max_steps=n_batches + 2))
    assert cut.state is TrialState.COMPLETE
    assert len(cut.curve) == 1
    at_the_end = fit(digits, trial(max_steps=2 * n_batches))
    assert len(at_the_end.curve) == 2
    too_few = fit(digits, trial(max_steps=1))
    assert (too_few.state, too_few.cause) == (TrialState.FAIL, "ended before its first epoch")


def test_callbacks_are_made_with_their_arguments(digits: PreparedData) -> None:
    callbacks = [
        {"class_path": f"{HERE}.Doubling", "init_args": {"factor": 3.0, "words": ["a"]}},
        {"class_path": "lightning.pytorch.callbacks.LearningRateMonitor"},
    ]
    outcome = fit(digits, trial(callbacks=callbacks))
    assert logged(outcome, "factor") == [3.0] * 3
    assert logged(outcome, "lr-SGD") == pytest.approx([0.2, 0.1, 0.05])


def test_the_record_holds_the_trainer_and_the_callbacks_sources(digits: PreparedData) -> None:
    callbacks = [{"class_path": f"{HERE}.Doubling"}]
    config = trial("Plain2", callbacks=callbacks, gradient_clip_val=1.0)
    outcome = fit(digits, config)
    record = TrialRecord.of(config, outcome)
    again = TrialRecord.model_validate_json(record.file)
    assert again.trial.training.trainer == config.training.trainer
    assert record.facts is not None
    assert any(name.endswith("test_own_trainer.py") for name in record.facts.sources)
    assert fit(digits, again.trial).weights_sha256 == outcome.weights_sha256


def test_a_module_may_call_its_logger(digits: PreparedData) -> None:
    outcome = fit(digits, trial("Talking"))
    assert outcome.state is TrialState.COMPLETE, outcome.cause


def test_a_data_module_is_given_its_workers() -> None:
    config = own_trial(data="Blobs", training={"trainer": {"num_workers": 0}})
    assert fit_on_own(config).state is TrialState.COMPLETE


def study(trainer: dict[str, Any], **sections: Any) -> Any:
    """A study with a Trainer of its own."""
    given = {
        "name": "own",
        "data": {"name": "digits"},
        "model": {"class_path": f"{HERE}.Watched"},
        "space": {"hidden": {"low": 4, "high": 8}},
        "training": {"epochs": 2, "trainer": trainer},
        "search": {"trials": 1},
    }
    return check_study(given | sections, "study.yaml")


CALLBACK = "training.trainer.callbacks.0"


@pytest.mark.parametrize(
    ("trainer", "key", "said"),
    [
        ({"gradient_clip_val": 0.0}, "gradient_clip_val", "got 0.0, expected a number above 0"),
        ({"gradient_clip_val": "1"}, "gradient_clip_val", "got '1', expected"),
        ({"gradient_clip_algorithm": "norm"}, "gradient_clip_algorithm", "not allowed without"),
        (
            {"gradient_clip_algorithm": "l1", "gradient_clip_val": 1.0},
            "gradient_clip_algorithm",
            "got 'l1', expected 'norm' or 'value'",
        ),
        ({"accumulate_grad_batches": 0}, "accumulate_grad_batches", "got 0, expected"),
        ({"limit_train_batches": 1.5}, "limit_train_batches", "a fraction above 0"),
        ({"limit_train_batches": 0}, "limit_train_batches", "a fraction above 0"),
        ({"limit_val_batches": True}, "limit_val_batches", "a fraction above 0"),
        ({"max_steps": 0}, "max_steps", "got 0, expected"),
        ({"num_workers": -1}, "num_workers", "got -1, expected"),
        ({"num_workers": 2}, "num_workers", "only for data of your own"),
        ({"callbacks": ["x.Y"]}, "callbacks.0", "got 'x.Y', expected"),
        ({"callbacks": [{"class_path": "X"}]}, "callbacks.0.class_path", "a dotted path"),
        ({"callbacks": [{"init_args": {}}]}, "callbacks.0.class_path", "required"),
        ({"clip": 1}, "clip", "unknown key"),
    ],
)
def test_a_wrong_argument_of_the_trainer_is_refused(
    trainer: dict[str, Any], key: str, said: str
) -> None:
    with pytest.raises(BadInputError) as caught:
        study(trainer)
    told = str(caught.value)
    assert told.startswith(f"study.yaml: training.trainer.{key}: "), told
    assert said in told


def test_a_built_in_model_on_built_in_data_has_no_trainer() -> None:
    with pytest.raises(BadInputError, match=r"training.trainer: only for a model or data of your"):
        study({"max_steps": 5}, model={"name": "mlp"}, space=MLP)


@pytest.mark.parametrize(
    ("callback", "key", "said"),
    [
        ({"class_path": "no_such.Thing"}, "class_path", "no module no_such of no_such.Thing"),
        ({"class_path": f"{HERE}.Watched"}, "class_path", "must derive from Lightning's Callback"),
        (
            {"class_path": "pytorch_lightning.callbacks.ModelCheckpoint"},
            "class_path",
            "writes checkpoints, and a study keeps the best weights itself",
        ),
        (
            {"class_path": f"{HERE}.Doubling", "init_args": {"facto": 1}},
            "init_args",
            "unexpected keyword argument 'facto'",
        ),
        (
            {"class_path": f"{HERE}.Doubling", "init_args": {"factor": -1}},
            "init_args",
            "raises ValueError: factor -1 is not above 0",
        ),
    ],
)
def test_a_wrong_callback_is_refused_before_anything_runs(
    callback: dict[str, Any], key: str, said: str
) -> None:
    with pytest.raises(BadInputError) as caught:
        check_custom(study({"callbacks": [callback]}), "study.yaml")
    told = str(caught.value)
    assert told.startswith(f"study.yaml: {CALLBACK}.{key}: "), told
    assert said in told


def test_workers_go_to_a_data_module_that_takes_them() -> None:
    blobs = {"data": {"class_path": "tests.learning.custom.modules.Blobs"}}
    with pytest.raises(BadInputError, match=r"trainer.num_workers: not taken by the constructor"):
        check_custom(study({"num_workers": 1}, **blobs), "study.yaml")


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("lightning.pytorch.callbacks.Timer", "pytorch_lightning.callbacks.Timer"),
        ("lightning.pytorch", "pytorch_lightning"),
        ("lightning.fabric.Fabric", "lightning_fabric.Fabric"),
        ("lightning.Trainer", "lightning.Trainer"),
        ("lightning.pytorchx.Net", "lightning.pytorchx.Net"),
        ("my.lightning.pytorch.Net", "my.lightning.pytorch.Net"),
    ],
)
def test_a_path_into_lightning_has_one_name(path: str, own: str) -> None:
    assert own_name(path) == own
