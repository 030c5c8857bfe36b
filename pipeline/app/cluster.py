"""Where a study's trials are trained: processes of this machine, or workers of a Ray cluster."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.app import training
from pipeline.app.trust import CustomCode
from pipeline.config import Resources
from pipeline.errors import BadInputError
from pipeline.learning.custom.sources import is_installed, own_name

if TYPE_CHECKING:
    from pipeline.engines import LocalEngine
    from pipeline.engines.ray import RayEngine

UNPACK = "pipeline.learning.travel:unpack"
"""Makes the workers' context of what ``pack`` sent; a string, so that a node imports it."""


@dataclass(frozen=True, kw_only=True)
class Ray:
    """A Ray cluster, to be given to ``Study.run``.

    Attributes:
        address: ``host:port`` of its head; ``None``: ``RAY_ADDRESS``, else the cluster of this
            machine, else one that is started for the study and ends with it.
    """

    address: str | None = None


@contextmanager
def start_engine(
    cluster: Ray | None, n_workers: int | None, resources: Resources, code: Sequence[CustomCode]
) -> "Iterator[LocalEngine | RayEngine]":
    """Start what trains a study's trials, and end it with the context.

    Args:
        cluster: ``None``: processes of this machine.
        n_workers: By default one a core, of a cluster as many as it has room for.
        resources: What a worker takes of a node.
        code: The user's own, which is brought to the nodes.

    Raises:
        BadInputError: Ray is not installed, no cluster answers, or it is another installation.
        WorkFailedError: No node has room for a worker.
    """
    from pipeline.engines import LocalEngine

    if cluster is None:
        with LocalEngine(
            training.FIT, n_workers=n_workers or len(os.sched_getaffinity(0))
        ) as engine:
            yield engine
        return
    with _code_folder(code) as folder, _ray_engine(cluster, n_workers, resources, folder) as ray:
        yield ray


def _ray_engine(
    cluster: Ray, n_workers: int | None, resources: Resources, folder: str | None
) -> "RayEngine":
    try:
        from pipeline.engines.ray import RayEngine
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        problem = "Ray is not installed: pip install 'dropout-search[ray]'"
        raise BadInputError(where="--engine", problem=problem) from None
    from pipeline.learning.travel import pack

    return RayEngine(
        training.FIT,
        n_workers=n_workers,
        address=cluster.address,
        resources=resources,
        pack=pack,
        unpack=UNPACK,
        code=folder,
    )


@contextmanager
def _code_folder(code: Sequence[CustomCode]) -> Iterator[str | None]:
    """Copy the files of the user's classes: of a package all modules, else those beside the file.

    What is installed is not copied; the nodes have it installed, too.
    """
    if not code:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="dropout-search-code-") as name:
        for one in code:
            for root, path in _files_of(one):
                copied = Path(name) / path.relative_to(root)
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copied)
        yield name


def _files_of(code: CustomCode) -> Iterator[tuple[Path, Path]]:
    """The files to copy, each with the folder that modules are searched in."""
    if not code.files or is_installed(code.files[-1]):
        return
    module = code.files[-1]
    names = own_name(code.path).split(".")[:-1]
    n_above = len(names) - 1 + (module.name == "__init__.py")
    root = module.parents[n_above]
    top = root / names[0]
    for path in sorted(top.rglob("*.py") if top.is_dir() else root.glob("*.py")):
        yield root, path
