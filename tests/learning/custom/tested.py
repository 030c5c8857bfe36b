"""Modules that say more of the test part than their loss."""

import sys

import torch
from torch import Tensor

from tests.learning.custom.modules import Batch, Plain


class Tested(Plain):
    """Logs scores of its own in ``test_step``, by names of its own."""

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log what its user wants to know, and print."""
        del batch_idx
        print("testing")  # noqa: T201 - as users do
        right = (self(batch[0]).argmax(1) == batch[1]).float()
        self.log("test/error", 1 - right.mean())
        self.log("test_loss", right.sum() * 0 + 7.0)
        self.log("twice", right.mean(), on_step=True, on_epoch=True)
        self.log("broken", torch.tensor(float("nan")))
        self.log("../outside", right.mean())


class Validated(Plain):
    """Has no ``test_step``; its validation says more than the loss."""

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log one score more."""
        super().validation_step(batch, batch_idx)
        self.log("val_error", (self(batch[0]).argmax(1) != batch[1]).float().mean())


class Failing(Plain):
    """Cannot be tested."""

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Raise."""
        del batch, batch_idx
        message = "no such metric"
        raise LookupError(message)


class Gone(Plain):
    """Leaves where it is tested."""

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Exit."""
        del batch, batch_idx
        sys.exit("enough")
