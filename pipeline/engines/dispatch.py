"""Which cohorts wait, and what becomes of the trials of a worker that died; every engine's."""

from collections import deque

from pipeline.trial import Cohort, EpochScores, Event, TrialKey, TrialOutcome, TrialState

MAX_RESTARTS = 3
"""A trial fails if its worker dies more often than this."""
MAX_GROUP_DEATHS = 2
"""After so many deaths of its worker a trial is retrained alone, to find the faulty one."""


class Dispatch:
    """The cohorts that wait, in order, and the epochs and deaths of the trials that are trained.

    If the worker of a cohort dies, its unfinished trials are trained together once more, then one
    by one: only the one that kills its worker each time fails.
    """

    def __init__(self) -> None:
        self._queue: deque[Cohort] = deque()
        self._deaths: dict[TrialKey, int] = {}
        self._curves: dict[TrialKey, dict[int, EpochScores]] = {}

    def __len__(self) -> int:
        """How many cohorts wait."""
        return len(self._queue)

    def submit(self, cohort: Cohort) -> None:
        """Queue a cohort behind all others."""
        self._queue.append(cohort)

    def put_back(self, cohort: Cohort) -> None:
        """Queue a cohort that was not begun before all others."""
        self._queue.appendleft(cohort)

    def next(self) -> Cohort | None:
        """Take the first cohort; ``None`` where none waits."""
        return self._queue.popleft() if self._queue else None

    def clear(self) -> None:
        """Let none wait."""
        self._queue.clear()

    def note(self, event: Event) -> None:
        """Remember an epoch until its trial has ended."""
        if isinstance(event, TrialOutcome):
            self._curves.pop(event.key, None)
        else:
            self._curves.setdefault(event.key, {}).setdefault(event.epoch, event)

    def died(self, cohort: Cohort, pending: set[TrialKey]) -> list[TrialOutcome]:
        """Queue the unfinished trials of a worker that died, before all others.

        Args:
            cohort: What it was training.
            pending: The trials of it that had not ended.

        Returns:
            The outcomes of those that have lost too many workers.
        """
        rest = [one for one in cohort.assignments if one.key in pending]
        for assignment in rest:
            self._deaths[assignment.key] = self._deaths.get(assignment.key, 0) + 1
        n_deaths = max(self._deaths[assignment.key] for assignment in rest)
        if n_deaths > MAX_RESTARTS:
            return [self._lost(assignment.key) for assignment in rest]
        parts = [[one] for one in rest] if n_deaths >= MAX_GROUP_DEATHS else [rest]
        self._queue.extendleft(Cohort(tuple(part)) for part in reversed(parts))
        return []

    def _lost(self, key: TrialKey) -> TrialOutcome:
        cause = f"worker lost: it died {self._deaths[key]} times while it trained this trial"
        curve = tuple(self._curves.pop(key, {}).values())
        number, repeat = key
        return TrialOutcome(
            number=number, repeat=repeat, state=TrialState.FAIL, cause=cause, curve=curve
        )
