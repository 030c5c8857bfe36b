"""A module as a user writes one, which diverges where its learning rate is absurd."""

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

Batch = tuple[Tensor, Tensor]


class Net(LightningModule):
    """Batch-norm and dropout between two layers, trained by SGD.

    Args:
        hidden: Units.
        dropout: The probability to drop one.
        learning_rate: 1e30 and the loss is no number after a few steps.
        n_inputs: Values of a row.
        n_classes: Outputs.
    """

    def __init__(
        self, *, hidden: int, dropout: float, learning_rate: float, n_inputs: int, n_classes: int
    ) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(n_inputs, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, n_classes),
        )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss."""
        del batch_idx
        return cross_entropy(self.layers(batch[0]), batch[1])

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss."""
        del batch_idx
        self.log("val_loss", cross_entropy(self.layers(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make the optimizer."""
        return torch.optim.SGD(self.parameters(), lr=self.learning_rate, momentum=0.9)
