"""A file that a command makes: refused before any work, and there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import BadInputError


def check_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before anything is done for it.

    Raises:
        BadInputError: It is a folder, or its folder is not there or read-only.
    """
    folder = path.parent
    if path.is_dir():
        raise BadInputError(where="--out", got=f"{path} (a folder)", expected="a file to write")
    if not folder.is_dir():
        got = f"{path} in a folder that is not there"
        raise BadInputError(where="--out", got=got, expected="a file in a folder that exists")
    if not os.access(folder, os.W_OK):
        got = f"{folder} (read-only)"
        raise BadInputError(where="--out", got=got, expected="a folder to write to")


@contextmanager
def replacing(path: Path, suffix: str = "") -> Iterator[Path]:
    """Write beside a file, and put that in its place when all went well; else nothing is left.

    Args:
        path: The file; its folder is made.
        suffix: How the name to write to ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{suffix}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
