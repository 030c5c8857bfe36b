"""What the workers of other machines are given: the decoded data travels, files do not."""

import tempfile
from dataclasses import dataclass, replace
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Final, Union

from pipeline.learning.checkpoints import Resumable
from pipeline.learning.data import PreparedData, open_train
from pipeline.learning.data.decoded import Meta, intact_meta, read_meta, write_arrays
from pipeline.learning.data.reading import Arrays
from pipeline.locks import locked

if TYPE_CHECKING:
    from pipeline.learning.custom.datamodule import CustomData

Context = Union[PreparedData, "CustomData", Resumable]
"""What ``fit_cohort`` takes."""
NAMES: Final = ("train-images", "train-labels")


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A worker's context on its way.

    Attributes:
        context: As it is on the driver's machine.
        arrays: The training part of its data; none where the data is a user's own module, which
            reads it by itself. The test part stays where it is.
        meta: Of the data's folder.
        mark: A file of the home and its text: a node that finds both has the home's file system.
            None where no checkpoints are kept.
    """

    context: Context
    arrays: Arrays
    meta: Meta | None
    mark: tuple[Path, str] | None


def pack(context: Context) -> Packed:
    """Gather what workers need, wherever they are.

    Args:
        context: Where checkpoints are kept, the study is held by a file that names this process.
    """
    mark = _mark_of(context) if isinstance(context, Resumable) else None
    data = data_of(context)
    if not isinstance(data, PreparedData):
        return Packed(context=context, arrays={}, meta=None, mark=mark)
    arrays = dict(zip(NAMES, open_train(data), strict=True))
    return Packed(context=context, arrays=arrays, meta=read_meta(data.folder), mark=mark)


def unpack(packed: Packed) -> Context:
    """Make the context on the machine that this is.

    The arrays are mapped from the driver's folder where that is seen here, else from one of this
    machine, which its first worker writes. Checkpoints are kept where the home is seen; elsewhere
    a trial whose node is lost is trained from the start.
    """
    if packed.mark is not None and is_here(*packed.mark):
        return packed.context
    data = data_of(packed.context)
    return replace_folder(data, packed) if isinstance(data, PreparedData) else data


def data_of(context: Context) -> "PreparedData | CustomData":
    """What trials are trained on, with checkpoints or without."""
    return context.data if isinstance(context, Resumable) else context


def is_here(path: Path, text: str) -> bool:
    """Whether a file is seen on this machine, with this text."""
    return path.is_file() and path.read_text(encoding="utf-8") == text


def replace_folder(data: PreparedData, packed: Packed) -> PreparedData:
    """The same data in a folder of this machine, written if need be."""
    assert packed.meta is not None, "decoded data has a description"  # noqa: S101
    root = Path(tempfile.gettempdir()) / f"dropout-search-{getuser()}"
    root.mkdir(mode=0o700, exist_ok=True)
    folder = root / data.folder.name
    with locked(root):
        if intact_meta(folder, parts=("train",)) != packed.meta:
            write_arrays(folder, arrays=packed.arrays, meta=packed.meta)
    return replace(data, folder=folder)


def _mark_of(context: Resumable) -> tuple[Path, str]:
    """The file that names the study's holder: no other home has the same."""
    study = context.folder.path
    path = study.parent.parent / "locks" / f"{study.name}.holder"
    return path, path.read_text(encoding="utf-8")
