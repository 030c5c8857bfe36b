"""Download a data set through torchvision, into the project's own cache and nowhere else."""

import contextlib
import io
import logging
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPException
from importlib import import_module
from pathlib import Path
from typing import Final

from pipeline.errors import BadInputError
from pipeline.learning.data.catalogue import DATA_SETS, IdxOrigin
from pipeline.learning.data.places import downloads_folder, find_idx_files, how_to_get
from pipeline.learning.data.records import Source

SILENCE_SECONDS: Final = 30.0
"""A server that sends nothing for so long is given up."""

_log = logging.getLogger(__name__)


def download(source: Source, *, cache: Path) -> Source:
    """Fetch a set's files; they appear whole or not at all.

    Args:
        source: A source that is not here, from ``locate``.
        cache: The project's folder; the files go to ``downloads`` in it.

    Raises:
        BadInputError: No mirror gave the files; what was written on the way is removed.
    """
    origin = DATA_SETS[source.name].origin
    if not isinstance(origin, IdxOrigin):
        message = f"{source.name} comes with a package and is never downloaded"
        raise TypeError(message)
    _log.info("downloading %s", source.name)
    try:
        with _scratch(downloads_folder(cache.absolute())) as scratch:
            _fetch(origin, scratch)
            files = _keep(origin, scratch)
    except (RuntimeError, OSError, HTTPException, EOFError) as error:
        raise _failure(source, origin, error=error) from error
    return replace(source, files=files)


def _fetch(origin: IdxOrigin, root: Path) -> None:
    from pipeline.learning.torchvision_ops import ensure_torchvision

    ensure_torchvision()
    datasets = import_module("torchvision.datasets")
    with _impatient(), _quiet_in_pipes():
        getattr(datasets, origin.class_name)(root=root, train=False, download=True)


def _keep(origin: IdxOrigin, scratch: Path) -> tuple[Path, ...]:
    """Move the unpacked files to their place; each move is atomic, the packed ones stay behind."""
    layout = Path(origin.class_name, "raw")
    folder = scratch.parent / layout
    folder.mkdir(parents=True, exist_ok=True)
    for file in origin.files:
        (scratch / layout / file.name).replace(folder / file.name)
    found = find_idx_files(folder, origin.files)
    if found is None:
        message = f"the files moved to {folder} are gone again"
        raise FileNotFoundError(message)
    return found


@contextlib.contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """Give a new folder inside ``parent``; where the work fails, no new folder is left behind."""
    new = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=".download-") as scratch:
            yield Path(scratch)
    except BaseException:
        with contextlib.suppress(OSError):
            for folder in new:
                folder.rmdir()
        raise


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """Set a time limit on the sockets that torchvision opens: it sets none itself."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def _quiet_in_pipes() -> Iterator[None]:
    """Let torchvision draw its progress bar on a terminal only."""
    if sys.stderr.isatty():
        yield
    else:
        with contextlib.redirect_stderr(io.StringIO()):
            yield


def _failure(source: Source, origin: IdxOrigin, *, error: Exception) -> BadInputError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return BadInputError(
        where=f"data set {source.name}",
        got=f"{'; '.join(source.looked_at)}; and the download failed: {reason}",
        expected=f"its files, plain or .gz, in one of these folders; {how_to_get(origin)}",
    )
