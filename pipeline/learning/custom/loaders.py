"""Data loaders of a trial of a user's module: from built-in data."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from pipeline.config import TrialConfig
from pipeline.learning.cohort.rows import EVALUATION_ROWS, Rows, SplitTensors, load_splits
from pipeline.learning.data import PreparedData
from pipeline.learning.data.labels import Classes
from pipeline.learning.modules.masks import row_order
from pipeline.learning.provenance import DataFacts, resolve_device
from pipeline.trial import Assignment

EVALUATION_VALUES = 2**21
"""Values of one evaluation batch at most: large images are scored fewer at a time."""

Batch = tuple[Tensor, Tensor]

DataArguments = Mapping[str, Callable[[], Any]]
"""Arguments of a model's constructor that the data gives, by name; worked out when asked for."""


class TrialLoaders(Protocol):
    """Loaders of one trial, as a ``Trainer`` takes them, and what is known of the data.

    Attributes:
        facts: What a record says of the data.
        arguments: What a module's constructor may ask for, by name.
    """

    facts: DataFacts
    arguments: DataArguments

    def fit_arguments(self) -> dict[str, Any]:
        """The arguments of ``Trainer.fit``."""

    def no_dropout_arguments(self) -> dict[str, Any] | None:
        """The arguments of ``Trainer.validate`` that score a fixed part of the training rows."""


class RowBatches:
    """What the Trainer iterates: (images, labels), images float32 in [0, 1].

    Args:
        rows: Of one part.
        image_shape: (H, W), (C, H, W) or (n,); grey images get one channel.
        batch_size: Rows a batch; the last of an epoch takes what is left.
        order_seed: Shuffle each epoch anew by this seed; ``None``: never.
    """

    def __init__(
        self,
        rows: Rows,
        *,
        image_shape: tuple[int, ...],
        batch_size: int,
        order_seed: int | None = None,
    ) -> None:
        self.rows = rows
        self.shape = batch_shape(image_shape)
        self.batch_size = batch_size
        self.order_seed = order_seed
        self.epoch = 0

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return math.ceil(self._n_rows / self.batch_size)

    @property
    def _n_rows(self) -> int:
        """Rows of an epoch: a last training batch of a single row is left out.

        Batch-norm cannot be trained on a batch of one.
        """
        n_rows = len(self.rows)
        is_alone = self.order_seed is not None and n_rows > 1 == n_rows % self.batch_size
        return n_rows - 1 if is_alone else n_rows

    def state_dict(self) -> dict[str, int]:
        """What Lightning saves of a training loader: how many epochs it has begun."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on after the epochs of ``state_dict``."""
        self.epoch = state["epoch"]

    def __iter__(self) -> Iterator[Batch]:
        """Go through the next epoch."""
        self.epoch += 1
        numbers = self.rows.numbers
        if self.order_seed is not None:
            order = row_order(self.order_seed, self.epoch, len(self.rows))
            numbers = numbers[order[: self._n_rows].to(numbers.device)]
        for some in torch.split(numbers, self.batch_size):
            images, labels = self.rows.take(some)
            yield images.view(-1, *self.shape), labels


def batch_shape(image_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one row in a batch: (1, H, W) of grey images, else as it is.

    >>> batch_shape((8, 8)), batch_shape((3, 32, 32)), batch_shape((20,))
    ((1, 8, 8), (3, 32, 32), (20,))
    """
    return (1, *image_shape) if len(image_shape) == 2 else tuple(image_shape)  # noqa: PLR2004 - H, W


def in_order(rows: Rows, image_shape: tuple[int, ...]) -> RowBatches:
    """Batch rows in their order, for an evaluation."""
    n_rows = max(1, min(EVALUATION_ROWS, EVALUATION_VALUES // math.prod(image_shape)))
    return RowBatches(rows, image_shape=image_shape, batch_size=n_rows)


def open_rows(assignment: Assignment, data: PreparedData) -> list["RowLoaders"]:
    """The loaders of a trial, or of each of its folds.

    Args:
        assignment: The trial.
        data: The decoded data set.
    """
    config = assignment.config
    splits, split_sha256 = load_splits(
        data, config.data, config.seeds["split"], is_refit=assignment.is_refit
    )
    facts = DataFacts.of(data, split_sha256, splits[0].labels)
    return [RowLoaders(config, parts, facts) for parts in splits]


class RowLoaders:
    """Batches of built-in data.

    Args:
        config: The trial.
        parts: Its rows, or those of a fold.
        facts: What is known of the data.
    """

    def __init__(self, config: TrialConfig, parts: SplitTensors, facts: DataFacts) -> None:
        self.config = config
        self.facts = facts
        self._parts = parts.to(torch.device(resolve_device(config.training.device)))
        self.arguments = row_arguments(self._parts)

    def fit_arguments(self) -> dict[str, Any]:
        """Shuffle the training rows as for a built-in model."""
        parts = self._parts
        training = RowBatches(
            parts.training,
            image_shape=parts.image_shape,
            batch_size=self.config.batch_size,
            order_seed=self.config.seeds["order"],
        )
        validation = parts.validation and in_order(parts.validation, parts.image_shape)
        return {"train_dataloaders": training, "val_dataloaders": validation}

    def no_dropout_arguments(self) -> dict[str, Any]:
        """The study's fixed part of the training rows, as large as the validation's."""
        return {"dataloaders": in_order(self._parts.probe, self._parts.image_shape)}


def row_arguments(parts: SplitTensors) -> DataArguments:
    """The arguments that built-in data gives a module's constructor."""

    def n_classes() -> int:
        if isinstance(parts.labels, Classes):
            return parts.labels.n_classes
        message = "the module asks for n_classes, but the labels are numbers to predict"
        raise ValueError(message)

    return {
        "n_classes": n_classes,
        "n_inputs": lambda: math.prod(parts.image_shape),
        "image_shape": lambda: batch_shape(parts.image_shape),
    }
