"""Where a data set's files lie, and where its decoded arrays lie: the records that travel."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a data set's files were found.

    Attributes:
        name: The data set's name in the study file.
        files: In the catalogue's order, or the user's one file or folder; none where the set
            has to be downloaded.
        image_size: Pixels a side to which a folder's images are brought; ``None``: as they are.
        looked_at: What was looked at in vain, a phrase for each place.
    """

    name: str
    files: tuple[Path, ...]
    image_size: int | None = None
    looked_at: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_here(self) -> bool:
        """Whether the files are on this machine; if not, preparing the set downloads them."""
        return bool(self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedData:
    """A data set decoded once a machine; workers map its arrays instead of copying them.

    Attributes:
        source: What was decoded.
        folder: Where the arrays lie, as ``.npy`` files.
        sha256: Over the whole content of all parts, however the source was packed.
        image_shape: (H, W), or (3, H, W) of colour, or (n_inputs,) of rows that are no images.
        scale: What values are divided by: the largest pixel there can be (255 or 16); 1.0 where
            the set holds floats.
        n_train: Rows of the training part, from which validation is split.
        n_test: Rows of the set's own test part; 0 where it has none.
    """

    source: Source
    folder: Path
    sha256: str
    n_classes: int
    image_shape: tuple[int, ...]
    scale: float
    n_train: int
    n_test: int

    @property
    def name(self) -> str:
        """The data set's name in the study file."""
        return self.source.name
