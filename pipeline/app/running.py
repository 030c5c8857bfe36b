"""A study's run: the rooms put together that search, train and record."""

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from pipeline.app import checks, trust
from pipeline.app.first_batch import try_first_batch
from pipeline.app.inputs import find_study_classes, locate_data
from pipeline.app.outage import patiently
from pipeline.app.placement.engine import start_engine
from pipeline.app.placement.placement import Job, Placement
from pipeline.app.progress.notebook import NotebookProgress
from pipeline.app.registration import StudyModels
from pipeline.app.result import StudyFailedError, StudyResult
from pipeline.config import StudyConfig
from pipeline.trial import Progress, SearchSummary, WarmStart

if TYPE_CHECKING:
    from pipeline.app.study import Study
    from pipeline.learning.checkpoints import CheckpointFolder
    from pipeline.learning.data import Source
    from pipeline.search.storage.store import TrialStore
    from pipeline.search.time_ledger import TimeLedger


def run_study(
    study: "Study",
    placement: Placement,
    *,
    max_cohort: int | None,
    retry_failed: bool,
    progress: Progress | None,
    started: float | None,
) -> StudyResult:
    """Run a study to its end, or go on with it: see ``Study.run``."""
    begun = started or time.perf_counter()
    shown = progress or NotebookProgress.here(study.config) or Progress()

    run = partial(
        _run,
        study,
        placement,
        max_cohort=max_cohort,
        retry_failed=retry_failed,
        progress=shown,
        started=begun,
    )
    return patiently(run, study.workspace, shown.tell)


def _run(
    study: "Study",
    placement: Placement,
    *,
    max_cohort: int | None,
    retry_failed: bool,
    progress: Progress,
    started: float,
) -> StudyResult:
    from pipeline.learning.checkpoints import CheckpointFolder, Resumable
    from pipeline.locks import hold_study
    from pipeline.search.driver import Driver
    from pipeline.search.failure_limit import describe_failed_study
    from pipeline.search.time_ledger import TimeLedger

    config, workspace = study.config, study.workspace
    workspace.check_home(to_write=True)
    code = find_study_classes(config, workspace, study.file)
    with (
        hold_study(workspace.home, config.name),
        # Before all else: the workers' imports take longest, and the rest is done meanwhile.
        start_engine(placement, _job(study, code), tell=progress.tell) as engine,
    ):
        seconds = TimeLedger(started, n_workers=engine.n_workers, tell=progress.begin_step)
        with seconds.starting("checks"):
            stored = checks.stored_trials(config, workspace)
            source = _check(study, stored)
            warm_start = checks.find_warm_start(config, workspace, where=study.file)
        with seconds.starting("data"):
            data = checks.prepare_study_data(
                config, workspace, source, where=study.file, tell=progress.begin_step
            )
        checkpoints = CheckpointFolder(workspace.checkpoints.resolve() / config.name)
        engine.open(Resumable(data, checkpoints))
        if code and stored is None:
            with seconds.starting("first_batch"):
                try_first_batch(config, engine, where=study.file)
        trust.remember(config.name, code, workspace)
        with _held_store(study, seconds, warm_start, retry_failed=retry_failed) as store:
            progress.take_up(store.rows())
            with seconds.starting("mlflow"):
                ledger = workspace.make_ledger(progress.tell)
            driver = Driver(
                config,
                store=store,
                ledger=ledger,
                engine=engine,
                seconds=seconds,
                progress=progress,
                recorded=checkpoints.remove,
                max_cohort=max_cohort,
            )
            models = StudyModels(workspace, config, engine, progress.begin_step)
            with _only_unfinished(checkpoints, store), _imports_frozen():
                rows = driver.run(_summarise, models.register)
            settled, warm_start = store.settled, store.warm_start
    result = StudyResult(
        study=config.name,
        trials=rows,
        settled=settled,
        warm_start=warm_start,
        search=driver.summary,
        models=models.registered,
        seconds=seconds.summary(),
        start_up=seconds.start_up(),
        machinery=seconds.machinery(),
        workspace=workspace,
    )
    if problem := describe_failed_study(config.name, rows):
        raise StudyFailedError(problem, result)
    return result


def _job(study: "Study", code: Sequence[trust.CustomCode]) -> Job:
    resources = study.config.resources
    return Job(config=study.config, resources=resources, code=code, where=study.file)


@contextmanager
def _held_store(
    study: "Study", seconds: "TimeLedger", warm_start: WarmStart | None, *, retry_failed: bool
) -> "Iterator[TrialStore]":
    """Open Optuna's storage and hold the study there, too: other homes may share it."""
    from pipeline.search.storage.lease import hold
    from pipeline.search.storage.opening import open_storage
    from pipeline.search.storage.store import TrialStore

    with ExitStack() as held:
        with seconds.starting("optuna"):
            workspace = study.workspace
            storage = open_storage(workspace.storage, workspace.journal, to_write=True)
            assert storage is not None, "a writer makes the storage"  # noqa: S101
            lease = held.enter_context(hold(storage, study.config.name, workspace.home))
            store = TrialStore.create(storage, study.config, lease, warm_start)
            if retry_failed:
                store.retry_failed()
        yield store


def _check(study: "Study", stored: "TrialStore | None") -> "Source | None":
    """Find everything that is wrong before anything is written."""
    checks.check_same(study.config, stored, where=study.file)
    study.workspace.confine_artifacts()
    checks.check_classes(study.config, where=study.file)
    source = locate_data(study.config.data, study.workspace, where=study.file)
    checks.check_tracking(study.workspace)
    return source


def _summarise(study: StudyConfig, store: "TrialStore") -> SearchSummary | None:
    from pipeline.app.browse import note_answer
    from pipeline.search.answers.summary import summary_of  # scipy takes 1 s to import

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
