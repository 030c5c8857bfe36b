"""Digits as Lightning's tutorials have MNIST: prepared once, split at random, loaded by workers."""

from pathlib import Path

import numpy as np
from lightning import LightningDataModule
from sklearn.datasets import load_digits
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, random_split
from torchvision import transforms

Sample = tuple[Tensor, int]


class Digits(Dataset[Sample]):
    """The small digits in a file; the last 297 are the test part."""

    def __init__(
        self, root: str, *, train: bool, transform: transforms.Compose, download: bool = False
    ) -> None:
        """Read a part; with ``download`` make the file where it is missing."""
        path = Path(root) / "digits.npz"
        if download and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            bunch = load_digits()
            np.savez(path, images=bunch.images.astype(np.uint8), labels=bunch.target)
        with np.load(path) as arrays:
            part = slice(0, 1_500) if train else slice(1_500, None)
            self.images, self.labels = arrays["images"][part], arrays["labels"][part]
        self.transform = transform

    def __len__(self) -> int:
        """Count the images."""
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        """Give an image and its class."""
        return self.transform(self.images[index]), int(self.labels[index])


class DigitsDataModule(LightningDataModule):
    """The digits, normalised."""

    def __init__(
        self,
        data_dir: str = "data/",
        batch_size: int = 64,
        num_workers: int = 0,
        *,
        pin_memory: bool = False,
    ) -> None:
        """Keep the settings."""
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.data_dir = data_dir
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((0.019,), (0.0236,))]
        )

    @property
    def num_classes(self) -> int:
        """Ten."""
        return 10

    def prepare_data(self) -> None:
        """Make the file."""
        Digits(self.data_dir, train=True, transform=self.transform, download=True)

    def setup(self, stage: str | None = None) -> None:
        """Split the training part at random."""
        if stage == "fit" or stage is None:
            full = Digits(self.data_dir, train=True, transform=self.transform)
            self.digits_train, self.digits_val = random_split(full, [1_200, 300])
        if stage == "test" or stage is None:
            self.digits_test = Digits(self.data_dir, train=False, transform=self.transform)

    def train_dataloader(self) -> DataLoader[Sample]:
        """Shuffle."""
        return self._loader(self.digits_train, shuffle=True)

    def val_dataloader(self) -> DataLoader[Sample]:
        """Keep the order."""
        return self._loader(self.digits_val)

    def test_dataloader(self) -> DataLoader[Sample]:
        """Keep the order."""
        return self._loader(self.digits_test)

    def _loader(self, part: Dataset[Sample], *, shuffle: bool = False) -> DataLoader[Sample]:
        return DataLoader(
            part,
            batch_size=self.batch_size,
            shuffle=shuffle,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
        )
