"""Lightning's names, imported only once torchvision can be.

Lightning imports torchmetrics, that imports torchvision, and torchvision's wheel is built for CUDA:
beside a CPU build of torch its import fails (see ``torchvision_ops``).
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.learning.torchvision_ops import ensure_torchvision

ensure_torchvision()

import lightning_fabric  # noqa: E402 - only possible from here on
import pytorch_lightning  # noqa: E402
from pytorch_lightning import (  # noqa: E402
    LightningDataModule,
    LightningModule,
    Trainer,
)
from pytorch_lightning.callbacks import Callback, Checkpoint  # noqa: E402
from pytorch_lightning.loggers.logger import DummyLogger  # noqa: E402
from pytorch_lightning.plugins.io import CheckpointIO  # noqa: E402
from pytorch_lightning.utilities.exceptions import _TunerExitException  # noqa: E402
from pytorch_lightning.utilities.seed import isolate_rng  # noqa: E402

__all__ = [
    "Callback",
    "Checkpoint",
    "CheckpointIO",
    "DummyLogger",
    "LightningDataModule",
    "LightningModule",
    "Trainer",
    "_TunerExitException",
    "expected_warnings",
    "isolate_rng",
    "lightning_fabric",
    "pytorch_lightning",
]


@contextmanager
def expected_warnings() -> Iterator[None]:
    """Silence what a ``Trainer`` says of itself and of what is meant, and nothing else."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)  # for a study's own Trainers, not for those of a user
    try:
        with warnings.catch_warnings():
            # Lightning 2.6 asks torch 2.13 for a tree's leaves in the old way (its _pytree.py).
            warnings.filterwarnings("ignore", r".*treespec, LeafSpec", category=FutureWarning)
            # A study may say `device: cpu` on a machine that has more.
            warnings.filterwarnings("ignore", "GPU available but not used")
            yield
    finally:
        logger.setLevel(level)
