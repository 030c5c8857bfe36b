"""Modules and data modules as a user might write them, most of them awkward in one way."""

import os
import sys
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Adam, Optimizer
from torch.utils.data import DataLoader, TensorDataset, random_split

from pipeline.learning.lightning import LightningDataModule, LightningModule

from torchmetrics.classification import MulticlassAccuracy  # isort: skip

Batch = tuple[Tensor, Tensor]


class Plain(LightningModule):
    """Batch-norm, dropout, an own optimizer with a schedule."""

    def __init__(
        self, hidden: int = 16, dropout: float = 0.3, *, n_inputs: int = 64, n_classes: int = 10
    ) -> None:
        """Build the layers."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(n_inputs, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, n_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Compute logits."""
        logits: Tensor = self.layers(images)
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Log the training's scores."""
        del batch_idx
        images, labels = batch
        logits = self(images)
        loss = functional.cross_entropy(logits, labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        accuracy = (logits.argmax(1) == labels).float().mean()
        self.log("train_accuracy", accuracy, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the validation's scores."""
        del batch_idx
        images, labels = batch
        logits = self(images)
        self.log("val_loss", functional.cross_entropy(logits, labels))
        self.log("val_accuracy", (logits.argmax(1) == labels).float().mean())

    def configure_optimizers(self) -> Any:
        """Halve the rate after each epoch."""
        optimizer = SGD(self.parameters(), lr=0.2, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)]


class Quiet(Plain):
    """Returns its training loss and logs no score of the training."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Log nothing."""
        del batch_idx
        return functional.cross_entropy(self(batch[0]), batch[1])


class Silent(Plain):
    """Forgets to log what decides."""

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log nothing."""


class ByHand(Plain):
    """Steps its optimizers itself, and returns nothing."""

    def __init__(self, hidden: int = 16) -> None:
        """Switch automatic optimization off."""
        super().__init__(hidden)
        self.automatic_optimization = False

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Take one step."""
        optimizer = self.optimizers()
        loss = super().training_step(batch, batch_idx)
        assert loss is not None
        optimizer.zero_grad()  # type: ignore[union-attr]
        self.manual_backward(loss)
        optimizer.step()  # type: ignore[union-attr]

    def configure_optimizers(self) -> Optimizer:
        """Keep one rate."""
        return Adam(self.parameters(), lr=0.01)


class NoisyValidation(Plain):
    """Draws random numbers while it validates."""

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Blur the images first."""
        images, labels = batch
        super().validation_step((images + 0.1 * torch.randn_like(images), labels), batch_idx)


class WithMetric(Plain):
    """Logs a metric object, as Lightning recommends."""

    def __init__(self, hidden: int = 16) -> None:
        """Make the metric."""
        super().__init__(hidden)
        self.accuracy = MulticlassAccuracy(10, average="micro")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the metric in place of its value."""
        del batch_idx
        logits = self(batch[0])
        self.accuracy(logits, batch[1])
        self.log("val_loss", functional.cross_entropy(logits, batch[1]))
        self.log("val_accuracy", self.accuracy, on_step=False, on_epoch=True)


class NotCopied(Plain):
    """Keeps a generator, which deepcopy refuses."""

    def on_train_epoch_start(self) -> None:
        """Keep it."""
        self.squares = (number**2 for number in range(3))


class KeepingLoss(Plain):
    """Keeps a tensor of its graph, as metric objects do."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Keep the loss."""
        self.last = super().training_step(batch, batch_idx)
        return self.last


class OtherNames(Plain):
    """Logs what templates log: no ``val_loss`` at all."""

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log loss and accuracy by other names."""
        del batch_idx
        logits = self(batch[0])
        self.log("val/loss", functional.cross_entropy(logits, batch[1]))
        self.log("val/acc", (logits.argmax(1) == batch[1]).float().mean())


class Tied(Plain):
    """Two names for one weight."""

    def __init__(self, hidden: int = 16) -> None:
        """Tie a second layer to the first."""
        super().__init__(hidden)
        self.again = nn.Linear(64, hidden)
        self.again.weight = self.layers[1].weight  # type: ignore[assignment]


class WithNotes(Plain):
    """Its state holds something that is no tensor."""

    def get_extra_state(self) -> Any:
        """Give a dictionary."""
        return {"notes": "many"}


class Raising(Plain):
    """Raises in its second epoch."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Divide by zero."""
        if self.current_epoch == 1:
            self.divide()
        return super().training_step(batch, batch_idx)

    def divide(self) -> float:
        """Raise."""
        return 1 / (self.current_epoch - 1)


class Leaving(Plain):
    """Asks the whole process to end."""

    def on_train_epoch_end(self) -> None:
        """Exit."""
        sys.exit("enough")


class Deadly(Plain):
    """Takes its process along, as a fault in compiled code does."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Die."""
        del batch, batch_idx
        os._exit(9)


class Interrupting(Plain):
    """Behaves as if somebody had pressed Ctrl-C."""

    def on_train_epoch_end(self) -> None:
        """Interrupt."""
        raise KeyboardInterrupt


class Contented(Plain):
    """Stops its own training after two epochs."""

    def on_train_epoch_end(self) -> None:
        """Stop."""
        self.trainer.should_stop = self.current_epoch == 1


class Diverging(Plain):
    """Its loss is not finite after the first epoch."""

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log an infinite loss."""
        del batch, batch_idx
        self.log("val_loss", torch.tensor(float("inf") if self.current_epoch else 1.0))


class Worsening(Plain):
    """Its validation loss rises from epoch to epoch."""

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the epoch."""
        del batch, batch_idx
        self.log("val_loss", float(self.current_epoch + 1))


class LateLogging(Plain):
    """Logs the training loss in its own hook at the epoch's end."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Log nothing."""
        del batch_idx
        return functional.cross_entropy(self(batch[0]), batch[1])

    def on_train_epoch_end(self) -> None:
        """Log a number that is known."""
        self.log("train_loss", 42.0)


class Branching(Plain):
    """Does for some rows what it does not for others: no program can hold that."""

    def forward(self, images: Tensor) -> Tensor:
        """Ask the rows."""
        logits: Tensor = self.layers(images)
        return logits if images.sum() > 1 else -logits


class TwoOutputs(Plain):
    """Gives more than logits where it is not trained."""

    def forward(self, images: Tensor) -> Any:
        """Compute logits, and count the rows."""
        logits: Tensor = self.layers(images)
        return logits if torch.is_grad_enabled() else (logits, len(images))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the validation's scores."""
        del batch_idx
        images, labels = batch
        self.log("val_loss", functional.cross_entropy(self(images)[0], labels))


class Blobs(LightningDataModule):
    """Two hundred points about four centres."""

    n_classes = 4
    size: tuple[int, ...] = (8,)

    def __init__(self, batch_size: int = 20, spread: float = 1.0) -> None:
        """Remember how the points are to lie."""
        super().__init__()
        self.batch_size = batch_size
        self.spread = spread

    def setup(self, stage: str) -> None:
        """Draw the points, always the same, and split them at random."""
        generator = torch.Generator().manual_seed(1)
        labels = torch.arange(200) % 4
        noise = torch.randn(200, 8, generator=generator)
        points = self.spread * noise + functional.one_hot(labels, 8) * 3.0
        assert stage in {"fit", "test"}
        rows = points.reshape(-1, *self.size)
        self.parts = random_split(TensorDataset(rows, labels), [120, 50, 30])

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffle."""
        return DataLoader(self.parts[0], batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Keep the order."""
        return DataLoader(self.parts[1], batch_size=25)

    def test_dataloader(self) -> DataLoader[Any]:
        """Keep the order."""
        return DataLoader(self.parts[2], batch_size=30)


class Pictures(Blobs):
    """The same points as images of 2 x 4 pixels."""

    size = (1, 2, 4)


class Sealed(Blobs):
    """Its test rows must not be asked for."""

    def setup(self, stage: str) -> None:
        """Allow fitting only."""
        assert stage == "fit"
        super().setup(stage)

    def test_dataloader(self) -> DataLoader[Any]:
        """Raise."""
        raise AssertionError


class Untested(Blobs):
    """Has no test rows."""

    test_dataloader = LightningDataModule.test_dataloader


class Nameless(Blobs):
    """Does not say how many classes there are."""

    n_classes = property()


class Unprepared(Blobs):
    """Cannot be prepared."""

    def prepare_data(self) -> None:
        """Raise."""
        message = "the disk is elsewhere"
        raise OSError(message)


class Elsewhere(Blobs):
    """Reads its rows from a file that is on another machine, when they are asked for."""

    def train_dataloader(self) -> DataLoader[Any]:
        """Raise."""
        torch.load("rows.pt", weights_only=True)
        return super().train_dataloader()


class Takes(Plain):
    """Takes whatever is given."""

    def __init__(self, **anything: Any) -> None:
        """Keep it."""
        super().__init__()
        self.anything = anything


class Needing(Plain):
    """Cannot do without an argument."""

    def __init__(self, hidden: int, n_classes: int) -> None:
        """Take it."""
        super().__init__(hidden, n_classes=n_classes)


class NoModule:
    """Derives from nothing."""

    def __init__(self) -> None:
        """Tell on who constructs it."""
        raise AssertionError


A_NUMBER = 3
