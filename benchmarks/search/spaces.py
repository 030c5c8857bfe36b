"""The spaces of the live studies, and the rows that a study's choices are trained on again."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.search.plan import EPOCHS, PATIENCE, SPACES
from pipeline.config import DataConfig, StudyConfig

ROOT: Final = Path(__file__).parents[2]
DEMO: Final = ROOT / "studies" / "mnist_5k_mlp.yaml"

N_ROWS: Final = 5_000
"""As many as ``mnist-5k`` has."""
ROWS_SEED: Final = 5_000
N_OTHER: Final = 20_000
"""Rows that no study has seen, of which each seed takes its own."""
OTHER_PARTS: Final = {"test": 13_600, "validation": 3_200}
"""They leave 3,200 training rows, as a study has; more validation rows make a better yardstick."""

Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, kw_only=True)
class LiveSpace:
    """A space that is searched by training.

    Attributes:
        document: A study file's sections but ``name``, ``data`` and ``search``.
        rows: Makes the ``data`` section of the studies.
        other_rows: Makes that of the yardstick.
    """

    name: str
    document: Mapping[str, Any]
    rows: "DataOf"
    other_rows: "DataOf"

    def study(self, data: Mapping[str, Any], **search: Any) -> StudyConfig:
        """The study file of a search of this space."""
        name = {"name": self.name}
        return StudyConfig.model_validate(
            {**name, "data": dict(data), **self.document, "search": search}
        )


@dataclass(frozen=True)
class Folders:
    """Where data sets are found, and where files of chosen rows are written."""

    data_dir: Path | None
    work: Path


DataOf = Callable[[Folders], dict[str, Any]]


def demo_document() -> dict[str, Any]:
    """The README's study without its fixed trial."""
    from pipeline.config.yaml import parse, read_text

    document = parse(read_text(DEMO), str(DEMO))
    assert isinstance(document, dict)
    training = {"epochs": EPOCHS, "early_stopping": {"patience": PATIENCE}, "device": "cpu"}
    return {"model": document["model"], "space": document["space"], "training": training}


CNN: Final = {
    "model": {"name": "cnn"},
    "space": {
        "blocks": {"low": 1, "high": 2},
        "filters": {"choices": [4, 8, 16]},
        "block_dropout": {"low": 0.0, "high": 0.5, "per_layer": True},
        "width": {"choices": [16, 32, 64, 128]},
        "dropout": {"low": 0.0, "high": 0.6},
        "batch_size": {"choices": [32, 64, 128]},
        "learning_rate": {"low": 1.0e-4, "high": 1.0e-2, "log": True},
        "weight_decay": {"low": 1.0e-5, "high": 1.0e-1, "log": True},
    },
    "training": {
        "epochs": EPOCHS,
        "early_stopping": {"patience": PATIENCE},
        "device": "cpu",
    },
}
"""Nine parameters, the dropout rate of the second block among them."""


def mnist_5k(_folders: Folders) -> dict[str, Any]:
    """The demo's rows."""
    return {"name": "mnist-5k", "validation": 0.2}


def other_mnist(folders: Folders) -> dict[str, Any]:
    """Training rows of MNIST that are not in mnist-5k."""

    def write() -> Arrays:
        known = set(_bytes_of(_training_part(folders, "mnist-5k")["x_train"]))
        rows = _training_part(folders, "mnist")
        is_new = [image not in known for image in _bytes_of(rows["x_train"])]
        return _choose(rows, np.flatnonzero(is_new), N_OTHER)

    return _npz(folders, "mnist-other", write) | OTHER_PARTS


def fashion_5k(folders: Folders) -> dict[str, Any]:
    """Five thousand training rows of Fashion-MNIST."""

    def write() -> Arrays:
        rows = _training_part(folders, "fashion-mnist")
        return _choose(rows, np.arange(len(rows["y_train"])), N_ROWS)

    return _npz(folders, "fashion-5k", write) | {"validation": 0.2}


def other_fashion(folders: Folders) -> dict[str, Any]:
    """Training rows of Fashion-MNIST that are not among the five thousand."""

    def write() -> Arrays:
        rows = _training_part(folders, "fashion-mnist")
        return _choose(rows, np.arange(len(rows["y_train"])), N_OTHER, after=N_ROWS)

    return _npz(folders, "fashion-other", write) | OTHER_PARTS


def digits(_folders: Folders) -> dict[str, Any]:
    """All of the small digits; the yardstick splits them otherwise."""
    return {"name": "digits", "test": 0, "validation": 0.3}


LIVE: Final = {
    space.name: space
    for space in (
        LiveSpace(
            name="mnist-5k-mlp", document=demo_document(), rows=mnist_5k, other_rows=other_mnist
        ),
        LiveSpace(
            name="fashion-5k-mlp",
            document=demo_document(),
            rows=fashion_5k,
            other_rows=other_fashion,
        ),
        LiveSpace(name="digits-cnn", document=CNN, rows=digits, other_rows=digits),
    )
}


def add_live_options(parser: argparse.ArgumentParser) -> None:
    """Describe the options of whatever trains on these spaces."""
    add = parser.add_argument
    add("--spaces", nargs="+", choices=LIVE, default=list(SPACES))
    add("--workers", type=int, default=1, metavar="N")
    add("--data-dir", type=Path, help="folder of data sets in torchvision's layout")
    add("--out", type=Path, required=True, metavar="FOLDER", help="of studies and results")


def _training_part(folders: Folders, name: str) -> Arrays:
    from pipeline.learning.data import locate, open_train, prepare

    source = locate(DataConfig.model_validate({"name": name}), folders.data_dir, cache=folders.work)
    images, labels = open_train(prepare(source, cache=folders.work))
    return {"x_train": images, "y_train": labels}


def _bytes_of(images: npt.NDArray[np.generic]) -> list[bytes]:
    return [image.tobytes() for image in images.astype(np.uint8)]


def _choose(rows: Arrays, among: npt.NDArray[np.int64], n: int, *, after: int = 0) -> Arrays:
    """Take rows in an order that depends on a fixed seed alone."""
    order = np.random.default_rng(ROWS_SEED).permutation(among)
    chosen = np.sort(order[after : after + n])
    return {name: array[chosen] for name, array in rows.items()}


def _npz(folders: Folders, name: str, make: Callable[[], Arrays]) -> dict[str, Any]:
    """Write a file of rows once, and name it in a ``data`` section."""
    path = (folders.work / f"{name}.npz").absolute()
    if not path.exists():
        folders.work.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        np.savez_compressed(partial, **make())  # type: ignore[arg-type]
        partial.rename(path)
    return {"name": "npz", "path": str(path)}
