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
from pipeline.learning.data.catalogue import DATA_SETS, Downloadable, Packaged
from pipeline.learning.data.locate import Source, downloads_folder, find_files, how_to_get
from pipeline.locks import locked

SILENCE_SECONDS: Final = 30.0
"""A server that sends nothing for so long is given up."""

_log = logging.getLogger(__name__)


def download(source: Source, *, cache: Path) -> Source:
    """Fetch a set's files; they appear whole or not at all.

    Of processes that want a set at once one fetches it and the others wait.

    Args:
        source: A source that is not here, from ``locate``.
        cache: The project's folder; the files go to ``downloads`` in it.

    Raises:
        BadInputError: No mirror gave the files; what was written on the way is removed.
    """
    origin = DATA_SETS[source.name].origin
    if isinstance(origin, Packaged):
        message = f"{source.name} comes with a package and is never downloaded"
        raise TypeError(message)
    folder = downloads_folder(cache.absolute())
    try:
        with _made(folder), _alone(folder):
            files = find_files(origin, folder / origin.folder) or _fetched(origin, folder)
    except (RuntimeError, OSError, HTTPException, EOFError) as error:
        raise _failure(source, origin, error=error) from error
    return replace(source, files=files)


def _fetched(origin: Downloadable, folder: Path) -> tuple[Path, ...]:
    """Download into a temporary folder, and move complete files to ``downloads``."""
    _log.info("downloading %s", origin.class_name)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
        for name in _fetch(origin, Path(scratch)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(scratch) / name).replace(folder / name)
    found = find_files(origin, folder / origin.folder)
    if found is None:
        message = f"the files moved to {folder} are gone again"
        raise FileNotFoundError(message)
    return found


def _fetch(origin: Downloadable, root: Path) -> list[str]:
    """Let torchvision download and check; of CIFAR-10 the archive, which it would unpickle.

    Returns:
        The files to keep, by their path below ``root``.
    """
    from pipeline.learning.torchvision_ops import ensure_torchvision

    ensure_torchvision()
    datasets = import_module("torchvision.datasets")
    known = getattr(datasets, origin.class_name)
    with _impatient(), _quiet_in_pipes():
        if origin.archive is None:
            known(root=root, train=False, download=True)
            return [f"{origin.folder}/{file.name}" for file in origin.files]
        archive = origin.archive
        datasets.utils.download_url(known.url, root, archive.name, archive.md5)
        return [archive.name]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock a folder against other processes' downloads; the lock leaves no file behind."""
    with locked(folder):
        # The one before may have failed and removed it.
        folder.mkdir(parents=True, exist_ok=True)
        yield


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder; where the work fails, no new folder is left behind."""
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for one in new:
                one.rmdir()
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


def _failure(source: Source, origin: Downloadable, *, error: Exception) -> BadInputError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return BadInputError(
        where=f"data set {source.name}",
        problem=f"not found: {'; '.join(source.looked_at)}; "
        f"and the download failed: {reason}; {how_to_get(origin)}",
    )
