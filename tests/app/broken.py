"""A network of the user's own with a mistake in it."""

import os

from torch import Tensor

from tests.learning.custom.modules import Batch, Plain


class Broken(Plain):
    """Raises in its second step, each time in other words, until it is mended."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Raise."""
        if batch_idx and "MENDED" not in os.environ:
            message = f"no layer at {id(batch):#x}"
            raise ValueError(message)
        return super().training_step(batch, batch_idx)


class Narrow(Plain):
    """Takes no more than 32 hidden units, and says so in its first step."""

    def __init__(self, hidden: int = 16) -> None:
        """Build the layers."""
        super().__init__(hidden)
        self.hidden = hidden

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Raise where it is too wide."""
        if self.hidden > 32:
            message = f"{self.hidden} units are too many"
            raise ValueError(message)
        return super().training_step(batch, batch_idx)
