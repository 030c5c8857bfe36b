"""A module and a data module as today's templates write them, with all from ``lightning``."""

from typing import Any

import lightning as L  # noqa: N812 - as its documents write it
import torch
from lightning.fabric.utilities.seed import seed_everything
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.utilities import grad_norm
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset

from torchmetrics import MeanMetric  # isort: skip
from torchmetrics.classification import MulticlassAccuracy  # isort: skip

Batch = tuple[Tensor, Tensor]


class Classifier(L.LightningModule):
    """Metrics as objects, a one-cycle schedule, a callback of its own, saved hyperparameters."""

    def __init__(
        self, hidden: int = 16, dropout: float = 0.2, lr: float = 0.01, n_classes: int = 3
    ) -> None:
        """Build the layers."""
        super().__init__()
        self.save_hyperparameters()
        del lr  # it is read from the hyperparameters
        self.net = nn.Sequential(
            nn.LazyLinear(hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, n_classes)
        )
        self.train_loss = MeanMetric()
        self.val_acc = MulticlassAccuracy(n_classes, average="micro")

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Log a metric object."""
        del batch_idx
        loss = cross_entropy(self.net(batch[0].flatten(1)), batch[1])
        self.train_loss(loss)
        self.log("train_loss", self.train_loss, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Measure the gradients with a function of Lightning's."""
        del optimizer
        self.log_dict(grad_norm(self.net, norm_type=2))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log what decides, and a metric object."""
        del batch_idx
        logits = self.net(batch[0].flatten(1))
        self.val_acc(logits, batch[1])
        self.log("val_loss", cross_entropy(logits, batch[1]))
        self.log("val_accuracy", self.val_acc, on_step=False, on_epoch=True)

    def configure_callbacks(self) -> list[Callback]:
        """Add a stock callback."""
        return [EarlyStopping("val_loss", patience=50)]

    def configure_optimizers(self) -> Any:
        """Step a schedule once a batch."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams["lr"])
        n_steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=n_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class Twin(LightningModule):
    """Derives from the name in ``lightning.pytorch``."""


class Clouds(L.LightningDataModule):
    """Three clouds of points."""

    n_classes = 3

    def setup(self, stage: str) -> None:
        """Draw them."""
        del stage
        seed_everything(5, workers=False)
        labels = torch.arange(90) % 3
        points = torch.randn(90, 4) + labels[:, None]
        self.parts = (
            TensorDataset(points[:60], labels[:60]),
            TensorDataset(points[60:], labels[60:]),
        )

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Shuffle."""
        return DataLoader(self.parts[0], batch_size=20, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Do not shuffle."""
        return DataLoader(self.parts[1], batch_size=30)
