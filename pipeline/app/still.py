"""A home as it stands at one moment, copied aside: who only looks writes nothing."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError, WorkFailedError

STORES = ("optuna.journal", "mlflow.db", "mlflow.db-wal", "mlflow.db-journal")
"""Optuna's first: a trial that is finished there is whole in MLflow, too."""
ATTEMPTS = 50


@contextmanager
def still(workspace: Workspace) -> Iterator[Workspace]:
    """Copy a home's stores while nobody writes them, and yield a workspace that reads the copies.

    Opening a database that a killed process has left brings its last writes into the file, and so
    changes it. Servers and other databases are read where they are.

    Raises:
        WorkFailedError: The stores are written to all the time.
    """
    with tempfile.TemporaryDirectory(prefix="pipeline-doctor-") as folder:
        if not any(_is_copied(workspace.home, Path(folder)) for _ in range(ATTEMPTS)):
            message = f"{workspace.home}: the stores are written to all the time; try again later"
            raise WorkFailedError(message)
        try:
            yield replace(workspace, home=Path(folder))
        except BadInputError as error:
            raise _of_home(error, folder, workspace.home) from None


def _of_home(error: BadInputError, folder: str, home: Path) -> BadInputError:
    """Let an error name the home's file in place of its copy."""
    where = error.where.replace(folder, str(home))
    return BadInputError(where=where, key=error.key, problem=error.problem)


def _is_copied(home: Path, to: Path) -> bool:
    """Copy the stores, and say whether they stood still meanwhile."""
    for path in to.iterdir():
        path.unlink()
    with suppress(FileNotFoundError):
        before = _stamps(home)
        for name in before:
            shutil.copyfile(home / name, to / name)
        return _stamps(home) == before
    return False


def _stamps(home: Path) -> dict[str, tuple[int, int]]:
    """What changes when a store is written, by its name."""
    found = {name: (home / name).stat() for name in STORES if (home / name).exists()}
    return {name: (stat.st_mtime_ns, stat.st_size) for name, stat in found.items()}
