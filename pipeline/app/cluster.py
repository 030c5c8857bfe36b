"""Where trials are trained: processes of this machine and its GPUs, or workers of a Ray cluster."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pipeline.app import training
from pipeline.app.first_batch import first_trial
from pipeline.app.gpus import OPTION, choose_gpus, place_workers, visible_gpus
from pipeline.app.inputs import find_trial_classes, names_custom_class
from pipeline.app.trust import CustomCode
from pipeline.app.workspace import Workspace
from pipeline.config import Resources, StudyConfig, TrialConfig
from pipeline.errors import BadInputError
from pipeline.learning.custom.sources import is_installed, own_name
from pipeline.trial import RecordedTrial, Tell, ignore

if TYPE_CHECKING:
    from pipeline.engines import LocalEngine
    from pipeline.engines.ray import RayEngine

UNPACK = "pipeline.learning.travel:unpack"
"""Makes the workers' context of what ``pack`` sent; a string, so that a node imports it."""
CHECK = "pipeline.learning.custom.checks:faults_of_machine"
"""Says what a node lacks of a user's classes and data."""


@dataclass(frozen=True, kw_only=True)
class Ray:
    """A Ray cluster, to be given to whatever trains.

    Attributes:
        address: ``host:port`` of its head; ``None``: ``RAY_ADDRESS``, else the cluster of this
            machine, else one that is started for the command and ends with it.
    """

    address: str | None = None


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where workers are, as the user says it; it changes no row of a table.

    Attributes:
        workers: How many; by default one a core, of GPUs and of a cluster one for each share of the
            study's ``resources``.
        cluster: ``None``: processes of this machine.
        gpus: ``all``, or numbers among this machine's visible GPUs, ``0,1`` or ``[0, 1]``: each
            worker sees one of them; ``None``: all workers see what this process does.

    Raises:
        BadInputError: GPUs of this machine, but workers elsewhere.
    """

    workers: int | None = None
    cluster: Ray | None = None
    gpus: str | Sequence[int] | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.cluster is not None and self.gpus is not None:
            problem = (
                "not allowed with a Ray cluster, which places workers by the study file's "
                "resources: {gpus: 0.25}"
            )
            raise BadInputError(where=OPTION, problem=problem)

    def gpu_of_each(self, job: "Job") -> list[str]:
        """The GPU of each worker; none where none was asked for.

        Raises:
            BadInputError: There is no such GPU, the workers do not fit, or the study is trained
                on another device.
        """
        if self.gpus is None:
            return []
        device = job.config.training.device
        if device not in ("auto", "cuda"):
            expected = f"auto or cuda with {OPTION}"
            raise BadInputError(
                where=job.where, key="training.device", got=device, expected=expected
            )
        asked = self.gpus if isinstance(self.gpus, str) else ",".join(map(str, self.gpus))
        chosen = choose_gpus(asked, visible_gpus())
        return place_workers(chosen, share=job.resources.gpus, n_workers=self.workers)


HERE = Placement()
"""One process a core."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be trained.

    Attributes:
        config: The study, or one of its trials.
        resources: What a worker takes of a node or of a GPU.
        code: The user's own, which is brought to the nodes.
        where: What an error names.
    """

    config: StudyConfig | TrialConfig
    resources: Resources
    code: Sequence[CustomCode]
    where: str

    @property
    def trial(self) -> TrialConfig:
        """A trial of it."""
        return self.config if isinstance(self.config, TrialConfig) else first_trial(self.config)

    @classmethod
    def of_trial(cls, trial: RecordedTrial, workspace: Workspace, *, where: str) -> Self:
        """What is to be trained where a trial is trained again from its record.

        Raises:
            BadInputError: The record names code that this user has not run in its study.
        """
        from pipeline.tracking.reader import read_resources

        config = trial.record.trial
        code = find_trial_classes(config, workspace, where=where)
        return cls(config=config, resources=read_resources(trial), code=code, where=where)


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
