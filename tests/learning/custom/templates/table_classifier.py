"""An MLP for tables with a list of widths, as examples of tabular learning write it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

Batch = dict[str, Tensor]


def make_mlp(
    n_inputs: int, widths: Sequence[int], *, dropout: float, activation: str, use_batch_norm: bool
) -> nn.Sequential:
    """Hidden layers of the given widths."""
    layers: list[nn.Module] = []
    for before, width in pairwise([n_inputs, *widths]):
        layers.append(nn.Linear(before, width))
        if use_batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers += [getattr(nn, activation)(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


class TableClassifier(pl.LightningModule):
    """A collection of metrics, class weights, a cosine schedule."""

    def __init__(  # noqa: PLR0913 - as such modules are written
        self,
        num_features: int,
        num_classes: int,
        hidden_dims: Sequence[int] = (64, 32),
        dropout: float = 0.1,
        activation: str = "ReLU",
        *,
        use_batch_norm: bool = True,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        """Build the layers."""
        super().__init__()
        self.save_hyperparameters()
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.backbone = make_mlp(
            num_features,
            hidden_dims,
            dropout=dropout,
            activation=activation,
            use_batch_norm=use_batch_norm,
        )
        self.head = nn.Linear(hidden_dims[-1], num_classes)
        weights = None if class_weights is None else torch.tensor(class_weights)
        self.loss = nn.CrossEntropyLoss(weight=weights)
        metrics = MetricCollection(
            [
                MulticlassAccuracy(num_classes),
                MulticlassF1Score(num_classes),
            ]
        )
        self.train_metrics = metrics.clone(prefix="train_")
        self.val_metrics = metrics.clone(prefix="val_")

    def forward(self, batch: Batch) -> Tensor:
        """Compute logits."""
        logits: Tensor = self.head(self.backbone(batch["continuous"]))
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Give more than the loss."""
        del batch_idx
        logits = self(batch)
        loss = self.loss(logits, batch["target"])
        self.train_metrics(logits.detach(), batch["target"])
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        self.log_dict(self.train_metrics, on_step=False, on_epoch=True)
        return {"loss": loss, "logits": logits.detach()}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log loss and metrics."""
        del batch_idx
        logits = self(batch)
        self.val_metrics(logits, batch["target"])
        self.log("val_loss", self.loss(logits, batch["target"]), prog_bar=True)
        self.log_dict(self.val_metrics, on_epoch=True)

    def configure_optimizers(self) -> Any:
        """Anneal over the epochs, as a pair of lists."""
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )
        epochs = self.trainer.max_epochs or 1
        return [optimizer], [CosineAnnealingLR(optimizer, T_max=epochs)]
