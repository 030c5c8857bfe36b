"""Train settings on the workers of an engine, outside a study's search."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pipeline.app.inputs import Data
from pipeline.config import TrialConfig
from pipeline.trial import Assignment, Cohort, Engine, Event, TrialKey, TrialOutcome, Watch

if TYPE_CHECKING:
    from pipeline.engines import LocalEngine
    from pipeline.engines.ray import RayEngine

TICK_SECONDS = 1.0

FIT = "pipeline.learning.cohort.fit:fit_cohort"
"""What a worker does with a cohort; a string, so that the driver need not import torch."""

WatchTraining = Callable[[TrialConfig, Event], None]


class Workers:
    """The workers of an engine, which are handed their data with the first cohort.

    Args:
        engine: Started; whoever started it ends it.
        data: What the workers open.
    """

    def __init__(self, engine: "LocalEngine | RayEngine", data: Data) -> None:
        self._engine = engine
        self._data = data
        self._is_open = False

    @property
    def n_workers(self) -> int:
        """How many cohorts are trained at a time."""
        return self._engine.n_workers

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
        engine = self._engine
        if waiting and not self._is_open:
            self._is_open = True
            engine.open(self._data)
        while waiting or in_flight:
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


def train(
    cohorts: Sequence[Cohort], data: Data, *, n_workers: int, watch: WatchTraining
) -> list[tuple[TrialConfig, TrialOutcome]]:
    """Train cohorts in fresh processes of this machine and collect their outcomes."""
    from pipeline.engines import LocalEngine

    with LocalEngine(FIT, n_workers=min(n_workers, len(cohorts))) as engine:
        return Workers(engine, data).train(cohorts, watch)


def run_assignment(engine: Engine, assignment: Assignment) -> TrialOutcome:
    """Have an idle worker of an engine do one thing, and wait for what comes of it.

    Args:
        engine: With its data opened.
        assignment: What to do; epochs that it reports are passed over.

    Raises:
        EndOfEngineError: No worker can be started.
    """
    engine.submit(Cohort((assignment,)))
    while True:
        for event in engine.events(TICK_SECONDS):
            if isinstance(event, TrialOutcome):
                return event


def train_alone(
    engine: "LocalEngine | RayEngine", assignment: Assignment, data: Data, watch: Watch
) -> TrialOutcome:
    """Train one setting in a fresh process.

    Raises:
        WorkFailedError: No worker starts.
    """
    cohort = Cohort((assignment,))
    workers = Workers(engine, data)
    [(_, outcome)] = workers.train([cohort], lambda _config, event: watch(event))
    return outcome
