"""A table as examples of tabular learning load it: batches are maps of columns."""

import pytorch_lightning as pl
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Row = dict[str, Tensor]


class Table(Dataset[Row]):
    """Rows of continuous columns and a target."""

    def __init__(self, continuous: Tensor, target: Tensor) -> None:
        """Keep the columns."""
        self.continuous, self.target = continuous, target

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.target)

    def __getitem__(self, index: int) -> Row:
        """Give a row."""
        return {"continuous": self.continuous[index], "target": self.target[index]}


class TableDataModule(pl.LightningDataModule):
    """Wines by what is in them, scaled by the training rows."""

    def __init__(
        self,
        batch_size: int = 32,
        validation_split: float = 0.2,
        test_split: float = 0.2,
        seed: int = 42,
    ) -> None:
        """Keep the settings."""
        super().__init__()
        self.batch_size, self.seed = batch_size, seed
        self.validation_split, self.test_split = validation_split, test_split

    def setup(self, stage: str) -> None:
        """Split all parts at once, whatever the stage."""
        del stage
        x, y = load_wine(return_X_y=True)
        x_rest, x_test, y_rest, y_test = train_test_split(
            x, y, test_size=self.test_split, random_state=self.seed, stratify=y
        )
        x_train, x_val, y_train, y_val = train_test_split(
            x_rest, y_rest, test_size=self.validation_split, random_state=self.seed, stratify=y_rest
        )
        scaler = StandardScaler().fit(x_train)

        def table(rows: object, labels: object) -> Table:
            columns = torch.as_tensor(scaler.transform(rows), dtype=torch.float32)
            return Table(columns, torch.as_tensor(labels))

        self.train, self.val = table(x_train, y_train), table(x_val, y_val)
        self.test = table(x_test, y_test)

    def train_dataloader(self) -> DataLoader[Row]:
        """Leave out what does not fill a batch."""
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True, drop_last=True)

    def val_dataloader(self) -> DataLoader[Row]:
        """Keep the order."""
        return DataLoader(self.val, batch_size=self.batch_size)

    def test_dataloader(self) -> DataLoader[Row]:
        """Keep the order."""
        return DataLoader(self.test, batch_size=self.batch_size)
