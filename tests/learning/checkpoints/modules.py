"""Modules and data modules that remember something, each in another way."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingWarmRestarts,
    LambdaLR,
    OneCycleLR,
    ReduceLROnPlateau,
)
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassAccuracy

from pipeline.learning.lightning import LightningModule, Trainer
from tests.learning.custom.modules import Batch, Blobs, ByHand, Plain


class Plateau(Plain):
    """Its rate follows what was logged."""

    def configure_optimizers(self) -> Any:
        """Halve the rate wherever the loss does not fall."""
        optimizer = AdamW(self.parameters(), lr=0.05, amsgrad=True)
        plateau = ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=0.5)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"},
        }


class OneCycle(Plain):
    """Changes its rate at each step."""

    def configure_optimizers(self) -> Any:
        """Use a schedule of steps."""
        optimizer = Adam(self.parameters(), lr=0.01)
        n_steps = int(self.trainer.estimated_stepping_batches)
        cycle = OneCycleLR(optimizer, max_lr=0.05, total_steps=n_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": cycle, "interval": "step"},
        }


class Warmth(Plain):
    """Two schedules: one by a function, one by warm restarts."""

    def configure_optimizers(self) -> Any:
        """Chain them on one optimizer."""
        optimizer = SGD(self.parameters(), lr=0.1, momentum=0.9, nesterov=True)
        schedules = [
            LambdaLR(optimizer, lambda epoch: 0.9**epoch),
            CosineAnnealingWarmRestarts(optimizer, T_0=2),
        ]
        return [optimizer], schedules


class Remembering(Plain):
    """Keeps what its training depends on in plain attributes, which no state_dict holds."""

    def __init__(self, hidden: int = 16) -> None:
        """Start warm and with an empty memory."""
        super().__init__(hidden)
        self.temperature = 1.0
        self.mean_logits: list[Tensor] = []
        self.seen = {"steps": 0, "losses": [0.0]}
        self.register_buffer("drift", torch.zeros(10), persistent=False)
        self.watched = [self.layers[1], self.layers[1].weight]
        self.drift: Tensor

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Let the memory count in the loss."""
        del batch_idx
        images, labels = batch
        past = sum(self.mean_logits[-3:], torch.zeros(10))
        logits = self(images) / self.temperature + 0.1 * past + self.drift
        self.mean_logits.append(logits.detach().mean(0))
        self.seen["steps"] += 1  # type: ignore[operator]
        self.drift.add_(0.001 * self.mean_logits[-1])
        loss = functional.cross_entropy(logits, labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def on_train_epoch_start(self) -> None:
        """Make an attribute that is not there before the first epoch."""
        self.factor = 0.9 - 0.1 * self.current_epoch

    def on_train_epoch_end(self) -> None:
        """Cool down, and remember that."""
        self.temperature *= self.factor
        self.seen["last"] = self.temperature

    def on_train_start(self) -> None:
        """Draw, so that chances move before the first epoch."""
        self.temperature += float(torch.rand(())) * 0.01


class Saving(Plain):
    """Puts what it remembers into its checkpoint, as Lightning asks."""

    def __init__(self, hidden: int = 16) -> None:
        """Start warm."""
        super().__init__(hidden)
        self.temperature = 1.0

    def forward(self, images: Tensor) -> Tensor:
        """Let the memory count."""
        return super().forward(images) / self.temperature

    def on_train_epoch_end(self) -> None:
        """Cool down."""
        self.temperature *= 0.8

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the temperature, and draw, which must not disturb the training."""
        torch.rand(3)
        checkpoint["temperature"] = self.temperature

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Load the temperature."""
        self.temperature = checkpoint["temperature"]


class Unfreezing(Plain):
    """Trains its first layer from the second epoch on, and puts its batch-norm to rest."""

    def on_fit_start(self) -> None:
        """Freeze."""
        self.layers[1].requires_grad_(requires_grad=False)

    def on_train_epoch_start(self) -> None:
        """Unfreeze at the second epoch alone."""
        if self.current_epoch == 1:
            self.layers[1].requires_grad_(requires_grad=True)
            self.layers[2].eval()


class Accumulating(ByHand):
    """Steps its optimizers itself, one of them with gradients of several epochs."""

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Step one each time, and the other at every seventh batch."""
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        first, second = optimizers
        loss = Plain.training_step(self, batch, batch_idx)
        assert loss is not None
        self.manual_backward(loss)
        first.step()
        first.zero_grad()
        if self.global_step % 7 == 0:
            second.step()
            second.zero_grad()

    def configure_optimizers(self) -> Any:
        """Give each half of the layers an optimizer."""
        weights = list(self.parameters())
        return [Adam(weights[:2], lr=0.01), SGD(weights[2:], lr=0.05, momentum=0.9)]


class Measured(Plain):
    """Measures with torchmetrics, and ends where its own callback says."""

    def __init__(self, hidden: int = 16) -> None:
        """Make the metric."""
        super().__init__(hidden)
        self.accuracy = MulticlassAccuracy(10)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Measure over all epochs, without a reset."""
        self.accuracy.update(self(batch[0]), batch[1])
        loss = super().training_step(batch, batch_idx)
        assert loss is not None
        return loss * self.accuracy.compute()

    def configure_callbacks(self) -> Sequence[Callback]:
        """Stop early, and count."""
        return [EarlyStopping("val_loss", patience=1, min_delta=0.4), Growing()]


class Growing(Callback):
    """Lets the rate grow with what it counted."""

    def __init__(self) -> None:
        """Start small."""
        self.factor = 1.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Grow."""
        del pl_module
        self.factor *= 1.1
        for group in trainer.optimizers[0].param_groups:
            group["lr"] *= self.factor


class Counting(Plain):
    """Holds an iterator, whose place cannot be read."""

    def __init__(self, hidden: int = 16) -> None:
        """Count from nought."""
        super().__init__(hidden)
        self.steps = count()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Count."""
        loss = super().training_step(batch, batch_idx)
        assert loss is not None
        return loss / (1 + next(self.steps))


class Growth(Plain):
    """Gets a layer in its second epoch, so a new one cannot be brought into its state."""

    def __init__(self, hidden: int = 16) -> None:
        """Have an empty place."""
        super().__init__(hidden)
        self.more = nn.ModuleList()

    def on_train_epoch_start(self) -> None:
        """Grow once."""
        if self.current_epoch == 1:
            self.more.append(nn.Linear(2, 2))

    def configure_optimizers(self) -> Optimizer:
        """Keep one rate."""
        return SGD(self.parameters(), lr=0.1)


class OwnOrder(Blobs):
    """Shuffles by a generator of its own."""

    def train_dataloader(self) -> DataLoader[Any]:
        """Hand a generator over."""
        generator = torch.Generator().manual_seed(5)
        return DataLoader(self.parts[0], batch_size=20, shuffle=True, generator=generator)
