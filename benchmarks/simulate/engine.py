"""An engine whose workers live in virtual time: a cohort is fitted at once and told later."""

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from operator import itemgetter
from typing import Any

from pipeline.trial import Cohort, EpochScores, Event, TrialOutcome, TrialState

Report = Callable[[EpochScores], None]
Fit = Callable[[Cohort, Any, Report], Sequence[TrialOutcome]]
Timed = tuple[float, Event]

TOGETHER_SECONDS = 0.1
"""News of so many virtual seconds comes together, as to a driver that was busy meanwhile."""


class SimulatedEngine:
    """Runs ``fit`` when a cohort is begun, and delivers its news when their virtual time has come.

    An epoch takes as long as its scores say, and the trials of a cohort are trained side by side.

    Args:
        fit: What a worker does with a cohort.
        n_workers: How many cohorts are trained at a time.

    Attributes:
        now: Virtual seconds since the engine was made.
        busy_seconds: Virtual seconds that the workers have trained, in all.
    """

    def __init__(self, fit: Fit, *, n_workers: int) -> None:
        self.n_workers = n_workers
        self.now = 0.0
        self.busy_seconds = 0.0
        self._fit = fit
        self._context: Any = None
        self._order = count()
        self._waiting: deque[Cohort] = deque()
        self._busy: list[tuple[float, int, deque[Timed]]] = []

    @property
    def n_busy(self) -> int:
        """How many workers are training now."""
        return len(self._busy)

    @property
    def wants_work(self) -> bool:
        """Whether a cohort handed over now would be begun soon: one waits at most."""
        return len(self._waiting) < self.n_workers - self.n_busy + 1

    def open(self, context: Any) -> None:
        """Take the context that ``fit`` gets."""
        self._context = context

    def submit(self, cohort: Cohort) -> None:
        """Hand over a cohort; cohorts are begun in the order in which they come."""
        self._waiting.append(cohort)
        self._feed()

    def events(self, timeout_seconds: float) -> Sequence[Event]:
        """Go on to the next news, and deliver it with what comes just after."""
        del timeout_seconds  # virtual time does not pass by itself
        news: list[Event] = []
        until = self._busy[0][0] + TOGETHER_SECONDS if self._busy else self.now
        while self._busy and self._busy[0][0] <= until:
            news.append(self._next())
        return news

    def close(self) -> None:
        """Forget what is under way."""
        self._waiting.clear()
        self._busy.clear()

    def _next(self) -> Event:
        """Deliver the first news of all; a worker that has no more takes the next cohort."""
        _, order, left = heapq.heappop(self._busy)
        self.now, event = left.popleft()
        if left:
            heapq.heappush(self._busy, (left[0][0], order, left))
        else:
            self._feed()
        return event

    def _feed(self) -> None:
        while self._waiting and self.n_busy < self.n_workers:
            news = self._train(self._waiting.popleft())
            self.busy_seconds += news[-1][0] - self.now
            heapq.heappush(self._busy, (news[0][0], next(self._order), deque(news)))

    def _train(self, cohort: Cohort) -> list[Timed]:
        """Fit a cohort; where that raises, its trials are fitted alone, as real engines do it."""
        told: list[Event] = []
        try:
            outcomes = self._fit(cohort, self._context, told.append)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a trial's fault is its outcome
            if len(cohort.assignments) > 1:
                alone = (self._train(Cohort((one,))) for one in cohort.assignments)
                return sorted((news for one in alone for news in one), key=itemgetter(0))
            outcomes = [_failed(cohort, error, told)]
        return self._timed([*told, *outcomes])

    def _timed(self, news: Sequence[Event]) -> list[Timed]:
        """Say when each piece of news comes; what comes at one time keeps its order."""
        clocks: dict[int, float] = {}
        timed = []
        for event in news:
            lasted = event.epoch_seconds if isinstance(event, EpochScores) else 0.0
            clocks[event.number] = clocks.get(event.number, self.now) + lasted
            timed.append((clocks[event.number], event))
        return sorted(timed, key=itemgetter(0))


def _failed(cohort: Cohort, error: BaseException, told: Sequence[Event]) -> TrialOutcome:
    curve = tuple(news for news in told if isinstance(news, EpochScores))
    number, cause = cohort.numbers[0], f"{type(error).__name__}: {error}"
    return TrialOutcome(number=number, state=TrialState.FAIL, cause=cause, curve=curve)
