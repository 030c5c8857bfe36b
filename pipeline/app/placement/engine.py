"""What trains: processes of this machine and its GPUs, or workers of a Ray cluster."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.app import training
from pipeline.app.inputs import names_custom_class
from pipeline.app.placement.placement import Job, Placement
from pipeline.app.trust import CustomCode
from pipeline.errors import BadInputError
from pipeline.learning.custom.sources import is_installed, own_name
from pipeline.trial import Tell, ignore

if TYPE_CHECKING:
    from pipeline.engines import LocalEngine
    from pipeline.engines.ray import RayEngine

UNPACK = "pipeline.learning.travel:unpack"
"""Makes the workers' context of what ``pack`` sent; a string, so that a node imports it."""
CHECK = "pipeline.learning.custom.checks:faults_of_machine"
"""Says what a node lacks of a user's classes and data."""


@contextmanager
def start_engine(
    placement: Placement, job: Job, *, at_most: int | None = None, tell: Tell = ignore
) -> "Iterator[LocalEngine | RayEngine]":
    """Start what trains, and end it with the context.

    Args:
        placement: Where.
        job: What.
        at_most: So many workers, though there were room for more.
        tell: Called with one line for each node that joins and lacks something.

    Raises:
        BadInputError: A GPU is not there, or Ray is not installed, no cluster answers, or one of
            its nodes lacks something.
        WorkFailedError: No node has room for a worker.
    """
    from pipeline.engines import LocalEngine

    if placement.cluster is None:
        gpus = placement.gpu_of_each(job)[:at_most]
        n_workers = len(gpus) or placement.workers or len(os.sched_getaffinity(0))
        n_workers = min(n_workers, at_most or n_workers)
        with LocalEngine(training.FIT, n_workers=n_workers, gpus=gpus) as engine:
            yield engine
        return
    with (
        _code_folder(job.code) as folder,
        _ray_engine(placement, job, folder, at_most=at_most, tell=tell) as ray,
    ):
        yield ray


def _ray_engine(
    placement: Placement, job: Job, folder: str | None, *, at_most: int | None, tell: Tell
) -> "RayEngine":
    try:
        from pipeline.engines.ray import RayEngine
        from pipeline.engines.ray_nodes import Delivery
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        problem = "Ray is not installed: pip install 'dropout-search[ray]'"
        raise BadInputError(where="--engine", problem=problem) from None
    from pipeline.learning.travel import pack

    assert placement.cluster is not None, "called for a cluster only"  # noqa: S101
    return RayEngine(
        training.FIT,
        n_workers=placement.workers,
        at_most=at_most,
        address=placement.cluster.address,
        resources=job.resources,
        delivery=Delivery(
            pack=pack,
            unpack=UNPACK,
            code=folder,
            **_question(job),
        ),
        tell=tell,
    )


def _question(job: Job) -> dict[str, Any]:
    """What a node is asked of the user's classes and data; first they are looked for here.

    Raises:
        BadInputError: A class cannot be used.
    """
    if not names_custom_class(job.config):
        return {}
    from pipeline.learning.custom.classes import find_classes

    find_classes(job.config, job.where)
    return {"check": CHECK, "asked": job.trial}


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
