"""Decode a data set once a machine; every later start checks what lies in the cache."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import WorkFailedError
from pipeline.learning.data.arrays import intact_meta, open_part, write_arrays
from pipeline.learning.data.catalogue import Part
from pipeline.learning.data.decoding import (
    check_unchanged,
    decode,
    digests,
    folder_name,
    scale_of,
)
from pipeline.learning.data.meta import Fingerprint, Meta
from pipeline.learning.data.records import PreparedData, Source


def prepare(source: Source, *, cache: Path) -> PreparedData:
    """Make a set's arrays ready to be mapped: download, decode, check.

    Any number of processes may do so at once. Nothing is written before the files are known to
    be sound. A set's own test part is written with the rest, but not opened again here.

    Args:
        source: Where the files are, from ``locate``.
        cache: The project's folder for decoded data; made where it does not exist.

    Raises:
        BadInputError: A file is damaged, or the download failed.
        WorkFailedError: The cache cannot be written.
    """
    here = source if source.is_here else _downloaded(source, cache)
    folder = cache.absolute() / "data" / folder_name(here, digests(here))
    meta = intact_meta(folder, parts=("train",)) or store(here, folder, parts=("train",))
    return _prepared(here, folder, meta=meta)


def store(source: Source, folder: Path, *, parts: tuple[Part, ...]) -> Meta:
    """Decode a set into a folder, unless another process has just done so.

    Args:
        source: Files that are on this machine.
        folder: Where the arrays go; one process at a time writes below its parent.
        parts: What must be intact for the writing to be left out.

    Raises:
        BadInputError: A file is damaged, or is not what it was when the folder was named.
        WorkFailedError: The folder cannot be written.
    """
    arrays = decode(source)
    sources = digests(source)
    check_unchanged(source, sources, name=folder.name)
    meta = Meta(
        name=source.name,
        n_classes=int(arrays["train-labels"].max()) + 1,
        scale=scale_of(source.name, arrays["train-images"].dtype),
        sources=sources,
        arrays={name: Fingerprint.of(array) for name, array in arrays.items()},
    )
    with _writing(folder.parent):
        if intact_meta(folder, parts=parts) is None:
            write_arrays(folder, arrays=arrays, meta=meta)
    return meta


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Keep other processes from writing; the lock ends with this process, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        message = f"the cache {folder} cannot be written: {error}"
        raise WorkFailedError(message) from error


def _downloaded(source: Source, cache: Path) -> Source:
    from pipeline.learning.data.download import download  # its HTTP modules double the import

    return download(source, cache=cache)


def _prepared(source: Source, folder: Path, *, meta: Meta) -> PreparedData:
    images, labels = open_part(folder, "train")
    own_test = meta.arrays.get("test-labels")
    return PreparedData(
        source=source,
        folder=folder,
        sha256=meta.content_sha256,
        n_classes=int(labels.max()) + 1,
        image_shape=images.shape[1:],
        scale=scale_of(source.name, images.dtype),
        n_train=len(labels),
        n_test=own_test.shape[0] if own_test else 0,
    )
