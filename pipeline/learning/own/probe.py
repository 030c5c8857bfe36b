"""Score a module on a fixed part of the training rows without disturbing its training."""

import copy
import math
from collections.abc import Mapping
from typing import Any

from pytorch_lightning.utilities.seed import isolate_rng

from pipeline.learning.lightning import LightningModule, Trainer


class Probe:
    """Validates a copy of the module in a Trainer of its own.

    The copy's ``validation_step`` runs with every layer in eval mode. The module that is trained,
    its Trainer, its metrics and the random generators are left as they are. The score is one curve
    more and never worth a trial: what cannot be copied or scored so has none.

    Args:
        trainer: For nothing else.
        feed: The arguments of ``Trainer.validate``; ``None``: there is nothing to score.
    """

    def __init__(self, trainer: Trainer, feed: Mapping[str, Any] | None) -> None:
        """Score nothing yet."""
        self._trainer = trainer
        self._feed = feed

    def loss(self, module: LightningModule) -> float:
        """The ``val_loss`` that the module logs on the probe; NaN where there is none."""
        if self._feed is None:
            return math.nan
        try:
            return self._score(copy.deepcopy(module), self._feed)
        except Exception:  # noqa: BLE001 - the same step has just passed where it decides
            self._feed = None
            return math.nan

    def _score(self, twin: LightningModule, feed: Mapping[str, Any]) -> float:
        with isolate_rng():
            (scores,) = self._trainer.validate(twin, verbose=False, **feed)
        return float(scores.get("val_loss", math.nan))
