"""Study: a study file with the rooms put together that run it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pipeline.app.placement.placement import Placement, Ray
from pipeline.app.progress.notebook import NotebookRepeats
from pipeline.app.result import StudyResult
from pipeline.app.workspace import Workspace
from pipeline.config import StudyConfig, check_study, load_study
from pipeline.trial import Progress, Tell, ignore

if TYPE_CHECKING:
    from pipeline.analysis.study_difference import StudyDifference
    from pipeline.app.bundles.bundle import Bundle, Weights
    from pipeline.app.export import Exported, Format, Target
    from pipeline.app.planning.planned import Plan
    from pipeline.app.report import Report
    from pipeline.app.retraining.confirmed import ConfirmedStudy
    from pipeline.app.retraining.refit import Refit
    from pipeline.app.retraining.reproduce import Reproduction
    from pipeline.learning.lightning import LightningModule


@dataclass(frozen=True, init=False)
class Study:
    """A study and where it lives: ``Study.load(path).run(workers=2).best.params``.

    ``Study(name=..., data=..., model=..., space=..., training=..., search=...)`` takes the keys of
    a study file, with the same checks and errors.

    Args:
        config: A study that is checked already, in place of the keys.
        workspace: Where its state lives; by default ``./mlruns`` and the embedded stores.
        file: What errors call the study.
        sections: The keys of a study file.

    Raises:
        BadInputError: Naming key, value and limit.
    """

    config: StudyConfig
    workspace: Workspace
    file: str

    def __init__(
        self,
        *,
        config: StudyConfig | None = None,
        workspace: Workspace | None = None,
        file: str = "study",
        **sections: Any,
    ) -> None:
        if config is not None and sections:
            message = f"give a config or the keys of a study file, not both: {', '.join(sections)}"
            raise TypeError(message)
        object.__setattr__(self, "config", config or check_study(sections, file))
        object.__setattr__(self, "workspace", workspace or Workspace())
        object.__setattr__(self, "file", file)

    @classmethod
    def load(
        cls, path: str | Path, *, overrides: Sequence[str] = (), workspace: Workspace | None = None
    ) -> Self:
        """Read and check a study file.

        Args:
            path: The YAML file.
            overrides: ``KEY=VALUE``, each replacing a value of the file.
            workspace: Where its state lives; by default ``./mlruns`` and the embedded stores.

        Raises:
            BadInputError: Naming file, key, value and limit.
        """
        config = load_study(Path(path), overrides)
        return cls(config=config, workspace=workspace, file=str(path))

    def load_model(
        self, trial: int | Literal["best"] = "best", *, fold: int | None = None
    ) -> "LightningModule":
        """Build a trial's network with the weights of its best epoch: see ``use.load_model``."""
        from pipeline.app.use import load_model

        return load_model(self.config.name, trial=trial, fold=fold, workspace=self.workspace)

    def show(self) -> StudyResult:
        """Read the table as it is now: see ``browse.show_study``."""
        from pipeline.app.browse import show_study

        return show_study(self.workspace, self.config.name)

    def reproduce(
        self,
        *,
        trial: int | Literal["best"] = "best",
        cluster: Ray | None = None,
        gpus: str | Sequence[int] | None = None,
    ) -> "Reproduction":
        """Train a trial again from its record, and compare: see ``reproduce.reproduce``."""
        from pipeline.app.retraining.reproduce import reproduce

        placement = Placement(cluster=cluster, gpus=gpus)
        return reproduce(self.workspace, self.config.name, trial=trial, placement=placement)

    def confirm(
        self,
        *,
        top: int = 5,
        seeds: int = 5,
        workers: int | None = None,
        cluster: Ray | None = None,
        gpus: str | Sequence[int] | None = None,
    ) -> "ConfirmedStudy":
        """Train the best trials again on new seeds, then open the test part: see ``Candidates``."""
        from pipeline.app.retraining.confirm import Candidates

        placement = Placement(workers=workers, cluster=cluster, gpus=gpus)
        candidates = Candidates.read(self.workspace, self.config.name, top=top)
        if progress := NotebookRepeats.here(self.config.name):
            return candidates.confirm(
                seeds=seeds, placement=placement, watch=progress.watch, plan=progress.plan
            )
        return candidates.confirm(seeds=seeds, placement=placement)

    def export(
        self,
        format: "Format" = "pt2",  # noqa: A002 - the option of the command
        *,
        trial: "Target" = "best",
        out: Path | None = None,
    ) -> "Exported":
        """Give a trial's network away, checked in another process: see ``export.export``."""
        from pipeline.app.export import export

        return export(self.workspace, self.config.name, trial=trial, format=format, out=out)

    def report(self, *, out: Path | None = None) -> "Report":
        """Write one HTML file that answers the study's question: see ``report.write_report``."""
        from pipeline.app.report import write_report

        return write_report(self.workspace, self.config.name, out=out)

    def bundle(self, *, out: Path | None = None, weights: "Weights" = "best") -> "Bundle":
        """Write the study whole into one file: see ``bundle.bundle``."""
        from pipeline.app.bundles.bundle import bundle

        return bundle(self.workspace, self.config.name, out=out, weights=weights)

    def diff(self, other: "Study | str") -> "StudyDifference":
        """Find what differs between this study and another one: see ``diff.diff``."""
        from pipeline.app.diff import diff

        name = other if isinstance(other, str) else other.config.name
        workspace = self.workspace if isinstance(other, str) else other.workspace
        return diff(self.workspace, self.config.name, name, other_workspace=workspace)

    def refit(
        self,
        *,
        trial: int | Literal["best"] = "best",
        cluster: Ray | None = None,
        gpus: str | Sequence[int] | None = None,
    ) -> "Refit":
        """Train a setting on training and validation rows together: see ``refit.refit``."""
        from pipeline.app.retraining.refit import refit

        placement = Placement(cluster=cluster, gpus=gpus)
        return refit(self.workspace, self.config.name, trial=trial, placement=placement)

    def plan(
        self,
        *,
        workers: int | None = None,
        gpus: str | Sequence[int] | None = None,
        max_cohort: int | None = None,
        tell: Tell = ignore,
        started: float | None = None,
    ) -> "Plan":
        """Check the study before it runs, and predict how long it takes: see ``plan.make_plan``."""
        from pipeline.app.planning.plan import make_plan

        placement = Placement(workers=workers, gpus=gpus)
        return make_plan(self, placement, max_cohort=max_cohort, tell=tell, started=started)

    def run(
        self,
        *,
        workers: int | None = None,
        cluster: Ray | None = None,
        gpus: str | Sequence[int] | None = None,
        max_cohort: int | None = None,
        retry_failed: bool = False,
        progress: Progress | None = None,
        started: float | None = None,
    ) -> StudyResult:
        """Run the study to its end, or go on with it; a notebook shows how far it is.

        Args:
            workers: Worker processes; by default one a core, of GPUs and of a cluster one for each
                share of the study's ``resources``.
            cluster: Where the workers are; by default on this machine.
            gpus: ``all``, or numbers among the machine's visible GPUs, ``[0, 1]``; each worker sees
                one of them.
            max_cohort: The most trials of one shape to train together; by default what keeps
                all workers busy. It changes no row of the table.
            retry_failed: Train the trials that failed in earlier runs again, as new attempts.
            progress: Looks on; by default a notebook shows a table, and all else nothing.
            started: ``time.perf_counter()`` when the user's command began.

        Raises:
            BadInputError: Data, address or home are not usable, or another study was run
                under the name; nothing was written.
            WorkFailedError: Another process runs the study, no worker starts, trials failed in a
                row for one cause, a ledger cannot be written, or MLflow's server stays away.
            StudyFailedError: Trials failed and none is complete; it holds the result.
        """
        from pipeline.app.running import run_study

        placement = Placement(workers=workers, cluster=cluster, gpus=gpus)
        return run_study(
            self,
            placement,
            max_cohort=max_cohort,
            retry_failed=retry_failed,
            progress=progress,
            started=started,
        )
