"""The driver: the one process that decides what is tried and writes what came of it.

Lagged blocks: trial *n* stands in block *b* = *n* // ``search.block``; what it tries and when it
is stopped follow from the outcomes of blocks up to *b* - 2 alone. So the table of trials is a
function of the study file and the data, whatever the number of workers and their delays.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing

from pipeline.config import Params, StudyConfig, TrialConfig
from pipeline.search.seconds import SecondsLedger
from pipeline.search.stopping import cutoffs
from pipeline.search.store import TrialStore
from pipeline.search.suggest import Seen, make_suggester
from pipeline.trial import (
    Assignment,
    Cohort,
    Engine,
    EpochScores,
    Ledger,
    TrialOutcome,
    TrialRow,
    TrialState,
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
    ) -> None:
        """Take up what earlier runs have finished; nothing is written yet."""
        self._study = study
        self._store = store
        self._ledger = ledger
        self._engine = engine
        self._seconds = seconds
        self._watch = watch
        self._suggester = make_suggester(study)
        self._suggested = store.suggested()
        self._finished = {seen.number: seen for seen in store.seen()}
        self._in_flight: dict[int, TrialConfig] = {}
        self._epochs: dict[int, int] = {}
        self._next = 0
        self._n_told = 0
        self._deadline = self._find_deadline()

    def run(self) -> list[TrialRow]:
        """Train what is left to train.

        An interruption (Ctrl-C, an engine that ends) notes the trials in flight as waiting in
        both ledgers before it goes on its way.

        Returns:
            The study's table.
        """
        with closing(self._engine):
            self._ledger.open(self._study)
            is_done = False
            try:
                self._go()
                is_done = self._next == self._study.search.trials
            finally:
                self._engine.close()
                rows = self._settle(is_done=is_done)
        return rows

    def _settle(self, *, is_done: bool) -> list[TrialRow]:
        """Leave nothing running, be it of this run or of one that was killed before it."""
        with self._writing():
            running = [row.number for row in self._store.rows() if row.state is TrialState.RUNNING]
            for number in running:
                self._store.release(number)
            for number in running:
                self._ledger.release(number)
            rows = self._store.rows()
            self._ledger.close(rows, is_done=is_done)
        return rows

    def _go(self) -> None:
        self._hand_out()
        while self._in_flight:
            news = self._engine.events(TICK_SECONDS)
            if self._engine.n_busy:
                self._seconds.workers_began()
            for one in news:
                self._take(one)
            self._hand_out()
            with self._writing():
                self._ledger.flush()

    def _hand_out(self) -> None:
        while self._next < self._study.search.trials and self._is_decided(self._next):
            if self._next in self._finished:
                self._suggester.restore(self._next, self._suggested[self._next])
            elif not self._engine.wants_work or time.monotonic() > self._deadline:
                return
            else:
                self._begin(self._next)
            self._next += 1

    def _is_decided(self, number: int) -> bool:
        """Whether all that this trial may see has happened; if so, it is made visible."""
        visible = self._visible(number)
        while self._n_told < visible and self._n_told in self._finished:
            self._suggester.tell(self._finished[self._n_told])
            self._n_told += 1
        return self._n_told >= visible

    def _visible(self, number: int) -> int:
        """How many trials, counted from the first, a trial may see the outcomes of."""
        return max(number // self._study.search.block - 1, 0) * self._study.search.block

    def _begin(self, number: int) -> None:
        with self._seconds.spent_on("sampling", n_busy=self._engine.n_busy):
            params = self._params(number)
            seen = [self._finished[past] for past in range(self._visible(number))]
            limits = cutoffs(self._study, number, seen)
        config = self._resolve(number, params)
        with self._writing():
            self._write_start(config, params)
        training = self._study.training
        patience = training.early_stopping.patience if training.early_stopping else None
        self._in_flight[number] = config
        self._engine.submit(
            Cohort(
                (
                    Assignment(
                        config=config, epochs=training.epochs, patience=patience, cutoffs=limits
                    ),
                )
            )
        )

    def _params(self, number: int) -> Params:
        if number >= len(self._suggested):
            return self._suggester.ask(number)
        self._suggester.restore(number, self._suggested[number])
        return self._suggested[number]

    def _resolve(self, number: int, params: Params) -> TrialConfig:
        active = self._study.space.active(params["depth"])
        return TrialConfig(
            study=self._study.name,
            number=number,
            study_seed=self._study.search.seed,
            data=self._study.data,
            model=self._study.model,
            training=self._study.training,
            params={name: params[name] for name in active},
        )

    def _write_start(self, config: TrialConfig, params: Params) -> None:
        number = config.number
        if number < len(self._suggested):
            self._store.resume(number)
        else:
            rest = {name: value for name, value in params.items() if name not in config.params}
            self._store.add(self._study, number, config.params, rest)
        self._store.annotate(number, {"run_id": self._ledger.start(config)})

    def _take(self, news: News) -> None:
        """Take an epoch or an outcome; a trial trained twice sends its epochs twice."""
        if isinstance(news, TrialOutcome):
            self._finish(news)
        elif news.epoch > self._epochs.get(news.number, 0):
            self._epochs[news.number] = news.epoch
            self._ledger.report(news)
            self._watch(news)

    def _finish(self, outcome: TrialOutcome) -> None:
        """Write an outcome: Optuna's state comes last, and only then is the trial finished."""
        with self._writing():
            self._ledger.finish(self._in_flight[outcome.number], outcome)
            self._store.finish(outcome)
        del self._in_flight[outcome.number]
        self._epochs.pop(outcome.number, None)
        self._finished[outcome.number] = Seen.of(outcome)
        self._seconds.worked(outcome.seconds)
        self._watch(outcome)

    def _writing(self) -> AbstractContextManager[None]:
        return self._seconds.spent_on("stores", n_busy=self._engine.n_busy)

    def _find_deadline(self) -> float:
        limit = self._study.search.max_seconds
        return float("inf") if limit is None else time.monotonic() + limit
