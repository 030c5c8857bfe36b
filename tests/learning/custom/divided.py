"""Data modules whose rows can, or cannot, be divided anew."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

from pipeline.learning.lightning import LightningDataModule

N_TRAINING, N_VALIDATION = 60, 30
LABELS = torch.arange(N_TRAINING + N_VALIDATION) % 3
ROWS = torch.randn(len(LABELS), 8, generator=torch.Generator().manual_seed(1)) + LABELS[:, None]
"""A row can be told by its numbers."""


class Divided(LightningDataModule):
    """Two sets of tensors, as a file of each part gives them."""

    n_classes = 3

    def setup(self, stage: str) -> None:
        """Make the two sets."""
        assert stage == "fit"
        self.training: Any = TensorDataset(ROWS[:N_TRAINING], LABELS[:N_TRAINING])
        self.validation: Any = TensorDataset(ROWS[N_TRAINING:], LABELS[N_TRAINING:])

    def train_dataloader(self) -> Any:
        """Shuffle."""
        return DataLoader(self.training, batch_size=10, shuffle=True)

    def val_dataloader(self) -> Any:
        """Keep the order."""
        return DataLoader(self.validation, batch_size=15)


class Transformed(Dataset[Any]):
    """Rows that are changed when they are asked for."""

    def __init__(self, noise: float = 0.0) -> None:
        """Remember how."""
        self.noise = noise

    def __len__(self) -> int:
        """Count the rows."""
        return len(ROWS)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """Change a row."""
        return ROWS[number] + self.noise, LABELS[number]


class Nested(Divided):
    """Parts of a part of one data set."""

    def setup(self, stage: str) -> None:
        """Divide twice."""
        del stage
        most = Subset(Transformed(), range(10, 90))
        self.training, self.validation = Subset(most, range(40)), Subset(most, range(40, 80))


class Apart(Divided):
    """Only what trains is changed at random: its validation rows are another data set's."""

    def setup(self, stage: str) -> None:
        """Make a set of each."""
        del stage
        self.training = Subset(Transformed(noise=0.1), range(N_TRAINING))
        self.validation = Subset(Transformed(), range(N_TRAINING, 90))


class OtherShapes(Divided):
    """Tensors of another shape where it validates."""

    def setup(self, stage: str) -> None:
        """Cut a column off."""
        super().setup(stage)
        self.validation = TensorDataset(ROWS[N_TRAINING:, 1:], LABELS[N_TRAINING:])


class Overlapping(Divided):
    """Validates on rows that it trains on."""

    def setup(self, stage: str) -> None:
        """Overlap by a row."""
        del stage
        rows = Transformed()
        self.training, self.validation = Subset(rows, range(31)), Subset(rows, range(30, 60))


class Several(Divided):
    """Validates on two loaders."""

    def val_dataloader(self) -> Any:
        """Give both."""
        return [super().val_dataloader(), super().val_dataloader()]


class Batches(Divided):
    """Yields tensors that are there, as many do for small data."""

    def train_dataloader(self) -> Any:
        """Give a list of batches."""
        return [(ROWS[:N_TRAINING], LABELS[:N_TRAINING])]


class Weighted(Divided):
    """Draws rows by their weights."""

    def train_dataloader(self) -> Any:
        """Draw."""
        sampler = WeightedRandomSampler([1.0] * N_TRAINING, N_TRAINING)
        return DataLoader(self.training, batch_size=10, sampler=sampler)


class Replacing(Divided):
    """Draws some rows twice."""

    def train_dataloader(self) -> Any:
        """Draw with replacement."""
        sampler = RandomSampler(self.training, replacement=True)
        return DataLoader(self.training, batch_size=10, sampler=sampler)


class Few(Divided):
    """Draws a part of the rows in each epoch."""

    def train_dataloader(self) -> Any:
        """Draw half of them."""
        sampler = RandomSampler(self.training, num_samples=N_TRAINING // 2)
        return DataLoader(self.training, batch_size=10, sampler=sampler)


class Buckets(BatchSampler):
    """Batches of its own."""


class Bucketed(Divided):
    """Puts batches together itself."""

    def train_dataloader(self) -> Any:
        """Give a batch sampler."""
        order = SequentialSampler(self.training)
        return DataLoader(self.training, batch_sampler=Buckets(order, 10, drop_last=False))


class Unbatched(Divided):
    """Its data set gives whole batches."""

    def train_dataloader(self) -> Any:
        """Batch nothing."""
        return DataLoader(self.training, batch_size=None)


class Endless(IterableDataset[Any]):
    """Rows one after another."""

    def __iter__(self) -> Iterator[Any]:
        """Go through them."""
        return iter(zip(ROWS, LABELS, strict=True))


class Streaming(Divided):
    """Trains on a stream."""

    def train_dataloader(self) -> Any:
        """Stream."""
        return DataLoader(Endless(), batch_size=10)


class OwnLoader(DataLoader[Any]):
    """Might do anything."""


class Loading(Divided):
    """Has a loader of its own kind."""

    def train_dataloader(self) -> Any:
        """Use it."""
        return OwnLoader(self.training, batch_size=10)


class Broken(Divided):
    """Cannot be set up."""

    def setup(self, stage: str) -> None:
        """Raise."""
        del stage
        message = "no such disk"
        raise OSError(message)
