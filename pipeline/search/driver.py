"""The driver: the one process that decides what is tried and writes what came of it.

Lagged blocks: trial *n* stands in block *b* = *n* // ``search.block``; what it tries and when it
is stopped follow from the outcomes of blocks up to *b* - 2 alone. So the table of trials is a
function of the study file and the data, whatever the number of workers and their delays, and
whoever is trained together with whom.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, closing, suppress

from pipeline.config import StudyConfig, TrialConfig
from pipeline.errors import WorkFailedError
from pipeline.search.blocks import Blocks
from pipeline.search.cohorts import companies, form_cohorts, largest_cohort
from pipeline.search.seconds import Activity, SecondsLedger
from pipeline.search.settling import note_runs, settle
from pipeline.search.store import TrialStore
from pipeline.trial import (
    Assignment,
    Cohort,
    Engine,
    EpochScores,
    Ledger,
    TrialOutcome,
    TrialRow,
)

TICK_SECONDS = 0.5
"""How long the driver sleeps at most: the ledger's buffer is looked at so often."""

News = EpochScores | TrialOutcome
Watch = Callable[[News], None]


class Driver:
    """Runs a study, or goes on with it.

    Args:
        study: What is asked.
        store: Optuna's trials.
        ledger: What people browse.
        engine: Where trials are trained.
        seconds: The time ledger.
        watch: Called with each epoch's scores and each outcome, once.
        cohort: Train at most so many trials of one shape together; by default what keeps all
            workers busy. It changes no row of the table.
    """

    def __init__(
        self,
        study: StudyConfig,
        *,
        store: TrialStore,
        ledger: Ledger,
        engine: Engine,
        seconds: SecondsLedger,
        watch: Watch = lambda _news: None,
        cohort: int | None = None,
    ) -> None:
        """Take up what earlier runs have finished; nothing is written yet."""
        self._study = study
        self._store = store
        self._ledger = ledger
        self._engine = engine
        self._seconds = seconds
        self._watch = watch
        self._most = cohort
        self._blocks = Blocks(study, store.suggested(), store.seen(), n_forgiven=store.n_forgiven)
        self._asked: deque[Cohort] = deque()
        self._in_flight: dict[int, TrialConfig] = {}
        self._epochs: dict[int, int] = {}
        self._deadline = self._find_deadline()

    def run(self) -> list[TrialRow]:
        """Train what is left to train.

        An interruption (Ctrl-C, an engine that ends) notes the trials that were asked for and not
        finished as waiting in both ledgers before it goes on its way.

        Returns:
            The study's table.

        Raises:
            WorkFailedError: Trials failed in a row for one cause, or a ledger cannot be written.
        """
        with closing(self._engine):
            with self._seconds.starting("mlflow"):
                self._ledger.open(self._study)
                note_runs(self._store, self._ledger)
            try:
                self._go()
            except BaseException:
                with suppress(WorkFailedError):  # what follows from the first failure is not told
                    self._settle()
                raise
            rows = self._settle()
        self._refuse_to_fail_on()
        return rows

    def _settle(self) -> list[TrialRow]:
        self._engine.close()
        with self._spent("mlflow"):
            return settle(self._study, self._store, self._ledger)

    def _refuse_to_fail_on(self) -> None:
        """End with an error where trials failed in a row; the next run is not held up by them."""
        if streak := self._blocks.streak:
            self._store.forgive()
            raise WorkFailedError(streak.told_of(self._study.name))

    def _go(self) -> None:
        self._hand_out()
        while self._in_flight:
            with self._spent("waiting"):
                news = self._engine.events(TICK_SECONDS)
            if self._engine.n_busy:
                self._seconds.workers_began()
            for one in news:
                self._take(one)
            self._hand_out()
            with self._spent("mlflow"):
                self._ledger.flush()

    def _hand_out(self) -> None:
        while self._asked or self._blocks.is_next_decided:
            if not self._asked and self._blocks.is_next_finished:
                self._ask()  # of an earlier run: it is only read back
            elif not self._engine.wants_work or time.monotonic() > self._deadline:
                return
            elif self._asked:
                self._begin(self._asked.popleft())
            else:
                self._ask()

    def _ask(self) -> None:
        """Ask for a block, write down what is new of it, and put its trials into cohorts."""
        with self._spent("sampling"):
            block = self._blocks.ask()
        with self._spent("optuna"):
            self._store.add(self._study, block.first_new, block.suggested)
        self._asked.extend(self._form_cohorts(block.assignments))

    def _form_cohorts(self, assignments: Sequence[Assignment]) -> list[Cohort]:
        by_number = {assignment.config.number: assignment for assignment in assignments}
        shapes = {number: one.config.shape for number, one in by_number.items()}
        most = self._most or largest_cohort(len(shapes), n_workers=self._engine.n_workers)
        formed = form_cohorts(companies(shapes), most=most)
        # The longest first: a block that ends with its longest cohort leaves workers idle.
        formed.sort(key=lambda numbers: -sum(shapes[number].work for number in numbers))
        return [Cohort(tuple(by_number[number] for number in numbers)) for numbers in formed]

    def _begin(self, cohort: Cohort) -> None:
        """Hand a cohort over: it runs in Optuna first, and gets its MLflow runs meanwhile."""
        configs = {one.config.number: one.config for one in cohort.assignments}
        with self._spent("optuna"):
            self._store.begin(cohort.numbers)
        self._in_flight |= configs
        self._engine.submit(cohort)
        self._start_runs(configs.values())

    def _start_runs(self, configs: Iterable[TrialConfig]) -> None:
        with self._spent("mlflow"):
            started = {config.number: self._ledger.start(config) for config in configs}
        with self._spent("optuna"):
            self._store.note_runs({number: id_ for number, id_ in started.items() if id_})

    def _take(self, news: News) -> None:
        """Take an epoch or an outcome; a trial trained twice sends its epochs twice."""
        if isinstance(news, TrialOutcome):
            self._finish(news)
        elif news.epoch > self._epochs.get(news.number, 0):
            self._epochs[news.number] = news.epoch
            with self._spent("mlflow"):
                self._ledger.report(news)
            self._watch(news)

    def _finish(self, outcome: TrialOutcome) -> None:
        """Write an outcome: Optuna's state comes last, and only then is the trial finished."""
        with self._spent("mlflow"):
            self._ledger.finish(self._in_flight[outcome.number], outcome)
        with self._spent("optuna"):
            self._store.finish(outcome)
        del self._in_flight[outcome.number]
        self._epochs.pop(outcome.number, None)
        self._blocks.finish(outcome)
        self._seconds.worked(outcome.seconds)
        self._watch(outcome)

    def _spent(self, activity: Activity) -> AbstractContextManager[None]:
        return self._seconds.spent_on(activity, n_busy=self._engine.n_busy)

    def _find_deadline(self) -> float:
        limit = self._study.search.max_seconds
        return float("inf") if limit is None else time.monotonic() + limit
