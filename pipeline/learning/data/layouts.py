"""What a folder must hold for a data set to be found in it."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.learning.data.origins import BatchesOrigin, Downloadable, IdxFile, IdxOrigin


def layout(origin: Downloadable, root: Path) -> Path:
    """Name the folder in which a data folder in torchvision's layout has a set's files."""
    return root / origin.class_name / "raw" if isinstance(origin, IdxOrigin) else root


def system_folders(origin: Downloadable, root: Path) -> tuple[Path, ...]:
    """Name the folders in which a Linux distribution may have put a set's files."""
    named = (root / origin.system_folder,) if isinstance(origin, IdxOrigin) else ()
    return (*named, layout(origin, root))


def find_files(origin: Downloadable, folder: Path) -> tuple[Path, ...] | None:
    """Find every one of a set's files in a folder, plain before packed, or else nothing."""
    if isinstance(origin, IdxOrigin):
        return _all_or_none([_plain_or_packed(folder, file) for file in origin.files])
    batches = (folder / origin.folder / file.name for file in origin.files)
    archive = folder / origin.archive
    return _all_or_none([_file_or_none(path) for path in batches]) or _all_or_none(
        [_file_or_none(archive)]
    )


def lack(origin: Downloadable, folder: Path) -> str:
    """Say what a folder lacks of a set's files."""
    if isinstance(origin, BatchesOrigin):
        named = [origin.folder + "/" + file.name for file in origin.files]
        present = (folder / origin.folder).is_dir()
        lacking = [name for name in named if not (folder / name).is_file()]
        batches = ", ".join(lacking) if present else origin.folder
        return f"{folder} lacks {batches} and {origin.archive}"
    if not folder.is_dir():
        return f"no folder {folder}"
    lacking = [file.name for file in origin.files if _plain_or_packed(folder, file) is None]
    return f"{folder} lacks {', '.join(lacking)}"


def how_to_get(origin: Downloadable) -> str:
    """Say how a person gets the files of a set that could not be found."""
    if isinstance(origin, BatchesOrigin):
        return f"download {origin.url} into DIR and give --data-dir DIR"
    names = ", ".join(f"{file.name}.gz" for file in origin.files)
    return (
        f"download {names} from {origin.url} into DIR/{origin.class_name}/raw "
        "and give --data-dir DIR"
    )


def _all_or_none(found: Sequence[Path | None]) -> tuple[Path, ...] | None:
    complete = tuple(path for path in found if path is not None)
    return complete if len(complete) == len(found) else None


def _plain_or_packed(folder: Path, file: IdxFile) -> Path | None:
    return _file_or_none(folder / file.name) or _file_or_none(folder / f"{file.name}.gz")


def _file_or_none(path: Path) -> Path | None:
    return path if path.is_file() else None
