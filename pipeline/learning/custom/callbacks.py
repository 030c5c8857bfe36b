"""What is recorded and scored at each epoch of a user's module."""

import copy
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from pipeline.config import Objective
from pipeline.learning.cohort.member import Progress
from pipeline.learning.custom.classes import seed_all
from pipeline.learning.custom.logged import MEASURED, loss_in, select
from pipeline.learning.lightning import (
    Checkpoint,
    LightningModule,
    Trainer,
    isolate_rng,
)
from pipeline.trial import EpochScores


class NoDropoutScore:
    """Scores a module in eval mode on a fixed part of the training rows: ``train_loss_no_dropout``.

    A copy of the module is validated in a Trainer of its own, so that the module in training, its
    Trainer, its metrics and the random generators are left as they are. A module that cannot be
    copied or scored in this way has no such curve, and its trial goes on.

    Args:
        trainer: Used for nothing else.
        arguments: Of ``Trainer.validate``; ``None``: there is nothing to score.
        objective: A score that is minimised stands for a loss where no ``val_loss`` is logged.
    """

    def __init__(
        self, trainer: Trainer, arguments: Mapping[str, Any] | None, objective: Objective
    ) -> None:
        self._trainer = trainer
        self._arguments = arguments
        self._objective = objective

    def loss(self, module: LightningModule) -> float:
        """The loss that the module logs on these rows; NaN where there is none."""
        if self._arguments is None:
            return math.nan
        try:
            return self._score(_copy_of(module), self._arguments)
        except Exception:  # noqa: BLE001 - the same step has just passed where it decides
            self._arguments = None
            return math.nan

    def _score(self, twin: LightningModule, arguments: Mapping[str, Any]) -> float:
        with isolate_rng():
            (scores,) = self._trainer.validate(twin, verbose=False, **arguments)
        return float(loss_in(scores, self._objective))


def _copy_of(module: LightningModule) -> LightningModule:
    # torch copies no tensor of a graph, such as a metric object's value of the last batch.
    values = (value for part in module.modules() for value in vars(part).values())
    of_graphs = [one for one in values if isinstance(one, Tensor) and one.grad_fn is not None]
    twin = copy.deepcopy(module, {id(one): one.detach().clone() for one in of_graphs})
    # Lightning's cache of the module's metrics knows them by id: the copy's are others.
    twin._metric_attributes = None  # noqa: SLF001
    return twin


Report = Callable[[EpochScores], None]


class EpochRecorder(Checkpoint):
    """Records each epoch's scores and the best weights, and stops where the trial ends.

    A ``Checkpoint`` is called last, so what the module logs in ``on_train_epoch_end`` counts.

    Args:
        progress: Decides whether the trial goes on.
        report: Called with each epoch's scores.
        no_dropout: Scores the fixed part of the training rows.
        seed: Of what is drawn while it trains.

    Attributes:
        weights: Of the best epoch; of a refit, the last.
        unlogged: Names that the module logged and that have no curve.
        seconds: By phase.
    """

    def __init__(
        self, progress: Progress, *, report: Report, no_dropout: NoDropoutScore, seed: int
    ) -> None:
        self.weights: dict[str, Tensor] | None = None
        self.unlogged: dict[str, None] = {}
        self.seconds = {"training": 0.0, "validation": 0.0}
        self._progress = progress
        self._report = report
        self._no_dropout = no_dropout
        self._seed = seed
        self._losses: list[Tensor] = []
        self._rate = math.nan
        self._started = self._validating = 0.0
        self._validation_seconds = 0.0
        self._has_validated = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Seed the global generators for training, once loaders and module are built."""
        del trainer, pl_module, stage
        seed_all(self._seed)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the epoch's clock."""
        del trainer, pl_module
        self._losses.clear()
        self._validation_seconds = 0.0
        self._has_validated = False
        self._started = time.perf_counter()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note the learning rate of the step that comes."""
        del pl_module, batch, batch_idx
        groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
        self._rate = float(groups[0]["lr"]) if groups else math.nan

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Keep what ``training_step`` returned, for modules that do not log it."""
        del trainer, pl_module, batch, batch_idx
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor):
            self._losses.append(loss.detach())

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the validation's clock."""
        del trainer, pl_module
        self._validating = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the validation's clock."""
        del trainer, pl_module
        self._validation_seconds += time.perf_counter() - self._validating
        self._has_validated = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score, report, keep the weights if they are the best, and stop if the trial ends.

        One that pauses begins its next epoch: only there is its state whole. An epoch that
        ``max_steps`` ends before it is validated is none.
        """
        if self._is_cut_short(trainer):
            return
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        logged.setdefault("train_loss", self._mean_loss())
        missing = self._missing(logged)
        if missing is None:
            self._take(logged, pl_module)
        else:
            self._progress.fail(missing)
        trainer.should_stop = trainer.should_stop or self._progress.has_ended

    @property
    def _objective(self) -> Objective:
        return self._progress.assignment.config.objective

    def _is_cut_short(self, trainer: Trainer) -> bool:
        is_validated = self._has_validated or self._progress.assignment.is_refit
        return not is_validated and trainer.global_step == trainer.max_steps

    def _mean_loss(self) -> float:
        return float(torch.stack(self._losses).double().mean()) if self._losses else math.nan

    def _missing(self, logged: Mapping[str, float]) -> str | None:
        epoch = len(self._progress.curve) + 1
        metric = self._objective.metric
        if metric not in {*logged, *MEASURED} and not self._progress.assignment.is_refit:
            there = ", ".join(sorted(logged.keys() - {"train_loss"})) or "nothing but the loss"
            return (
                f"{metric} was not logged by the end of epoch {epoch} (logged was {there}): "
                f'validation_step must self.log("{metric}", …), or the study file name one of '
                "these as objective.metric"
            )
        if math.isnan(logged["train_loss"]) and not self._losses:
            return (
                f"train_loss was not logged by the end of epoch {epoch}: training_step must "
                'return the loss or self.log("train_loss", …, on_epoch=True)'
            )
        return None

    def _take(self, logged: Mapping[str, float], module: LightningModule) -> None:
        started = time.perf_counter()
        no_dropout = self._no_dropout.loss(module)
        ended = time.perf_counter()
        validation = self._validation_seconds + ended - started
        self.seconds["validation"] += validation
        self.seconds["training"] += ended - self._started - validation
        scores = self._scores(logged, no_dropout, ended - self._started)
        if self._progress.take(scores):
            self.weights = copy_weights(module)
        self._report(scores)

    def _scores(
        self, logged: Mapping[str, float], no_dropout: float, epoch_seconds: float
    ) -> EpochScores:
        def found(name: str) -> float:
            return logged.get(name, math.nan)

        before = (name for scores in self._progress.curve for name in scores.logged)
        selection = select(logged, before, self._objective.metric)
        self.unlogged |= dict.fromkeys(selection.left_out)
        return EpochScores(
            number=self._progress.assignment.config.number,
            epoch=len(self._progress.curve) + 1,
            ended_at_ms=time.time_ns() // 1_000_000,
            train_loss=found("train_loss"),
            train_accuracy=found("train_accuracy"),
            train_loss_no_dropout=no_dropout,
            val_loss=found("val_loss"),
            val_accuracy=found("val_accuracy"),
            learning_rate=self._rate,
            epoch_seconds=epoch_seconds,
            repeat=self._progress.assignment.config.repeat,
            logged=selection.kept,
            objective=self._objective,
        )


def copy_weights(module: LightningModule) -> dict[str, Tensor]:
    """Copy a module's weights to where no step changes them; tied ones become two.

    Raises:
        TypeError: The state holds what safetensors cannot.
    """
    state = module.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            message = f"state_dict()[{name!r}] is a {type(value).__name__}, and weights are tensors"
            raise TypeError(message)
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}
