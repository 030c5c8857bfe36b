"""Decode a data set once a machine; every later start checks what lies in the cache."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from pipeline.errors import BadInputError, WorkFailedError
from pipeline.learning.data.catalogue import DATA_SETS, Subset
from pipeline.learning.data.class_names import class_names_of
from pipeline.learning.data.labels import as_targets, count_classes, n_columns, task_of
from pipeline.learning.data.locate import Source
from pipeline.learning.data.npz import count_rows, decode_npz
from pipeline.learning.data.reading import Arrays, Images, Labels, sha256_of_file, tell_nobody
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


FORMAT: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """An array's type, its shape and the SHA-256 of its bytes in C order."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str

    @classmethod
    def of(cls, array: npt.NDArray[np.generic]) -> Self:
        """Take an array's fingerprint.

        >>> Fingerprint.of(np.zeros(2, dtype=np.uint8)).shape
        (2,)
        """
        digest = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
        return cls(dtype=array.dtype.name, shape=array.shape, sha256=digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """The content of ``meta.json``.

    Attributes:
        sources: SHA-256 of each source file as it lies on the disk, by its name; of a folder of
            images one over all.
        arrays: Fingerprints by array name, ``train-images`` for example.
        class_names: What the classes are called, by label; ``None`` where nobody says.
    """

    name: str
    sources: Mapping[str, str]
    arrays: Mapping[str, Fingerprint]
    class_names: tuple[str, ...] | None = None

    @property
    def content_sha256(self) -> str:
        """A digest over every row of every part, however the source was packed."""
        rows = [
            [name, one.dtype, list(one.shape), one.sha256]
            for name, one in sorted(self.arrays.items())
        ]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def as_json(self) -> str:
        """Write the file's text."""
        content = {"format": FORMAT, "content_sha256": self.content_sha256} | asdict(self)
        return json.dumps(content, indent=1, sort_keys=True) + "\n"


def read_meta(folder: Path) -> Meta | None:
    """Read ``meta.json``; ``None`` where there is none or it is damaged."""
    try:
        document = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        meta = _meta_of(document)
        is_sound = meta.content_sha256 == document["content_sha256"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return meta if is_sound and document.get("format") == FORMAT else None


def _meta_of(document: dict[str, Any]) -> Meta:
    arrays = {
        name: Fingerprint(dtype=entry["dtype"], shape=tuple(entry["shape"]), sha256=entry["sha256"])
        for name, entry in document["arrays"].items()
    }
    names = document["class_names"]
    return Meta(
        name=document["name"],
        sources=document["sources"],
        arrays=arrays,
        class_names=None if names is None else tuple(map(str, names)),
    )


def open_train(prepared: PreparedData) -> tuple[Images, Labels]:
    """Map the training part: its pages are shared by all processes of the machine.

    Returns:
        Images [N, *image_shape], uint8 or float32, and labels. They can be written to, as torch
        asks; what is written stays in this process and never reaches the file.
    """
    return open_subset(prepared.folder, "train")


def open_subset(folder: Path, part: Subset) -> tuple[Images, Labels]:
    """Map one part's images and labels, copy on write."""
    images, labels = (_open(path) for path in _paths(folder, part))
    return images, labels


def intact_meta(folder: Path, *, parts: tuple[Subset, ...]) -> Meta | None:
    """Give a decoded set's description where these parts are what it says, or else nothing."""
    meta = read_meta(folder)
    if meta is None:
        return None
    paths = [path for part in parts for path in _paths(folder, part)]
    try:
        is_intact = all(Fingerprint.of(_open(path)) == meta.arrays[path.stem] for path in paths)
    except (OSError, ValueError, EOFError, KeyError):
        return None
    return meta if is_intact else None


def write_arrays(folder: Path, *, arrays: Arrays, meta: Meta) -> None:
    """Write arrays and then their description; each file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        with _whole(folder / f"{name}.npy") as partial, partial.open("wb") as file:
            np.save(file, array, allow_pickle=False)
    with _whole(folder / "meta.json") as partial:
        partial.write_text(meta.as_json(), encoding="utf-8")


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _open(path: Path) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    return array


def _paths(folder: Path, part: Subset) -> tuple[Path, Path]:
    return folder / f"{part}-images.npy", folder / f"{part}-labels.npy"


def decode(source: Source, tell: "Tell" = tell_nobody) -> Arrays:
    """Read a set's files into memory; ``tell`` is called with how far it is.

    Raises:
        BadInputError: A file cannot be read, or does not hold what it must hold.
    """
    if source.name == "npz":
        return decode_npz(source.files[0], task=source.task)
    if source.name == "image-folder":
        from pipeline.learning.data.images import decode_images, list_images  # imports Pillow

        listing = list_images(source.files[0])
        return decode_images(listing, image_size=source.image_size, tell=tell)
    known = DATA_SETS[source.name]
    arrays = known.decode(known, source.files)
    return as_targets(arrays) if source.task == "regression" else arrays


def count_rows_of_source(source: Source) -> tuple[int, int]:
    """Tell the rows of the training and of the test part of the user's own data.

    Nothing is decoded: an npz file's headers are read, a folder's images are counted.

    Raises:
        BadInputError: The file or folder is no data set.
    """
    if source.name == "npz":
        return count_rows(source.files[0], task=source.task)
    from pipeline.learning.data.images import list_images  # imports Pillow

    listing = list_images(source.files[0])
    return len(listing.train), len(listing.test)


def scale_of(name: str, dtype: np.dtype[np.generic]) -> float:
    """Tell what a set's values are divided by: its largest pixel, and nothing if it has floats.

    >>> scale_of("npz", np.dtype(np.float32))
    1.0
    """
    if name in DATA_SETS:
        return DATA_SETS[name].scale
    return 255 if dtype == np.uint8 else 1.0


def digests(source: Source) -> dict[str, str]:
    """Give the SHA-256 of each source file; of a folder of images one over all.

    Raises:
        BadInputError: A file cannot be read.
    """
    if source.name == "image-folder":
        from pipeline.learning.data.images import sha256_of_folder  # imports Pillow

        folder = source.files[0]
        return {folder.name: sha256_of_folder(folder, image_size=source.image_size)}
    return {path.name: sha256_of_file(path) for path in source.files}


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
