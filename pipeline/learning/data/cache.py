"""Decode a data set once a machine; every later start checks what lies in the cache."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadInputError, WorkFailedError
from pipeline.learning.data.catalogue import Subset
from pipeline.learning.data.class_names import class_names_of
from pipeline.learning.data.decoded import (
    FORMAT,
    Fingerprint,
    Meta,
    intact_meta,
    open_subset,
    write_arrays,
)
from pipeline.learning.data.decoding import decode, digests, scale_of
from pipeline.learning.data.labels import count_classes, n_columns, task_of
from pipeline.learning.data.locate import Source
from pipeline.learning.data.reading import Images, Labels, tell_nobody
from pipeline.locks import locked

if TYPE_CHECKING:
    from pipeline.config.data_section import Task
    from pipeline.trial import Tell


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedData:
    """A data set decoded once a machine; workers map its arrays instead of copying them.

    Attributes:
        source: What was decoded.
        folder: Where the arrays lie, as ``.npy`` files.
        sha256: Over the whole content of all parts, however the source was packed.
        n_classes: ``None`` where the labels are numbers to predict.
        image_shape: (H, W), or (3, H, W) of colour, or (n_inputs,) of rows that are no images.
        scale: What values are divided by: the largest pixel there can be (255 or 16); 1.0 where
            the set holds floats.
        n_train: Rows of the training part, from which validation is split.
        n_test: Rows of the set's own test part; 0 where it has none.
        n_targets: Numbers to predict of each row; ``None`` where the labels are classes.
        class_names: What the classes are called, by label; ``None`` where nobody says.
    """

    source: Source
    folder: Path
    sha256: str
    n_classes: int | None
    image_shape: tuple[int, ...]
    scale: float
    n_train: int
    n_test: int
    n_targets: int | None = None
    class_names: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The data set's name in the study file."""
        return self.source.name

    @property
    def task(self) -> "Task":
        """What is learned from the labels."""
        return "classification" if self.n_targets is None else "regression"


def open_train(prepared: PreparedData) -> tuple[Images, Labels]:
    """Map the training part: its pages are shared by all processes of the machine.

    Returns:
        Images [N, *image_shape], uint8 or float32, and labels. They can be written to, as torch
        asks; what is written stays in this process and never reaches the file.
    """
    return open_subset(prepared.folder, "train")


def folder_name(source: Source, sources: Mapping[str, str]) -> str:
    """Name the folder of a set's decoded arrays by what they are decoded from, and to what."""
    cast = ["regression"] if source.task == "regression" else []
    key = json.dumps([FORMAT, sorted(sources.items()), *cast])
    return f"{source.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def check_unchanged(source: Source, sources: Mapping[str, str], *, name: str) -> None:
    """Refuse files that are no longer those that a folder of arrays was named by.

    Raises:
        BadInputError: They changed since, or while they were read.
    """
    if folder_name(source, sources) != name:
        raise BadInputError(
            where=", ".join(map(str, source.files)),
            problem="changed while being read",
        )


def prepare(
    source: Source, *, cache: Path, apart: Path | None = None, tell: "Tell" = tell_nobody
) -> PreparedData:
    """Make a set's arrays ready to be mapped: download, decode, check.

    Any number of processes may do so at once. Nothing is written before the files are known to
    be sound. A set's own test part is written with the rest, but not opened again here.

    Args:
        source: Where the files are, from ``locate``.
        cache: The project's folder for decoded data; made where it does not exist.
        apart: Another folder for what is downloaded and decoded now; the cache is only read.
        tell: Called with what is being done.

    Raises:
        BadInputError: A file is damaged, or the download failed.
        WorkFailedError: The cache cannot be written.
    """
    if not source.is_local:
        tell(f"downloading {source.name}")
    here = source if source.is_local else _downloaded(source, apart or cache)
    tell(f"reading {source.name}")
    name = folder_name(here, digests(here))
    folder = cache.absolute() / "data" / name
    meta = intact_meta(folder, parts=("train",))
    if meta is None:
        folder = (apart or cache).absolute() / "data" / name
        meta = store(here, folder, parts=("train",), tell=tell)
    return _prepared(here, folder, meta=meta)


def store(
    source: Source, folder: Path, *, parts: tuple[Subset, ...], tell: "Tell" = tell_nobody
) -> Meta:
    """Decode a set into a folder, unless another process has just done so.

    Args:
        source: Files that are on this machine.
        folder: Where the arrays go; one process at a time writes below its parent.
        parts: What must be intact for the writing to be left out.
        tell: Called with what is being done.

    Raises:
        BadInputError: A file is damaged, or is not what it was when the folder was named.
        WorkFailedError: The folder cannot be written.
    """
    tell(f"decoding {source.name}")
    arrays = decode(source, tell)
    sources = digests(source)
    check_unchanged(source, sources, name=folder.name)
    meta = Meta(
        name=source.name,
        sources=sources,
        arrays={name: Fingerprint.of(array) for name, array in arrays.items()},
        class_names=class_names_of(source, n_classes=count_classes(arrays["train-labels"])),
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
        with locked(folder / ".lock"):
            yield
    except OSError as error:
        message = f"the cache {folder} cannot be written: {error}"
        raise WorkFailedError(message) from error


def _downloaded(source: Source, cache: Path) -> Source:
    from pipeline.learning.data.download import download  # its HTTP modules double the import

    return download(source, cache=cache)


def _prepared(source: Source, folder: Path, *, meta: Meta) -> PreparedData:
    images, labels = open_subset(folder, "train")
    is_regression = task_of(labels) == "regression"
    own_test = meta.arrays.get("test-labels")
    return PreparedData(
        source=source,
        folder=folder,
        sha256=meta.content_sha256,
        n_classes=count_classes(labels),
        image_shape=images.shape[1:],
        scale=scale_of(source.name, images.dtype),
        n_train=len(labels),
        n_test=own_test.shape[0] if own_test else 0,
        n_targets=n_columns(labels) if is_regression else None,
        class_names=meta.class_names,
    )
