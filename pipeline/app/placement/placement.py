"""Where trials are trained, as a user says it, and what is to be trained there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pipeline.app.first_batch import first_trial
from pipeline.app.inputs import find_trial_classes
from pipeline.app.placement.gpus import OPTION, choose_gpus, place_workers, visible_gpus
from pipeline.app.trust import CustomCode
from pipeline.app.workspace import Workspace
from pipeline.config import Resources, StudyConfig, TrialConfig
from pipeline.errors import BadInputError
from pipeline.trial import RecordedTrial


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
