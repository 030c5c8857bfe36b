"""Scores on the test part: the one place in learning that opens it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import Any, NamedTuple

import torch
from safetensors.torch import load
from torch import Tensor

from pipeline.config import TrialConfig
from pipeline.learning.cohort.rows import EVALUATION_ROWS, Rows, RowScores, Scores, SplitTensors
from pipeline.learning.custom.datamodule import CustomData, module_arguments, open_module
from pipeline.learning.custom.loaders import DataArguments, in_order, row_arguments
from pipeline.learning.custom.trainer import build_model, expected_of_loaders, make_trainer
from pipeline.learning.data import PreparedData, open_train, splits
from pipeline.learning.data.sealed import open_test
from pipeline.learning.modules.build import Network, build_network
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
        return [_sealed(evaluate_own_data(config, weights)) for config, weights in trained]
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
    device = torch.device(resolve_device(config.training.device))
    with _arithmetic(config.training.threads):
        if config.model.class_path is not None:
            return _sealed(evaluate(config, data, weights, rows))
        found = [
            _evaluate(network.to(device), rows.to(device), config)
            for network in load_networks(config, weights, data)
        ]
    losses, accuracies = zip(*found, strict=True)
    return _sealed((fmean(losses), fmean(accuracies)))


def _sealed(scores: Scores) -> SealedScores:
    loss, accuracy = scores
    return SealedScores(loss, None if math.isnan(accuracy) else accuracy)


def load_networks(config: TrialConfig, weights: bytes, data: PreparedData) -> Iterator[Network]:
    """Build a trial's network, or that of each fold, with its weights put in and dropout off."""
    for tensors in _by_fold(load(weights), config.data.folds or 0):
        network = build_network(config, image_shape=data.image_shape, n_classes=data.n_classes)
        network.load_state_dict(tensors)
        network.eval()
        yield network


def _by_fold(tensors: Mapping[str, Tensor], n_folds: int) -> list[dict[str, Tensor]]:
    """Subset the file's tensors by the fold that they are named for."""
    prefixes = [f"fold_{1 + fold}." for fold in range(n_folds)] or [""]
    return [
        {
            name.removeprefix(prefix): value
            for name, value in tensors.items()
            if name.startswith(prefix)
        }
        for prefix in prefixes
    ]


@torch.no_grad()
def _evaluate(network: Network, rows: Rows, config: TrialConfig) -> Scores:
    scores = RowScores()
    is_mixed = config.training.precision == "bf16-mixed"
    precision = torch.autocast(rows.numbers.device.type, torch.bfloat16, enabled=is_mixed)
    for numbers in torch.split(rows.numbers, EVALUATION_ROWS):
        images, labels = rows.take(numbers)
        with precision:
            outputs = network(images)
        losses = network.objective.losses(outputs, images, labels)
        right = network.objective.right(outputs, labels)
        scores.add(losses.unsqueeze(0), None if right is None else right.unsqueeze(0))
    return scores.take()[0]


def _open(config: TrialConfig, data: PreparedData) -> Rows:
    seed = config.seeds["split"]
    _, labels = open_train(data)
    parts = splits(labels, config.data, n_own_test=data.n_test, seed=seed)
    images, labels = open_test(data, config.data, parts=parts[0], seed=seed)
    tensors = torch.from_numpy(images).flatten(1), torch.from_numpy(labels)
    return Rows(*tensors, torch.arange(labels.size), data.scale)


@contextmanager
def _arithmetic(threads: int) -> Iterator[None]:
    """Compute as a worker does; the process has its own settings back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)


def evaluate(config: TrialConfig, data: PreparedData, weights: bytes, rows: Rows) -> Scores:
    """Score an own module on rows of built-in data by its own ``validation_step``.

    Args:
        config: The trial.
        data: The data set that the rows are of.
        weights: A safetensors file.
        rows: The rows.

    Returns:
        The ``val_loss`` and ``val_accuracy`` that the module logs; NaN where it logs none.
    """
    parts = SplitTensors(rows, rows, rows, image_shape=data.image_shape, n_classes=data.n_classes)
    feed = {"dataloaders": in_order(rows, data.image_shape)}
    return _validate(config, row_arguments(parts), weights, feed)


def evaluate_own_data(config: TrialConfig, weights: bytes) -> Scores:
    """Score a trial on the ``test_dataloader`` of the user's own data module.

    Its ``setup`` is called under the study's split seed, for ``fit`` and then for ``test``.
    """
    path = str(config.data.class_path)
    module = open_module(path, config.params, seed=config.seeds["split"])
    module.setup("test")
    known = module_arguments(module, path)
    feed = {"dataloaders": module.test_dataloader()}
    return _validate(config, known, weights, feed)


def _validate(
    config: TrialConfig, known: DataArguments, weights: bytes, feed: dict[str, Any]
) -> Scores:
    model = build_model(config, known)
    model.load_state_dict(load(weights))
    with expected_of_loaders():
        (scores,) = make_trainer(config.training).validate(model, verbose=False, **feed)
    return tuple(float(scores.get(name, math.nan)) for name in ("val_loss", "val_accuracy"))  # type: ignore[return-value]
