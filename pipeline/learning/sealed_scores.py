"""Scores on the test part: the one place in learning that opens it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Any, NamedTuple

import torch
from safetensors.torch import load
from torch import Tensor

from pipeline.config import TrialConfig
from pipeline.learning.arithmetic import arithmetic
from pipeline.learning.cohort.rows import Rows, Scores, SplitTensors, evaluate
from pipeline.learning.cohort.stack import score_rows
from pipeline.learning.custom.datamodule import (
    CustomData,
    arguments_of,
    module_arguments,
    open_module,
)
from pipeline.learning.custom.load import networks_of
from pipeline.learning.custom.loaders import DataArguments, in_order, row_arguments
from pipeline.learning.custom.training import build_model, expected_of_loaders, make_trainer
from pipeline.learning.data import PreparedData, open_train, splits
from pipeline.learning.data.sealed import open_test
from pipeline.learning.modules.build import build_network
from pipeline.learning.modules.network import weights_by_fold
from pipeline.learning.provenance import resolve_device


class SealedScores(NamedTuple):
    """What weights score on rows that neither trained nor chose them; of folds, the means.

    Attributes:
        loss: The measure of ``val_loss``.
        accuracy: ``None`` where the model has none.
    """

    loss: float
    accuracy: float | None


def score_on_test(
    trained: Sequence[tuple[TrialConfig, bytes]], data: PreparedData | CustomData
) -> list[SealedScores]:
    """Open a study's test part once and score weights on it, dropout off.

    Args:
        trained: Settings of one study, each with its weights file.
        data: The study's data set, or the user's own.

    Raises:
        BadInputError: The study keeps no test rows, or the data is damaged.
    """
    if isinstance(data, CustomData):
        return [_sealed(score_custom_data(config, weights)) for config, weights in trained]
    rows = _open(trained[0][0], data)
    return [score(config, weights, rows, data) for config, weights in trained]


def score(config: TrialConfig, weights: bytes, rows: Rows, data: PreparedData) -> SealedScores:
    """Score a weights file on rows, by the arithmetic that scores validation rows.

    Args:
        config: The trial that was trained.
        weights: Its safetensors file; it holds a network, or one for each fold.
        rows: The rows.
        data: Says what a row looks like.
    """
    with arithmetic(config.training.threads):
        if config.model.class_path is not None:
            return _sealed(score_custom(config, data, weights, rows))
        return _sealed(
            _mean(
                _score_network(config, tensors, rows, data)
                for tensors in weights_by_fold(load(weights)).values()
            )
        )


def _mean(scores: Iterable[Scores]) -> Scores:
    """Over folds."""
    losses, accuracies = zip(*scores, strict=True)
    return fmean(losses), fmean(accuracies)


def _sealed(scores: Scores) -> SealedScores:
    loss, accuracy = scores
    return SealedScores(loss, None if math.isnan(accuracy) else accuracy)


def _score_network(
    config: TrialConfig, tensors: Mapping[str, Tensor], rows: Rows, data: PreparedData
) -> Scores:
    """Score a trial's network, or that of a fold, dropout off."""
    network = build_network(config, image_shape=data.image_shape, n_classes=data.n_classes)
    network.load_state_dict(tensors)
    device = torch.device(resolve_device(config.training.device))
    score_batch = partial(score_rows, network.to(device), config.training.precision)
    return evaluate(score_batch, rows.to(device))[0]


def _open(config: TrialConfig, data: PreparedData) -> Rows:
    seed = config.seeds["split"]
    _, labels = open_train(data)
    parts = splits(labels, config.data, n_own_test=data.n_test, seed=seed)
    images, labels = open_test(data, config.data, parts=parts[0], seed=seed)
    tensors = torch.from_numpy(images).flatten(1), torch.from_numpy(labels)
    return Rows(*tensors, torch.arange(labels.size), data.scale)


def score_custom(config: TrialConfig, data: PreparedData, weights: bytes, rows: Rows) -> Scores:
    """Score a user's module on rows of built-in data by its ``validation_step``.

    Args:
        config: The trial.
        data: The data set that the rows are of.
        weights: A safetensors file.
        rows: The rows.

    Returns:
        The ``val_loss`` and ``val_accuracy`` that the module logs; NaN where it logs none.
    """
    parts = SplitTensors(rows, rows, rows, image_shape=data.image_shape, n_classes=data.n_classes)
    arguments = {"dataloaders": in_order(rows, data.image_shape)}
    return _validate(config, row_arguments(parts), weights, arguments)


def score_custom_data(config: TrialConfig, weights: bytes) -> Scores:
    """Score a trial on the ``test_dataloader`` of the user's own data module.

    Its ``setup`` is called under the study's split seed, for ``fit`` and then for ``test``.
    """
    path = str(config.data.class_path)
    module = open_module(path, arguments_of(config), seed=config.seeds["split"])
    module.setup("test")
    of_data = module_arguments(module, path)
    arguments = {"dataloaders": module.test_dataloader()}
    return _validate(config, of_data, weights, arguments)


def _validate(
    config: TrialConfig, of_data: DataArguments, weights: bytes, arguments: dict[str, Any]
) -> Scores:
    networks = networks_of(config, weights).values()
    return _mean(_validate_one(config, of_data, tensors, arguments) for tensors in networks)


def _validate_one(
    config: TrialConfig,
    of_data: DataArguments,
    tensors: Mapping[str, Tensor],
    arguments: dict[str, Any],
) -> Scores:
    model = build_model(config, of_data)
    model.load_state_dict(tensors)
    with expected_of_loaders():
        (scores,) = make_trainer(config.training).validate(model, verbose=False, **arguments)
    return tuple(float(scores.get(name, math.nan)) for name in ("val_loss", "val_accuracy"))  # type: ignore[return-value]
