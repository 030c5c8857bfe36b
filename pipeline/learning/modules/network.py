"""A network as an ordinary LightningModule: its ``training_step`` defines what a step is."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from pipeline.config import TrialConfig, derive_seed
from pipeline.learning.data.labels import Classes, Targets, unscaled_labels
from pipeline.learning.lightning import LightningModule
from pipeline.learning.modules.criteria import Criterion
from pipeline.learning.modules.layers import Dropping, check_choice
from pipeline.learning.modules.regression import Regression
from pipeline.trial import TrialRecord

Batch = tuple[Tensor, Tensor]

OPTIMIZERS: Final[Mapping[str, type[AdamW | Adam | SGD]]] = {
    "adamw": AdamW,
    "adam": Adam,
    "sgd": SGD,
}
SCHEDULES: Final = ("constant", "cosine")


@dataclass(frozen=True)
class Optimization:
    """How a network's weights are updated.

    Attributes:
        optimizer: A key of ``OPTIMIZERS``.
        max_norm: The largest Euclidean norm of a hidden unit's incoming weights (Srivastava et
            al. 2014, section 5.1: https://jmlr.org/papers/v15/srivastava14a.html).
        schedule: ``constant``, or ``cosine``: the learning rate falls towards 0 over ``epochs``
            (Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts:
            https://arxiv.org/abs/1608.03983).
        epochs: Needed by ``cosine`` alone.

    Raises:
        ValueError: A value is not allowed.
    """

    optimizer: str
    learning_rate: float
    weight_decay: float
    max_norm: float | None
    schedule: str
    epochs: int | None

    def __post_init__(self) -> None:
        """Check the values."""
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("schedule", self.schedule, SCHEDULES)
        if self.max_norm is not None and not self.max_norm > 0:
            message = f"max_norm is {self.max_norm}; it must be above 0, or None"
            raise ValueError(message)
        if self.schedule == "cosine" and (self.epochs is None or self.epochs < 1):
            message = (
                f"epochs is {self.epochs}; schedule='cosine' needs the number of epochs over "
                "which the learning rate falls"
            )
            raise ValueError(message)

    def make_optimizer(self, parameters: list[nn.Parameter]) -> Optimizer:
        """Make the optimizer; ``fused`` (one kernel for each tensor) fixes the bits."""
        return OPTIMIZERS[self.optimizer](
            parameters, lr=self.learning_rate, weight_decay=self.weight_decay, fused=True
        )

    def learning_rate_at(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 1."""
        return self.learning_rate * self.schedule_factor(epoch - 1)

    def schedule_factor(self, n_epochs_done: int) -> float:
        """What the learning rate is multiplied by after so many epochs."""
        if self.schedule == "constant" or self.epochs is None:
            return 1.0
        return (1 + math.cos(math.pi * (n_epochs_done / self.epochs))) / 2


class Network(LightningModule):
    """Layers in a row, what they are trained for, and how.

    It trains in any ``Trainer`` with any loader of (images, labels), images as floats. A study
    trains many of them as one (``pipeline.learning.cohort``) and gets the same bits, on a CPU with
    the study's number of threads and ``torch.set_flush_denormal(True)``.

    A model is a subclass and a row of ``pipeline.config.models.MODELS``. A subclass says what it is
    trained for, and how a trial's setting becomes its arguments.

    Args:
        optimization: How its weights are updated.
        seed: Of the initial weights.
        dropout_seed: Of the dropout masks; by default derived from ``seed``.
    """

    criterion: Criterion
    learns_labels: ClassVar[bool] = True

    network: nn.Sequential

    def __init__(
        self, optimization: Optimization, *, seed: int = 0, dropout_seed: int | None = None
    ) -> None:
        super().__init__()
        self.optimization = optimization
        self.seed = seed
        self.dropout_seed = derive_seed(seed, "dropout") if dropout_seed is None else dropout_seed

    @classmethod
    def arguments(
        cls, config: TrialConfig, image_shape: tuple[int, ...], n_outputs: int
    ) -> dict[str, Any]:
        """The constructor's arguments for a trial that tells classes apart.

        Args:
            config: The trial.
            image_shape: Of one row: (H, W), (C, H, W) or (n,).
            n_outputs: Classes to tell apart.
        """
        raise NotImplementedError

    @classmethod
    def arguments_for(
        cls, config: TrialConfig, image_shape: tuple[int, ...], labels: Classes | Targets
    ) -> dict[str, Any]:
        """The constructor's arguments for a trial, whatever its labels are.

        Args:
            config: The trial.
            image_shape: As ``arguments`` takes it.
            labels: What the training rows' labels are.
        """
        arguments = cls.arguments(config, image_shape, labels.n_outputs)
        if "label_smoothing" in config.params:
            arguments["label_smoothing"] = config.value("label_smoothing")
        if isinstance(labels, Classes) and config.params.get("class_weights") == "balanced":
            arguments["class_weights"] = labels.balanced_weights
        if isinstance(labels, Targets) and cls.learns_labels:
            loss = config.training.loss or "mse"
            arguments |= {"loss": loss, "target_mean": labels.mean, "target_std": labels.std}
        return arguments

    @classmethod
    def from_record(
        cls, record: TrialRecord | str | bytes, weights: bytes, *, fold: int | None = None
    ) -> Self:
        """Build a recorded trial's network with the weights of its best epoch, dropout off.

        Args:
            record: The trial's ``record.json``.
            weights: The trial's ``weights.safetensors``.
            fold: Which network of a study with folds, counted from 1.

        Raises:
            ValueError: Record, weights and ``fold`` do not belong together.
        """
        if not isinstance(record, TrialRecord):
            record = TrialRecord.model_validate_json(record)
        facts = record.facts
        if facts is None or facts.input_shape is None:
            message = "the record does not hold the shape of an image, which the network needs"
            raise ValueError(message)
        tensors = tensors_of_fold(weights_by_fold(load(weights)), fold)
        labels = unscaled_labels(facts.n_classes, facts.n_targets)
        network = cls(**cls.arguments_for(record.trial, facts.input_shape, labels))
        network.load_state_dict(tensors)
        return network.eval()

    def draw(self, images: Tensor) -> dict[str, bytes]:  # noqa: ARG002 - for subclasses
        """Draw what the network has learned.

        Args:
            images: float32 of shape [rows, (C,) H, W], or [rows, n].

        Returns:
            PNG files by artifact name.
        """
        return {}

    def build(self, layers: Iterable[nn.Module]) -> None:
        """Make the layers, their weights drawn one after another from the seed."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)
            self.network = nn.Sequential(*layers)
        self.dropping = [part for part in self.network.modules() if isinstance(part, Dropping)]
        weighing = [part for part in self.network if isinstance(part, nn.Linear | nn.Conv2d)]
        self._hidden = weighing[:-1]

    def forward(self, x: Tensor) -> Tensor:
        """Map rows to predictions.

        Args:
            x: float of shape [batch, ...], flattened to [batch, n_inputs].

        Returns:
            Logits, reconstructions or targets in their own units, [batch, n_outputs].

        Raises:
            TypeError: The images are no floats.
        """
        if not x.is_floating_point():
            message = f"images are {x.dtype}; they must be floats, for example images / 255"
            raise TypeError(message)
        return self.criterion.predictions(self.network(x.flatten(1)))

    def set_step(self, step: int) -> None:
        """Choose the dropout masks of a training step, counted from 0."""
        for part in self.dropping:
            part.step = step

    def score_rows(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Score each row.

        Args:
            images: float of shape [batch, ...].
            labels: Classes, int64 of shape [batch], or targets in their own units, float of shape
                [batch] or [batch, n_outputs].

        Returns:
            Losses, float32 of shape [batch], and what ``Criterion.marks`` says of the rows.
        """
        outputs = self.network(images.flatten(1))
        losses = self.criterion.losses(outputs, images, labels)
        return losses, self.criterion.marks(outputs, labels)

    def train_rows(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Score each row as ``score_rows`` does, and say what training lowers.

        Returns:
            What is optimised of each row, which is its loss but for label smoothing and class
            weights; and the losses and marks of ``score_rows``.
        """
        outputs = self.network(images.flatten(1))
        losses = self.criterion.losses(outputs, images, labels)
        optimized = self.criterion.optimized(outputs, labels)
        marks = self.criterion.marks(outputs, labels)
        return losses if optimized is None else optimized, losses, marks

    @torch.no_grad()
    def constrain(self) -> None:
        """Shrink each hidden unit's incoming weights to the largest norm, if there is one."""
        if self.optimization.max_norm is None:
            return
        for part in self._hidden:
            part.weight.copy_(torch.renorm(part.weight, 2, 0, self.optimization.max_norm))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002 - Lightning's signature
        """Compute what is optimised of a batch, the mean, with the dropout masks of this step."""
        self.set_step(self.global_step)
        images, labels = batch
        optimized, losses, marks = self.train_rows(images, labels)
        self._log_scores("train", losses.detach(), marks)
        return optimized.mean()

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 - Lightning's signature
        """Keep the weights within their norm after each step."""
        self.constrain()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 - Lightning's signature
        """Log the loss of a batch, and its accuracy or mean absolute error, dropout off."""
        images, labels = batch
        self._log_scores("val", *self.score_rows(images, labels))

    def predict_step(self, batch: Batch | Tensor, batch_idx: int) -> Tensor:  # noqa: ARG002 - Lightning's signature
        """Compute the outputs of a batch, which may hold images alone."""
        images = batch if isinstance(batch, Tensor) else batch[0]
        outputs: Tensor = self(images)
        return outputs

    def _log_scores(self, part: str, losses: Tensor, marks: Tensor | None) -> None:
        scores = {f"{part}_loss": losses.mean()}
        if marks is not None:
            name = "mae" if isinstance(self.criterion, Regression) else "accuracy"
            scores[f"{part}_{name}"] = marks.float().abs().mean()
        self.log_dict(scores, on_step=False, on_epoch=True, batch_size=len(losses))

    def make_optimizer(self) -> Optimizer:
        """Make the optimizer of all weights."""
        return self.optimization.make_optimizer(list(self.network.parameters()))

    def configure_optimizers(self) -> Any:
        """Make the optimizer and, where the learning rate changes, its scheduler."""
        optimizer = self.make_optimizer()
        if self.optimization.schedule == "constant":
            return optimizer
        return [optimizer], [LambdaLR(optimizer, self.optimization.schedule_factor)]


def shared_arguments(config: TrialConfig) -> dict[str, Any]:
    """The arguments that every built-in network takes, for a trial."""
    return {
        "widths": config.values_of("width"),
        "dropouts": config.values_of("dropout"),
        "input_dropout": config.value("input_dropout"),
        "activation": config.value("activation"),
        "regularizer": config.value("regularizer"),
        "optimizer": config.training.optimizer,
        "learning_rate": config.value("learning_rate"),
        "weight_decay": config.value("weight_decay"),
        "max_norm": config.value("max_norm"),
        "schedule": config.value("schedule"),
        "epochs": config.training.epochs,
        "seed": config.seeds["initialisation"],
        "dropout_seed": config.seeds["dropout"],
    }


def weights_by_fold(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """The tensors of a weights file by the fold that their names begin with, ``fold_1.`` and so on.

    Returns:
        Each network's tensors by its fold, counted from 1; of a trial without folds, by 0.
    """
    found: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        fold, _, rest = name.removeprefix("fold_").partition(".")
        if name.startswith("fold_") and fold.isdecimal():
            found.setdefault(int(fold), {})[rest] = value
        else:
            found.setdefault(0, {})[name] = value
    return found


def tensors_of_fold(
    networks: Mapping[int, dict[str, Tensor]], fold: int | None
) -> dict[str, Tensor]:
    """Choose one of a trial's networks.

    Args:
        networks: From ``weights_by_fold``.
        fold: Counted from 1; ``None`` where the trial has one network.

    Raises:
        ValueError: There is none of this number, or there are several and none was chosen.
    """
    fold = 0 if fold is None else fold
    if fold not in networks:
        message = (
            f"the trial has a network for each fold, 1 to {len(networks)}; choose one with fold="
            if 0 not in networks
            else f"fold is {fold}, but the trial has one network for all rows"
        )
        raise ValueError(message)
    return networks[fold]
