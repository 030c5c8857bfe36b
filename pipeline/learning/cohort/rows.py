"""Rows held as tensors and shared by every worker of a machine: splits, batches, scores."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.config import DataConfig
from pipeline.learning.data import (
    PreparedData,
    all_but_test,
    open_train,
    splits,
    splits_sha256,
)
from pipeline.learning.data.labels import Classes, Targets, describe_labels
from pipeline.learning.modules.masks import row_order

STEPS_A_CALL = 32
"""Steps that Lightning is asked for at once: its own cost a step falls from 124 µs to 4."""

EVALUATION_ROWS = 500
"""Rows of one evaluation product; part of the arithmetic, so it is fixed."""


@dataclass(frozen=True)
class Rows:
    """A part of a data set: which rows of the resident images belong to it.

    Attributes:
        images: Shape [n_all, n_inputs], as stored (mostly uint8).
        labels: int64 of shape [n_all], or float32 of shape [n_all] or [n_all, n_targets].
        numbers: int64 of shape [n]; the rows of this part.
        scale: What a stored value is divided by.
    """

    images: Tensor
    labels: Tensor
    numbers: Tensor
    scale: float

    def __len__(self) -> int:
        """Count the rows of this part."""
        return self.numbers.numel()

    def take(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Gather rows by their number in the whole set.

        Args:
            numbers: int64 of shape [batch].

        Returns:
            float32 images of shape [batch, n_inputs] in [0, 1], and labels of shape [batch, ...].
        """
        images = self.images.index_select(0, numbers).to(torch.float32).div_(self.scale)
        return images, self.labels.index_select(0, numbers)

    def to(self, device: torch.device) -> "Rows":
        """Hold the rows on another device; the parts of a set share one copy there."""
        images, labels = _copy(self.images, device), _copy(self.labels, device)
        return Rows(images, labels, self.numbers.to(device), self.scale)


@lru_cache(maxsize=2)
def _copy(whole_set: Tensor, device: torch.device) -> Tensor:
    """Copy a whole set's tensor once for all trials of a worker; ``Tensor`` hashes by identity."""
    return whole_set.to(device)


class EpochSteps:
    """The Trainer's loader: an epoch's batches, several steps at a time.

    Args:
        rows: The training rows.
        batch_size: Rows a step; the last step of an epoch takes what is left.
        seed: The study's seed for the order.
        epochs_done: Epochs that were trained before, by a process that ended.
    """

    def __init__(self, rows: Rows, *, batch_size: int, seed: int, epochs_done: int = 0) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = epochs_done

    @property
    def n_steps(self) -> int:
        """How many steps an epoch has."""
        return math.ceil(len(self.rows) / self.batch_size)

    def __len__(self) -> int:
        """Count the calls of an epoch."""
        return math.ceil(self.n_steps / STEPS_A_CALL)

    def __iter__(self) -> Iterator[Sequence[Tensor]]:
        """Go through the next epoch: each item is a list of row numbers, one entry a step."""
        self.epoch += 1
        order = row_order(self.seed, self.epoch, len(self.rows)).to(self.rows.numbers.device)
        batches = torch.split(self.rows.numbers[order], self.batch_size)
        for start in range(0, len(batches), STEPS_A_CALL):
            yield batches[start : start + STEPS_A_CALL]


class Scores(NamedTuple):
    """What a network scores on some rows; NaN where something is not measured.

    Attributes:
        loss: The mean over rows.
        accuracy: The share of rows that are classified correctly.
        mae: The mean absolute error, in the targets' own units, over rows and targets.
        r2: The share of the targets' variance that is explained, the mean over targets; below 0
            where their mean would be a better prediction.
    """

    loss: float = math.nan
    accuracy: float = math.nan
    mae: float = math.nan
    r2: float = math.nan

    @property
    def of_targets(self) -> dict[str, float]:
        """Those that a regression has, by name."""
        found = {"mae": self.mae, "r2": self.r2}
        return {name: score for name, score in found.items() if math.isfinite(score)}


UNMEASURED = Scores()


RowResult = tuple[Tensor, Tensor | None]
"""Losses, float32 of shape [K, rows], and of each row what ``Criterion.marks`` gives."""


def mean_scores(losses: Tensor, marks: Tensor | None, labels: Tensor | None = None) -> list[Scores]:
    """Average over rows, each network's by itself: the size of a stack changes no bit.

    Args:
        losses: Each row's, float32 of shape [K, rows].
        marks: What ``Criterion.marks`` gives, [K, rows, ...].
        labels: Of the rows, [rows, ...]; ``None``: errors of targets are not scored.
    """
    n_rows = losses.shape[1]
    sums = torch.stack([row.sum(dtype=torch.float64) for row in losses.contiguous()]).tolist()
    scores = [Scores(loss / n_rows) for loss in sums]
    if marks is None:
        return scores
    if marks.dtype is torch.bool:
        counts = marks.sum(1).tolist()
        return [
            one._replace(accuracy=count / n_rows) for one, count in zip(scores, counts, strict=True)
        ]
    if labels is None:
        return scores
    pairs = zip(scores, marks, strict=True)
    return [one._replace(**target_scores(errors, labels)) for one, errors in pairs]


def target_scores(errors: Tensor, labels: Tensor) -> dict[str, float]:
    """The mean absolute error and R² of predictions, each the mean over targets.

    R² is 1 - sum of squared errors / sum of squared deviations of the labels from their own mean;
    NaN where a target does not vary on these rows.

    Args:
        errors: float32 of shape [rows, n_targets].
        labels: float32 of shape [rows] or [rows, n_targets].
    """
    errors, labels = errors.cpu().double(), labels.cpu().double().reshape(errors.shape)
    spread = (labels - labels.mean(0)).square().sum(0)
    explained = 1 - errors.square().sum(0) / spread
    r2 = explained.mean() if bool((spread > 0).all()) else torch.tensor(math.nan)
    return {"mae": errors.abs().mean().item(), "r2": r2.item()}


class RowScores:
    """Collects the scores of each row, batch by batch; they stay on the device."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._marks: list[Tensor] = []

    def add(self, losses: Tensor, marks: Tensor | None) -> None:
        """Add a batch: see ``mean_scores``."""
        self._losses.append(losses)
        if marks is not None:
            self._marks.append(marks)

    def take(self, labels: Tensor | None = None) -> list[Scores]:
        """Return each network's mean scores over all batches since the last call.

        Args:
            labels: Of the rows in their order; ``None``: see ``mean_scores``.
        """
        marks = torch.cat(self._marks, 1) if self._marks else None
        scores = mean_scores(torch.cat(self._losses, 1), marks, labels)
        self._losses.clear()
        self._marks.clear()
        return scores


def evaluate(score: Callable[[Tensor, Tensor], RowResult], rows: Rows) -> list[Scores]:
    """Average each network's scores over rows, in products of a fixed number of rows.

    Args:
        score: Maps images and labels to each row's loss and its marks.
        rows: The rows.
    """
    scores = RowScores()
    for numbers in torch.split(rows.numbers, EVALUATION_ROWS):
        scores.add(*score(*rows.take(numbers)))
    return scores.take(rows.labels.index_select(0, rows.numbers))


@dataclass(frozen=True)
class SplitTensors:
    """The rows of a study, or of one of its folds.

    Attributes:
        training: The rows to train on.
        validation: The rows that decide; ``None`` where nothing is validated.
        probe: The training rows that are scored with dropout off.
        image_shape: Of one row: (H, W), (C, H, W) or (n,).
        labels: What the training rows' labels are.
    """

    training: Rows
    validation: Rows | None
    probe: Rows
    image_shape: tuple[int, ...]
    labels: Classes | Targets

    def to(self, device: torch.device) -> "SplitTensors":
        """Hold the rows on another device."""
        validation = self.validation and self.validation.to(device)
        training, probe = self.training.to(device), self.probe.to(device)
        return replace(self, training=training, validation=validation, probe=probe)


@lru_cache(maxsize=2)
def load_splits(
    data: PreparedData, config: DataConfig, seed: int, *, is_refit: bool
) -> tuple[tuple[SplitTensors, ...], str]:
    """Map the data set and split it, once for all trials of a worker.

    Args:
        data: The decoded data set.
        config: The parts held out for validation and the test, or the number of folds.
        seed: Of the split.
        is_refit: Train on all rows but the test's, and validate nothing.

    Returns:
        The rows of the study, or of each of its folds, and the split's digest.
    """
    images, labels = open_train(data)
    rest = all_but_test(labels, config, n_own_test=data.n_test, seed=seed) if is_refit else None
    found = splits(labels, config, n_own_test=data.n_test, seed=seed)
    whole = Rows(
        torch.from_numpy(images).flatten(1),
        torch.from_numpy(labels),
        torch.empty(0, dtype=torch.int64),
        data.scale,
    )
    parts = [
        SplitTensors(
            training=_part(whole, trained),
            validation=_part(whole, split.validation) if rest is None else None,
            probe=_part(whole, split.train_probe),
            image_shape=data.image_shape,
            labels=describe_labels(labels, data.n_classes, trained),
        )
        for split in (found if rest is None else found[:1])
        for trained in [split.train if rest is None else rest]
    ]
    return tuple(parts), splits_sha256(found)


def _part(whole: Rows, numbers: npt.NDArray[np.int64]) -> Rows:
    return replace(whole, numbers=torch.from_numpy(numbers))
