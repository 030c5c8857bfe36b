"""Small images such as a user would keep in a folder."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.config import DataConfig
from pipeline.learning.data import PreparedData, locate, prepare

GENERATOR = np.random.default_rng(0)
GREY = GENERATOR.integers(0, 256, (6, 4, 5), dtype=np.uint8)
COLOUR = GENERATOR.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)


def save(path: Path, pixels: npt.NDArray[Any], mode: str | None = None) -> Path:
    """Write an image; a mode that the pixels do not have is converted to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path)
    return path


def leave(folder: Path, target: str) -> None:
    """Put a link among the cats."""
    (folder / "cat" / "link.png").symlink_to(target)


def prepared_images(folder: Path, cache: Path, **values: Any) -> PreparedData:
    """The set as a study would have it."""
    document = {"name": "image-folder", "path": str(folder)} | values
    config = DataConfig.model_validate(document)
    return prepare(locate(config, None, cache=cache), cache=cache)
