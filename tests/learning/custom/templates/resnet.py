"""A residual network with a one-cycle schedule, as in Lightning's tutorial on CIFAR10."""

from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody writes it
from torch.optim.lr_scheduler import OneCycleLR
from torchmetrics.classification import MulticlassAccuracy
from torchvision.models.resnet import BasicBlock

Batch = tuple[Tensor, Tensor]


def create_model(width: int = 8) -> nn.Module:
    """A narrow ResNet for small grey images."""
    stem = (nn.Conv2d(1, width, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(width))
    blocks = (BasicBlock(width, width), BasicBlock(width, width))
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))
    return nn.Sequential(*stem, nn.ReLU(), *blocks, *head)


class LitResnet(LightningModule):
    """Log-probabilities, SGD, and a learning rate that changes with each step."""

    def __init__(self, lr: float = 0.05, weight_decay: float = 5e-4) -> None:
        """Build the network."""
        super().__init__()
        self.save_hyperparameters()
        del lr, weight_decay  # they are read from the hyperparameters
        self.model = create_model()
        self.accuracies = nn.ModuleDict(
            {stage: MulticlassAccuracy(10, average="micro") for stage in ("on_val", "on_test")}
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute log-probabilities."""
        return F.log_softmax(self.model(x), dim=1)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Log by step."""
        del batch_idx
        x, y = batch
        loss = F.nll_loss(self(x), y)
        self.log("train_loss", loss)
        return loss

    def evaluate(self, batch: Batch, stage: str) -> None:
        """Log loss and accuracy under the name of a stage."""
        x, y = batch
        logits = self(x)
        accuracy: Any = self.accuracies[f"on_{stage}"]
        accuracy(logits, y)
        self.log(f"{stage}_loss", F.nll_loss(logits, y), prog_bar=True)
        self.log(f"{stage}_acc", accuracy, on_epoch=True, prog_bar=True)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Evaluate."""
        del batch_idx
        self.evaluate(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Evaluate."""
        del batch_idx
        self.evaluate(batch, "test")

    def configure_optimizers(self) -> Any:
        """Step the schedule once a batch."""
        optimizer = torch.optim.SGD(
            self.parameters(),
            lr=self.hparams["lr"],
            momentum=0.9,
            weight_decay=self.hparams["weight_decay"],
        )
        n_steps = int(self.trainer.estimated_stepping_batches)
        scheduler = OneCycleLR(optimizer, max_lr=self.hparams["lr"], total_steps=n_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }
