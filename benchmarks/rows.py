"""The rows that every peer trains on: this project's split, written once and read by all."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

FILE: Final = "rows.npz"
N_CLASSES: Final = 10
"""Of every data set here."""

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Images, float32 [n, pixels] in [0, 1], and labels, int64 [n], of each part.

    The probe is the fixed part of the training rows that is scored with dropout off.
    """

    train_images: Images
    train_labels: Labels
    validation_images: Images
    validation_labels: Labels
    probe_images: Images
    probe_labels: Labels

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what ``write_rows`` wrote."""
        with np.load(folder / FILE) as file:
            scale = file["scale"]
            parts = {field.name: file[field.name] for field in fields(cls)}
        images = {
            name: part.astype(np.float32) / scale
            for name, part in parts.items()
            if name.endswith("images")
        }
        return cls(**parts | images)

    @property
    def n_inputs(self) -> int:
        """Pixels of an image."""
        return int(self.train_images.shape[1])


def write_rows(folder: Path, *, data: Mapping[str, Any], data_dir: Path | None, seed: int) -> None:
    """Split a data set as a study does, and write its parts.

    Args:
        folder: Where the file goes.
        data: A study file's ``data`` section.
        data_dir: Where data sets lie, in torchvision's layout.
        seed: The study's.
    """
    from pipeline.config import DataConfig, derive_seed
    from pipeline.learning.data import locate, open_train, prepare, splits

    config = DataConfig.model_validate(data)
    prepared = prepare(locate(config, data_dir, cache=folder), cache=folder)
    images, labels = open_train(prepared)
    parts = splits(labels, config, n_own_test=prepared.n_test, seed=derive_seed(seed, "split"))[0]
    flat = images.reshape(len(images), -1)
    numbers = {"train": parts.train, "validation": parts.validation, "probe": parts.train_probe}
    part_images = {f"{name}_images": flat[rows] for name, rows in numbers.items()}
    part_labels = {f"{name}_labels": labels[rows] for name, rows in numbers.items()}
    np.savez(folder / FILE, scale=np.float32(prepared.scale), **part_images, **part_labels)  # type: ignore[arg-type]
