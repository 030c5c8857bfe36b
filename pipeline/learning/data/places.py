"""Find a data set's files; nothing is written, downloaded or decoded here."""

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.errors import BadInputError
from pipeline.learning.data.catalogue import DATA_SETS, CsvOrigin, IdxFile, IdxOrigin
from pipeline.learning.data.records import Source

if TYPE_CHECKING:
    from pipeline.config import DataConfig

DATA_VARIABLE: Final = "PIPELINE_DATA"
SYSTEM_ROOTS: Final = (Path("/usr/share/datasets"), Path("/usr/local/share/datasets"))


def locate(
    config: "DataConfig",
    data_dir: Path | None,
    *,
    cache: Path,
    system_roots: Sequence[Path] = SYSTEM_ROOTS,
) -> Source:
    """Find a data set's files, or learn that they have to be downloaded.

    Looked at in this order: ``data_dir``, the folder named by the environment's
    ``PIPELINE_DATA``, the system's folders, what was downloaded before.

    Args:
        config: Names the set.
        data_dir: A folder in torchvision's layout (``MNIST/raw``); it is never written to.
        cache: Where this project keeps decoded and downloaded data; it need not exist.
        system_roots: Where Linux distributions install data sets.

    Raises:
        BadInputError: A folder was named that does not exist, or the data are nowhere and
            cannot be downloaded.
    """
    if data_dir is not None:
        _check_folder(data_dir, "--data-dir")
    origin = DATA_SETS[config.name].origin
    if isinstance(origin, CsvOrigin):
        return _in_package(config.name, origin)
    return _in_folders(config.name, origin, _places(origin, data_dir, cache, system_roots))


def downloads_folder(cache: Path) -> Path:
    """Where downloads are kept, in torchvision's layout."""
    return cache / "downloads"


def find_idx_files(folder: Path, files: Sequence[IdxFile]) -> tuple[Path, ...] | None:
    """Find every one of the files in a folder, plain before packed, or else nothing."""
    found = [_plain_or_packed(folder, file) for file in files]
    complete = [path for path in found if path is not None]
    return tuple(complete) if len(complete) == len(files) else None


def how_to_get(origin: IdxOrigin) -> str:
    """Say how a person gets the files of a set that could not be found."""
    names = ", ".join(f"{file.name}.gz" for file in origin.files)
    return (
        f"download {names} from {origin.url} into DIR/{origin.class_name}/raw "
        "and give --data-dir DIR"
    )


def _in_package(name: str, origin: CsvOrigin) -> Source:
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
        got=looked_at,
        expected=f"the file that {origin.distribution} brings along "
        f"(python -m pip install --force-reinstall {origin.distribution})",
    )


def _in_folders(name: str, origin: IdxOrigin, places: Iterator[Path]) -> Source:
    looked_at: list[str] = []
    for folder in places:
        files = find_idx_files(folder, origin.files)
        if files is not None:
            return Source(name=name, files=files, looked_at=tuple(looked_at))
        looked_at.append(_lack(folder, origin.files))
    _check_can_download(name, origin, looked_at)
    return Source(name=name, files=(), looked_at=tuple(looked_at))


def _places(
    origin: IdxOrigin, data_dir: Path | None, cache: Path, system_roots: Sequence[Path]
) -> Iterator[Path]:
    layout = Path(origin.class_name, "raw")
    if data_dir is not None:
        yield data_dir.absolute() / layout
    if named := os.environ.get(DATA_VARIABLE):
        folder = Path(named).expanduser().absolute()
        _check_folder(folder, DATA_VARIABLE)
        yield folder / layout
    for root in system_roots:
        yield root / origin.system_folder
        yield root / layout
    yield downloads_folder(cache.absolute()) / layout


def _check_folder(folder: Path, key: str) -> None:
    if not folder.is_dir():
        what = "a file" if folder.is_file() else "no such folder"
        raise BadInputError(
            where=key,
            got=f"{folder} ({what})",
            expected="an existing folder in torchvision's layout (MNIST/raw, FashionMNIST/raw)",
        )


def _check_can_download(name: str, origin: IdxOrigin, looked_at: Sequence[str]) -> None:
    if find_spec("torchvision") is None:
        raise BadInputError(
            where=f"data set {name}",
            got="; ".join(looked_at),
            expected=f"its files, plain or .gz; torchvision, which would download them, is not "
            f"installed; {how_to_get(origin)}",
        )


def _plain_or_packed(folder: Path, file: IdxFile) -> Path | None:
    candidates = (folder / file.name, folder / f"{file.name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _lack(folder: Path, files: Sequence[IdxFile]) -> str:
    if not folder.is_dir():
        return f"no folder {folder}"
    lacking = [file.name for file in files if _plain_or_packed(folder, file) is None]
    return f"{folder} lacks {', '.join(lacking)}"
