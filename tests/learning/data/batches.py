"""CIFAR-10 in small: batches as Python 2 pickled them, and an archive of them."""

import gzip
import hashlib
import io
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.learning.data.catalogue import CIFAR10, DataSet, KnownFile

N_ROWS = 20
N_INPUTS = 3 * 32 * 32


def pixels(number: int) -> npt.NDArray[np.uint8]:
    """A batch's rows: all reds, then all greens, then all blues of an image."""
    generator = np.random.default_rng(number)
    return generator.integers(0, 256, (N_ROWS, N_INPUTS), dtype=np.uint8)


def batch(number: int) -> bytes:
    """Pickle a batch as the original's are: protocol 2, text and bytes alike, an old NumPy's names.

    Labels go round the ten classes.
    """
    labels = b"".join(b"K" + bytes([row % 10]) for row in range(N_ROWS))
    shape = b"K\x01" + _whole(N_ROWS) + _whole(N_INPUTS) + b"\x86"
    kind = b"cnumpy\ndtype\n" + _text(b"u1") + b"K\x00K\x01\x87R"
    kind += b"(K\x03" + _text(b"|") + b"NNN" + _whole(-1) * 2 + b"K\x00tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + _text(b"b")
    data = made + b"\x87R(" + shape + kind + b"\x89" + _text(pixels(number).tobytes()) + b"tb"
    named = _text(b"labels") + b"](" + labels + b"e" + _text(b"data") + data
    return b"\x80\x02}(" + _text(b"batch_label") + _text(b"a batch") + named + b"u."


def small_cifar10(contents: list[bytes]) -> DataSet:
    """The catalogue's entry of a set with these six batches."""
    origin = CIFAR10.download
    assert origin.archive is not None
    files = tuple(
        KnownFile(file.name, hashlib.md5(content, usedforsecurity=False).hexdigest())
        for file, content in zip(origin.files, contents, strict=True)
    )
    md5 = hashlib.md5(archive(contents), usedforsecurity=False).hexdigest()
    small = replace(origin, files=files, archive=replace(origin.archive, md5=md5))
    return replace(CIFAR10, origin=small, n_train=5 * N_ROWS, n_test=N_ROWS)


def write_batches(root: Path, contents: list[bytes]) -> Path:
    """Put the six batches where torchvision unpacks them to."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    for name, content in zip(names, contents, strict=True):
        (folder / name).write_bytes(content)
    return folder


def archive(contents: list[bytes]) -> bytes:
    """Pack the six batches, in another order than they are read in."""
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in sorted(zip(names, contents, strict=True), reverse=True):
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def _text(content: bytes) -> bytes:
    return b"T" + struct.pack("<i", len(content)) + content


def _whole(number: int) -> bytes:
    return b"J" + struct.pack("<i", number)
