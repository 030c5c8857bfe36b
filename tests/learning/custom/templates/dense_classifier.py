"""A classifier as lightning-hydra-template has it: network, optimizer and schedule are given."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MaxMetric, MeanMetric
from torchmetrics.classification.accuracy import Accuracy

Batch = tuple[Tensor, Tensor]


class DenseNet(nn.Module):
    """Two hidden layers with batch-norm."""

    def __init__(
        self,
        input_size: int = 64,
        lin1_size: int = 64,
        lin2_size: int = 32,
        output_size: int = 10,
        dropout: float = 0.0,
    ) -> None:
        """Stack the layers."""
        super().__init__()
        self.model = nn.Sequential(
            *(nn.Linear(input_size, lin1_size), nn.BatchNorm1d(lin1_size), nn.ReLU()),
            nn.Dropout(dropout),
            *(nn.Linear(lin1_size, lin2_size), nn.BatchNorm1d(lin2_size), nn.ReLU()),
            nn.Dropout(dropout),
            nn.Linear(lin2_size, output_size),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits of images."""
        logits: Tensor = self.model(x.view(x.size(0), -1))
        return logits


class DenseClassifier(LightningModule):
    """Trains a network that it is given, with metrics as objects."""

    def __init__(
        self,
        net: nn.Module,
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[..., LRScheduler] | None,
        *,
        compile: bool,  # noqa: A002 - the template's name
        num_classes: int = 10,
    ) -> None:
        """Keep the parts."""
        super().__init__()
        self.save_hyperparameters(logger=False)
        del optimizer, scheduler, compile  # they are read from the hyperparameters
        self.net = net
        self.criterion = nn.CrossEntropyLoss()
        self.train_acc = Accuracy(task="multiclass", num_classes=num_classes)
        self.val_acc = Accuracy(task="multiclass", num_classes=num_classes)
        self.test_acc = Accuracy(task="multiclass", num_classes=num_classes)
        self.train_loss = MeanMetric()
        self.val_loss = MeanMetric()
        self.test_loss = MeanMetric()
        self.val_acc_best = MaxMetric()

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits."""
        logits: Tensor = self.net(x)
        return logits

    def on_train_start(self) -> None:
        """Forget what a sanity check has put into the metrics."""
        self.val_loss.reset()
        self.val_acc.reset()
        self.val_acc_best.reset()

    def model_step(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Compute loss, predictions and targets of a batch."""
        x, y = batch
        logits = self.forward(x)
        return self.criterion(logits, y), torch.argmax(logits, dim=1), y

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Log by epoch."""
        del batch_idx
        loss, preds, targets = self.model_step(batch)
        self.train_loss(loss)
        self.train_acc(preds, targets)
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("train/acc", self.train_acc, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log by epoch."""
        del batch_idx
        loss, preds, targets = self.model_step(batch)
        self.val_loss(loss)
        self.val_acc(preds, targets)
        self.log("val/loss", self.val_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("val/acc", self.val_acc, on_step=False, on_epoch=True, prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        """Log the best accuracy so far."""
        self.val_acc_best(self.val_acc.compute())
        best = self.val_acc_best.compute()
        self.log("val/acc_best", best, sync_dist=True, prog_bar=True)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log by epoch."""
        del batch_idx
        loss, preds, targets = self.model_step(batch)
        self.test_loss(loss)
        self.test_acc(preds, targets)
        self.log("test/loss", self.test_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("test/acc", self.test_acc, on_step=False, on_epoch=True, prog_bar=True)

    def setup(self, stage: str) -> None:
        """Compile the network if that is asked for."""
        if self.hparams["compile"] and stage == "fit":
            self.net = torch.compile(self.net)  # type: ignore[assignment]

    def configure_optimizers(self) -> Any:
        """Complete the optimizer and the schedule."""
        optimizer = self.hparams["optimizer"](params=self._trained())
        if self.hparams["scheduler"] is None:
            return {"optimizer": optimizer}
        scheduler = self.hparams["scheduler"](optimizer=optimizer)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": scheduler,
                "monitor": "val/loss",
                "interval": "epoch",
                "frequency": 1,
            },
        }

    def _trained(self) -> Iterator[nn.Parameter]:
        return self.trainer.model.parameters()  # type: ignore[union-attr]
