"""Score a trained trial on its test rows; only what confirms a study may import this module."""

import math
from typing import Any

from safetensors.torch import load

from pipeline.config import TrialConfig
from pipeline.learning.cohort.rows import Rows, Scores, SplitTensors
from pipeline.learning.data import PreparedData
from pipeline.learning.own.content import open_module
from pipeline.learning.own.feeds import Known
from pipeline.learning.own.models import build_model
from pipeline.learning.own.module_feed import knowledge_of
from pipeline.learning.own.row_feed import in_order, known_of
from pipeline.learning.own.trainers import expected_of_loaders, make_trainer


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
    return _validate(config, known_of(parts), weights, feed)


def evaluate_own_data(config: TrialConfig, weights: bytes) -> Scores:
    """Score a trial on the ``test_dataloader`` of the user's own data module.

    Its ``setup`` is called under the study's split seed, for ``fit`` and then for ``test``.
    """
    path = str(config.data.class_path)
    module = open_module(path, config.params, seed=config.seeds["split"])
    module.setup("test")
    known = knowledge_of(module, path)
    feed = {"dataloaders": module.test_dataloader()}
    return _validate(config, known, weights, feed)


def _validate(config: TrialConfig, known: Known, weights: bytes, feed: dict[str, Any]) -> Scores:
    model = build_model(config, known)
    model.load_state_dict(load(weights))
    with expected_of_loaders():
        (scores,) = make_trainer(config.training).validate(model, verbose=False, **feed)
    return tuple(float(scores.get(name, math.nan)) for name in ("val_loss", "val_accuracy"))  # type: ignore[return-value]
