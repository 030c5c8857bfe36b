"""Study: a study file with the rooms put together that run it."""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pipeline.app import checks, trust
from pipeline.app.cluster import Job, Placement, Ray, start_engine
from pipeline.app.first_batch import try_first_batch
from pipeline.app.inputs import find_study_classes, locate_data
from pipeline.app.outage import waiting_for_storage
from pipeline.app.progress import NotebookProgress, NotebookRepeats
from pipeline.app.registration import StudyModels
from pipeline.app.result import StudyFailedError, StudyResult
from pipeline.app.workspace import Workspace
from pipeline.config import StudyConfig, check_study, load_study
from pipeline.trial import (
    Event,
    HandOut,
    SearchSummary,
    Tell,
    TrialOutcome,
    TrialRow,
    WarmStart,
    Watch,
    ignore,
)

if TYPE_CHECKING:
    from pipeline.analysis.study_difference import StudyDifference
    from pipeline.app.bundle import Bundle, Weights
    from pipeline.app.confirmed import ConfirmedStudy
    from pipeline.app.export import Exported, Format, Target
    from pipeline.app.planned import Plan
    from pipeline.app.refit import Refit
    from pipeline.app.report import Report
    from pipeline.app.reproduce import Reproduction
    from pipeline.learning.checkpoints import CheckpointFolder
    from pipeline.learning.data import Source
    from pipeline.learning.lightning import LightningModule
    from pipeline.search.store import TrialStore
    from pipeline.search.time_ledger import TimeLedger


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
        from pipeline.app.reproduce import reproduce

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
        from pipeline.app.confirm import Candidates

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
        from pipeline.app.bundle import bundle

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
        from pipeline.app.refit import refit

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
        from pipeline.app.plan import make_plan

        placement = Placement(workers=workers, gpus=gpus)
        return make_plan(self, placement, max_cohort=max_cohort, tell=tell, started=started)

    @waiting_for_storage
    def run(  # noqa: PLR0913 - each is an option of the command, or looks on
        self,
        *,
        workers: int | None = None,
        cluster: Ray | None = None,
        gpus: str | Sequence[int] | None = None,
        max_cohort: int | None = None,
        retry_failed: bool = False,
        begun: Callable[[Sequence[TrialRow]], None] = ignore,
        watch: Watch = ignore,
        hand_out: HandOut = ignore,
        tell: Tell = ignore,
        begin_step: Tell = ignore,
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
            begun: Called once, with the table as earlier runs left it.
            watch: Called with each epoch's scores and each outcome; a notebook then shows nothing.
            hand_out: Called with each cohort that the workers are handed.
            tell: Called with one line where an MLflow server or Optuna's storage is waited for.
            begin_step: Called with what the start-up waits for: a key of ``tally.STEPS``, or words;
                with an empty text once workers train.
            started: ``time.perf_counter()`` when the user's command began.

        Raises:
            BadInputError: Data, address or home are not usable, or another study was run
                under the name; nothing was written.
            WorkFailedError: Another process runs the study, no worker starts, trials failed in a
                row for one cause, a ledger cannot be written, or MLflow's server stays away.
            StudyFailedError: Trials failed and none is complete; it holds the result.
        """
        if watch is ignore and (progress := NotebookProgress.here(self.config)):
            begun, watch, tell = progress.take_up, progress.watch, progress.tell
            hand_out, begin_step = progress.hand_out, progress.begin_step
        from pipeline.learning.checkpoints import CheckpointFolder, Resumable
        from pipeline.locks import hold_study
        from pipeline.search.driver import Driver
        from pipeline.search.failure_limit import describe_failed_study
        from pipeline.search.time_ledger import TimeLedger

        started = started or time.perf_counter()
        placement = Placement(workers=workers, cluster=cluster, gpus=gpus)
        self.workspace.check_home(to_write=True)
        code = find_study_classes(self.config, self.workspace, self.file)
        with (
            hold_study(self.workspace.home, self.config.name),
            # Before all else: the workers' imports take longest, and the rest is done meanwhile.
            start_engine(placement, self._job(code), tell=tell) as engine,
        ):
            seconds = TimeLedger(started, n_workers=engine.n_workers, tell=begin_step)
            with seconds.starting("checks"):
                stored = checks.stored_trials(self.config, self.workspace)
                source = self._check(stored)
                warm_start = checks.find_warm_start(self.config, self.workspace, where=self.file)
            with seconds.starting("data"):
                data = checks.prepare_study_data(
                    self.config, self.workspace, source, where=self.file, tell=begin_step
                )
            checkpoints = CheckpointFolder(self.workspace.checkpoints.resolve() / self.config.name)
            engine.open(Resumable(data, checkpoints))
            if code and stored is None:
                with seconds.starting("first_batch"):
                    try_first_batch(self.config, engine, where=self.file)
            trust.remember(self.config.name, code, self.workspace)
            with self._held_store(seconds, warm_start, retry_failed=retry_failed) as store:
                begun(store.rows())
                with seconds.starting("mlflow"):
                    ledger = self.workspace.make_ledger(tell)
                driver = Driver(
                    self.config,
                    store=store,
                    ledger=ledger,
                    engine=engine,
                    seconds=seconds,
                    watch=_removing(checkpoints, watch),
                    hand_out=hand_out,
                    max_cohort=max_cohort,
                )
                models = StudyModels(self.workspace, self.config, engine, begin_step)
                with _only_unfinished(checkpoints, store), _imports_frozen():
                    rows = driver.run(_summarise, models.register)
                settled, warm_start = store.settled, store.warm_start
        result = StudyResult(
            study=self.config.name,
            trials=rows,
            settled=settled,
            warm_start=warm_start,
            search=driver.summary,
            models=models.registered,
            seconds=seconds.summary(),
            start_up=seconds.start_up(),
            machinery=seconds.machinery(),
            workspace=self.workspace,
        )
        if problem := describe_failed_study(self.config.name, rows):
            raise StudyFailedError(problem, result)
        return result

    def _job(self, code: Sequence[trust.CustomCode]) -> Job:
        resources = self.config.resources
        return Job(config=self.config, resources=resources, code=code, where=self.file)

    @contextmanager
    def _held_store(
        self, seconds: "TimeLedger", warm_start: WarmStart | None, *, retry_failed: bool
    ) -> "Iterator[TrialStore]":
        """Open Optuna's storage and hold the study there, too: other homes may share it."""
        from pipeline.search.lease import hold
        from pipeline.search.storage import open_storage
        from pipeline.search.store import TrialStore

        with ExitStack() as held:
            with seconds.starting("optuna"):
                workspace = self.workspace
                storage = open_storage(workspace.storage, workspace.journal, to_write=True)
                assert storage is not None, "a writer makes the storage"  # noqa: S101
                lease = held.enter_context(hold(storage, self.config.name, workspace.home))
                store = TrialStore.create(storage, self.config, lease, warm_start)
                if retry_failed:
                    store.retry_failed()
            yield store

    def _check(self, stored: "TrialStore | None") -> "Source | None":
        """Find everything that is wrong before anything is written."""
        checks.check_same(self.config, stored, where=self.file)
        self.workspace.confine_artifacts()
        checks.check_classes(self.config, where=self.file)
        source = locate_data(self.config.data, self.workspace, where=self.file)
        checks.check_tracking(self.workspace)
        return source


def _removing(checkpoints: "CheckpointFolder", watch: Watch) -> Watch:
    """Remove a trial's checkpoint as soon as both ledgers hold its end."""

    def remove_and_watch(event: Event) -> None:
        if isinstance(event, TrialOutcome):
            checkpoints.remove(event.number)
        watch(event)

    return remove_and_watch


def _summarise(study: StudyConfig, store: "TrialStore") -> SearchSummary | None:
    from pipeline.app.browse import note_answer
    from pipeline.search.summary import summary_of  # scipy takes 1 s to import

    summary = summary_of(study, store)
    note_answer(store, summary)
    return summary


@contextmanager
def _only_unfinished(checkpoints: "CheckpointFolder", store: "TrialStore") -> Iterator[None]:
    """Keep no checkpoint but those of unfinished trials, before a run and after it."""

    def remove_finished() -> None:
        checkpoints.remove_others({row.number for row in store.rows() if not row.state.is_finished})

    remove_finished()
    yield
    remove_finished()


@contextmanager
def _imports_frozen() -> Iterator[None]:
    """Spare the garbage collector what is imported: it would look through it each time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
