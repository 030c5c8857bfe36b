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
