"""The driver: the one process that suggests trials, hands them out and records their outcomes.

Lagged blocks: trial *n* belongs to block *b* = *n* // ``search.block``; what it tries and when it
is stopped follow from the outcomes of blocks up to *b* - 2 alone. In a study with a gate the trials
of half a block pause after their first epochs; once all are there, it is decided which go on, and
only then the next half is asked for. So the table of trials is a function of the study file and the
data, for any number of workers, any delays, and any grouping of trials into cohorts.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import replace

from pipeline.config import StudyConfig, TrialConfig
from pipeline.errors import WorkFailedError
from pipeline.search.blocks import Blocks, resolve
from pipeline.search.cohorts import form_cohorts
from pipeline.search.storage.lease import LeaseLostError
from pipeline.search.storage.store import TrialStore
from pipeline.search.time_ledger import Activity, TimeLedger
from pipeline.trial import (
    Assignment,
    Cohort,
    Engine,
    Event,
    Ledger,
    Progress,
    RunTime,
    SearchSummary,
    TrialOutcome,
    TrialRow,
    TrialState,
    ignore,
)

TICK_SECONDS = 0.5
"""The driver waits at most so long for news, since the ledger's buffer is flushed in between."""
Summarise = Callable[[StudyConfig, TrialStore], SearchSummary | None]
Conclude = Callable[[Sequence[TrialRow]], None]


class Driver:
    """Runs a study, or goes on with it.

    Args:
        study: The study file.
        store: Optuna's trials.
        ledger: Where people browse the study.
        engine: Where trials are trained.
        seconds: The time ledger.
        progress: Looks on: cohorts that are handed out, epochs, outcomes.
        recorded: Called with a trial's number once both ledgers hold its end.
        max_cohort: The most trials of one shape to train together; by default what keeps all
            workers busy. It changes no row of the table.

    Attributes:
        summary: What the search has come to, once it has run; ``None`` where there is nothing to
            say, or where it was interrupted.
    """

    def __init__(  # noqa: PLR0913 - the rooms of a run, and who looks on
        self,
        study: StudyConfig,
        *,
        store: TrialStore,
        ledger: Ledger,
        engine: Engine,
        seconds: TimeLedger,
        progress: Progress | None = None,
        recorded: Callable[[int], None] = ignore,
        max_cohort: int | None = None,
    ) -> None:
        self._study = study
        self._store = store
        self._ledger = ledger
        self._engine = engine
        self._seconds = seconds
        self._progress = progress or Progress()
        self._recorded = recorded
        self._max_cohort = max_cohort
        self._blocks = Blocks(
            study,
            store.suggested(),
            store.finished(),
            n_acknowledged=store.n_acknowledged,
            finalists=store.finalists(),
            settled=store.settled,
            warm_start=store.warm_start,
        )
        self._asked: deque[Cohort] = deque()
        self._going_on: deque[Cohort] = deque()
        self._at_work: set[int] = set()
        self._paused: dict[int, TrialOutcome] = {}
        self._in_flight: dict[int, TrialConfig] = {}
        self._epochs: dict[int, int] = {}
        self._deadline = self._find_deadline()
        self.summary: SearchSummary | None = None

    def run(
        self, summarise: Summarise | None = None, conclude: Conclude = ignore
    ) -> list[TrialRow]:
        """Train what is left to train.

        On an interruption (Ctrl-C, an engine that ends) unfinished trials are set to WAITING in
        both ledgers before the exception propagates.

        Args:
            summarise: Finds what the search has come to, once it has run; the ledger is given it.
            conclude: Called then with the table, while the engine's workers are idle.

        Returns:
            The study's table.

        Raises:
            WorkFailedError: Trials failed in a row for one cause, or a ledger cannot be written.
            LeaseLostError: Another process has taken the study over; nothing more was written.
        """
        with closing(self._engine):
            with self._seconds.starting("mlflow"):
                self._ledger.open(self._study, self._store.known_runs, self._store.warm_start)
            try:
                with self._seconds.starting("mlflow"):
                    note_runs(self._store, self._ledger)
                self._go()
                if summarise:
                    with self._spent("sampling"):
                        self.summary = summarise(self._study, self._store)
                self._store.keep()
                with self._spent("mlflow"):
                    conclude(self._store.rows())
            except LeaseLostError:
                raise
            except BaseException:
                with suppress(WorkFailedError):  # the first failure is the one to report
                    self._release_unfinished()
                raise
            rows = self._release_unfinished()
        self._refuse_repeated_failure()
        return rows

    def _release_unfinished(self) -> list[TrialRow]:
        self._engine.close()
        with self._spent("mlflow"):
            return release_unfinished(
                self._study,
                self._store,
                self._ledger,
                summary=self.summary,
                spent=self._seconds.of_run(),
            )

    def _refuse_repeated_failure(self) -> None:
        """End with an error where trials failed in a row; the next run is not stopped by them."""
        if failure := self._blocks.repeated_failure:
            self._store.acknowledge_failures()
            raise WorkFailedError(failure.message(self._study.name))

    def _go(self) -> None:
        self._hand_out()
        while self._at_work:
            with self._spent("waiting"):
                news = self._engine.events(TICK_SECONDS)
            if self._engine.n_busy:
                self._seconds.workers_began()
            for one in news:
                self._take(one)
            self._hand_out()
            self._store.keep()
            with self._spent("mlflow"):
                self._ledger.flush()

    def _hand_out(self) -> None:
        """Hand out work while it is wanted: what has passed the gate first, then new trials."""
        while True:
            if self._blocks.is_judgement_due:
                self._judge()
            if self._going_on:
                if not self._engine.wants_work:
                    return
                self._submit(self._going_on.popleft())
            elif self._asked:
                if not self._may_begin:
                    return
                self._begin(self._asked.popleft())
            elif not (
                self._blocks.is_next_decided and (self._blocks.is_next_finished or self._may_begin)
            ):
                return
            else:
                self._ask()

    def _ask(self) -> None:
        """Ask for a block, store its new trials, and group its unfinished ones into cohorts."""
        with self._spent("sampling"):
            block = self._blocks.ask()
        with self._spent("optuna"):
            if block.settled is not None:
                self._store.note_settled(block.settled)
            self._store.add(self._study, block.first_new, block.suggested, block.finalists)
        self._asked.extend(self._cohorts(block.assignments))

    def _cohorts(self, assignments: Sequence[Assignment]) -> list[Cohort]:
        n_workers = self._engine.n_workers
        return form_cohorts(assignments, n_workers=n_workers, max_cohort=self._max_cohort)

    def _judge(self) -> None:
        """Stop the trials that the gate does not let through, and queue the others anew."""
        judged = self._blocks.judge()
        for number, cause in judged.stopped.items():
            paused = self._paused[number]
            self._finish(replace(paused, state=TrialState.PRUNED, cause=cause))
        self._going_on.extend(self._cohorts(judged.going_on))

    def _begin(self, cohort: Cohort) -> None:
        """Submit a cohort: RUNNING in Optuna first; its MLflow runs are made while it trains."""
        configs = {one.config.number: one.config for one in cohort.assignments}
        with self._spent("optuna"):
            self._store.begin(cohort.numbers)
        self._in_flight |= configs
        self._submit(cohort)
        self._start_runs(configs.values())

    def _submit(self, cohort: Cohort) -> None:
        self._at_work |= set(cohort.numbers)
        self._engine.submit(cohort)
        self._progress.hand_out(cohort)

    def _start_runs(self, configs: Iterable[TrialConfig]) -> None:
        with self._spent("mlflow"):
            started = {config.number: self._ledger.start(config) for config in configs}
        with self._spent("optuna"):
            self._store.note_runs(started)

    def _take(self, event: Event) -> None:
        """Record an epoch or an outcome; a trial trained twice sends its epochs twice."""
        self._store.keep()
        if isinstance(event, TrialOutcome):
            self._at_work.discard(event.number)
            self._seconds.worked(event.seconds)
            (self._pause if event.is_paused else self._finish)(event)
        elif event.epoch > self._epochs.get(event.number, 0):
            self._epochs[event.number] = event.epoch
            with self._spent("mlflow"):
                self._ledger.report(event)
            self._progress.watch(event)

    def _pause(self, outcome: TrialOutcome) -> None:
        """Keep what a trial has come to until the gate; in both ledgers it goes on running."""
        self._paused[outcome.number] = outcome
        self._blocks.pause(TrialRow.of(self._in_flight[outcome.number], outcome))

    def _finish(self, outcome: TrialOutcome) -> None:
        """Record an outcome; Optuna's state is written last and makes the trial finished."""
        config = self._in_flight[outcome.number]
        outcome = _with_epochs_of(self._paused.pop(outcome.number, None), outcome)
        with self._spent("mlflow"):
            self._ledger.finish(config, outcome)
        with self._spent("optuna"):
            self._store.finish(outcome)
        del self._in_flight[outcome.number]
        self._epochs.pop(outcome.number, None)
        self._blocks.finish(TrialRow.of(config, outcome))
        self._recorded(outcome.number)
        self._progress.watch(outcome)

    @property
    def _may_begin(self) -> bool:
        """Whether a trial that was not begun yet may be, now."""
        return self._engine.wants_work and time.monotonic() <= self._deadline

    def _spent(self, activity: Activity) -> AbstractContextManager[None]:
        return self._seconds.spent_on(activity, n_busy=self._engine.n_busy)

    def _find_deadline(self) -> float:
        limit = self._study.search.max_seconds
        return float("inf") if limit is None else time.monotonic() + limit


def _with_epochs_of(paused: TrialOutcome | None, outcome: TrialOutcome) -> TrialOutcome:
    """The outcome, with the epochs before the pause where its worker died before it said them."""
    if paused is None or len(outcome.curve) >= len(paused.curve):
        return outcome
    return replace(outcome, curve=paused.curve)


def release_unfinished(
    study: StudyConfig,
    store: TrialStore,
    ledger: Ledger,
    *,
    summary: SearchSummary | None = None,
    spent: RunTime | None = None,
) -> list[TrialRow]:
    """Release unfinished trials and give each an MLflow run, including those of earlier runs.

    Args:
        study: The study; nobody trains its trials any more.
        store: Its trials.
        ledger: Open; this closes it.
        summary: What the ledger is to say of the search.
        spent: Where the seconds of this run went.

    Returns:
        The study's table.
    """
    store.keep()
    left = [row for row in store.rows() if not row.state.is_finished]
    for row in left:  # all of them before MLflow, which may not answer
        if row.state is TrialState.RUNNING:
            store.release(row.number)
    for row in left:
        if row.run_id is None:
            ledger.start(resolve(study, row.number, row.params, row.finalist))
        ledger.release(row.number)
    ledger.close(store.state(summary, spent))
    note_runs(store, ledger)
    return store.rows()


def note_runs(store: TrialStore, ledger: Ledger) -> None:
    """Store the MLflow run ids of trials whose run was made after Optuna's last write."""
    bare = [row for row in store.rows() if row.run_id is None]
    run_ids = ledger.run_ids if bare else {}
    found = [row for row in bare if row.number in run_ids]
    store.note_runs({row.number: run_ids[row.number] for row in found if not row.state.is_finished})
    store.note_late_runs(
        {row.number: run_ids[row.number] for row in found if row.state.is_finished}
    )
