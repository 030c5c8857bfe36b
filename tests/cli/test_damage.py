"""Files that time and disks have damaged: one error that names the file, and nothing changed."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.cli.typed import STUDY, TypeIn


def torn_mnist() -> str:
    """MNIST whose test labels end too early."""
    raw = Path("data/MNIST/raw")
    raw.mkdir(parents=True)
    for stem in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (raw / f"{stem}-ubyte.gz").write_bytes(gzip.compress(bytes(10_000))[:-20])
    return "ubyte.gz: got "


def torn_npz() -> str:
    """An npz file that ends too early."""
    images, labels = np.zeros((40, 8, 8), np.uint8), np.arange(40) % 4
    np.savez("set.npz", x_train=images, y_train=labels)
    content = Path("set.npz").read_bytes()
    Path("set.npz").write_bytes(content[: len(content) // 2])
    return "set.npz: damaged, or not written by NumPy"


def torn_image() -> str:
    """A folder of images, one of them damaged."""
    for label in ("cat", "dog"):
        Path("images", label).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(Path("images", label, f"{number}.png"))
    path = Path("images/dog/7.png")
    path.write_bytes(path.read_bytes()[:40])
    return "dog/7.png: cannot be decoded as PNG"


@pytest.mark.parametrize(
    ("data", "damage"),
    [
        pytest.param({"name": "mnist"}, torn_mnist, id="mnist"),
        pytest.param({"name": "npz", "path": "set.npz"}, torn_npz, id="npz"),
        pytest.param(
            {"name": "image-folder", "path": "images", "image_size": 8}, torn_image, id="images"
        ),
    ],
)
def test_run_names_a_damaged_data_file(
    data: dict[str, object], damage: Callable[[], str], type_in: TypeIn
) -> None:
    Path("data").mkdir()
    words = damage()
    Path("study.yaml").write_text(yaml.safe_dump(STUDY | {"data": data}), encoding="utf-8")
    answer = type_in("run", "study.yaml", "--data-dir", "data")
    answer.refuses(words)


@pytest.mark.parametrize("command", ["run study.yaml", "show small", "list"])
def test_commands_name_a_damaged_journal(command: str, type_in: TypeIn) -> None:
    Path("study.yaml").write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    Path("mlruns").mkdir()
    Path("mlruns/optuna.journal").write_bytes(b'{"op_code":0}\ngarbage\n{"op_code":0}\n')
    answer = type_in(*command.split())
    answer.refuses("optuna.journal: got a file that cannot be read (line 2 is damaged)")
