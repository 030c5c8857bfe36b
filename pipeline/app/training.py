"""Train settings on this machine's workers, outside a study's search."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Self

from pipeline.app.inputs import Data
from pipeline.config import TrialConfig
from pipeline.trial import Assignment, Cohort, Engine, Event, TrialKey, TrialOutcome, Watch

TICK_SECONDS = 1.0

FIT = "pipeline.learning.cohort.fit:fit_cohort"
"""What a worker does with a cohort; a string, so that the driver need not import torch."""

WatchTraining = Callable[[TrialConfig, Event], None]


class Workers:
    """Worker processes that are started with the first cohort, and stay until the block is left.

    Args:
        data: What the workers open.
        n_workers: At most so many processes.
    """

    def __init__(self, data: Data, *, n_workers: int) -> None:
        self.n_workers = n_workers
        self._data = data
        self._engine: Engine | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        self._stack.close()

    def train(
        self, cohorts: Sequence[Cohort], watch: WatchTraining
    ) -> list[tuple[TrialConfig, TrialOutcome]]:
        """Train cohorts and collect their outcomes.

        Args:
            cohorts: Begun in this order.
            watch: Called with each epoch's scores and each outcome.

        Returns:
            Each setting with its outcome, in the order in which they ended.

        Raises:
            WorkFailedError: No worker starts.
        """
        waiting = deque(cohorts)
        in_flight: dict[TrialKey, TrialConfig] = {}
        ended: list[tuple[TrialConfig, TrialOutcome]] = []
        while waiting or in_flight:
            engine = self._engine = self._engine or self._start()
            while waiting and engine.wants_work:
                cohort = waiting.popleft()
                in_flight |= {one.key: one.config for one in cohort.assignments}
                engine.submit(cohort)
            for event in engine.events(TICK_SECONDS):
                config = in_flight[event.key]
                if isinstance(event, TrialOutcome):
                    ended.append((in_flight.pop(event.key), event))
                watch(config, event)
        return ended

    def _start(self) -> Engine:
        from pipeline.engines import LocalEngine

        engine = self._stack.enter_context(LocalEngine(FIT, n_workers=self.n_workers))
        engine.open(self._data)
        return engine


def train(
    cohorts: Sequence[Cohort], data: Data, *, n_workers: int, watch: WatchTraining
) -> list[tuple[TrialConfig, TrialOutcome]]:
    """Train cohorts in fresh processes and collect their outcomes: see ``Workers``."""
    with Workers(data, n_workers=min(n_workers, len(cohorts))) as workers:
        return workers.train(cohorts, watch)


def train_alone(assignment: Assignment, data: Data, watch: Watch) -> TrialOutcome:
    """Train one setting in a fresh process.

    Raises:
        WorkFailedError: No worker starts.
    """
    cohort = Cohort((assignment,))
    [(_, outcome)] = train([cohort], data, n_workers=1, watch=lambda _config, event: watch(event))
    return outcome
