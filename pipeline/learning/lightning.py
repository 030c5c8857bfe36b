"""Lightning's names, imported only once torchvision can be.

Lightning imports torchmetrics, that imports torchvision, and torchvision's wheel is built for CUDA:
beside a CPU build of torch its import fails (see ``torchvision_ops``).
"""

import logging

from pipeline.learning.torchvision_ops import ensure_torchvision

ensure_torchvision()

from pytorch_lightning import LightningModule, Trainer  # noqa: E402 - only possible from here on

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

__all__ = ["LightningModule", "Trainer"]
