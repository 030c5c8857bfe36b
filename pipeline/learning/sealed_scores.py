"""Scores on the test part: the one place in learning that opens it."""

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from statistics import fmean
from typing import Any, Final, Literal

import torch
from safetensors.torch import load
from torch import Tensor

from pipeline.config import TrialConfig, label_of
from pipeline.errors import DropoutSearchError, WorkFailedError
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
from pipeline.learning.custom.logged import loss_in, sealed_metrics
from pipeline.learning.custom.training import build_model, expected_of_loaders, make_trainer
from pipeline.learning.data import PreparedData, open_train, splits
from pipeline.learning.data.labels import unscaled_labels
from pipeline.learning.data.sealed import open_test
from pipeline.learning.failures import describe_user_failure
from pipeline.learning.lightning import LightningModule
from pipeline.learning.modules.build import build_network
from pipeline.learning.modules.network import weights_by_fold
from pipeline.learning.provenance import resolve_device
from pipeline.trial import SealedScores, shared_scores

NO_TEST_STEP: Final = LightningModule.test_step


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
        return [score_custom_data(config, weights) for config, weights in trained]
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
            return score_custom(config, data, weights, rows)
        found = [
            _score_network(config, tensors, rows, data)
            for tensors in weights_by_fold(load(weights)).values()
        ]
    return _sealed(Scores(*map(fmean, zip(*found, strict=True))))


def _sealed(scores: Scores) -> SealedScores:
    accuracy = None if math.isnan(scores.accuracy) else scores.accuracy
    metrics = {f"test_{name}": score for name, score in scores.of_targets.items()}
    return SealedScores(scores.loss, accuracy, metrics)


def _score_network(
    config: TrialConfig, tensors: Mapping[str, Tensor], rows: Rows, data: PreparedData
) -> Scores:
    """Score a trial's network, or that of a fold, dropout off."""
    labels = unscaled_labels(data.n_classes, data.n_targets)
    network = build_network(config, image_shape=data.image_shape, labels=labels)
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
    return Rows(*tensors, torch.arange(len(labels)), data.scale)


def score_custom(
    config: TrialConfig, data: PreparedData, weights: bytes, rows: Rows
) -> SealedScores:
    """Score a user's module on rows of built-in data: see ``_score_module``.

    Args:
        config: The trial.
        data: The data set that the rows are of.
        weights: A safetensors file.
        rows: The rows.
    """
    labels = unscaled_labels(data.n_classes, data.n_targets)
    parts = SplitTensors(rows, rows, rows, image_shape=data.image_shape, labels=labels)
    return _score_module(
        config, row_arguments(parts), weights, lambda: in_order(rows, data.image_shape)
    )


def score_custom_data(config: TrialConfig, weights: bytes) -> SealedScores:
    """Score a trial on the ``test_dataloader`` of the user's own data module.

    Its ``setup`` is called under the study's split seed, for ``fit`` and then for ``test``.
    """
    path = str(config.data.class_path)
    with _explained(config):
        module = open_module(path, arguments_of(config), seed=config.seeds["split"])
        module.setup("test")
        of_data = module_arguments(module, path)
    return _score_module(config, of_data, weights, module.test_dataloader)


def _score_module(
    config: TrialConfig, of_data: DataArguments, weights: bytes, loader: Callable[[], Any]
) -> SealedScores:
    """Score a user's module, or the means over those of a trial's folds.

    ``val_loss`` (or the objective, see ``loss_in``) and ``val_accuracy`` are what
    ``validation_step`` logs of the rows. All else is of ``test_step``; a module that defines none
    is not asked for more than it is validated by.

    Args:
        config: The trial.
        of_data: What the data gives a module's constructor.
        weights: A safetensors file.
        loader: Gives the rows' loader.

    Raises:
        WorkFailedError: The user's code raises.
    """
    found = []
    with _explained(config):
        for tensors in networks_of(config, weights).values():
            validated = _run(config, of_data, tensors, "validate", loader())
            has_test = type(build_model(config, of_data)).test_step is not NO_TEST_STEP
            tested = _run(config, of_data, tensors, "test", loader()) if has_test else validated
            found.append((validated, sealed_metrics(tested, is_tested=has_test)))
    losses = [loss_in(validated, config.objective) for validated, _ in found]
    accuracies = [validated.get("val_accuracy", math.nan) for validated, _ in found]
    shared = shared_scores([metrics for _, metrics in found])
    means = {name: fmean(values) for name, values in shared.items()}
    return _sealed(Scores(fmean(losses), fmean(accuracies)))._replace(metrics=means)


def _run(
    config: TrialConfig,
    of_data: DataArguments,
    tensors: Mapping[str, Tensor],
    verb: Literal["validate", "test"],
    loader: Any,
) -> dict[str, float]:
    """What a module logs of a loader's rows, by name; of several loaders, of each."""
    model = build_model(config, of_data)
    model.load_state_dict(tensors)
    trainer = make_trainer(config.training)
    with expected_of_loaders():
        getattr(trainer, verb)(model, dataloaders=loader, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


@contextmanager
def _explained(config: TrialConfig) -> Iterator[None]:
    """Say whose code raises; what it prints is not this command's answer."""
    paths = [path for path in (config.model.class_path, config.data.class_path) if path]
    try:
        with redirect_stdout(sys.stderr):
            yield
    except DropoutSearchError:
        raise
    except (Exception, SystemExit) as error:  # a user's code may raise anything
        what = describe_user_failure(error, *paths)
        message = f"{label_of(config.shown_number)} cannot be scored on the test part: {what}"
        raise WorkFailedError(message) from error
