"""Train settings on this machine's workers, outside a study's search."""

from collections import deque
from collections.abc import Callable, Sequence

from pipeline.app.inputs import Data
from pipeline.config import TrialConfig
from pipeline.trial import Assignment, Cohort, Event, TrialKey, TrialOutcome, Watch

TICK_SECONDS = 1.0

FIT = "pipeline.learning.cohort.fit:fit_cohort"
"""What a worker does with a cohort; a string, so that the driver need not import torch."""

WatchTraining = Callable[[TrialConfig, Event], None]


def train(
    cohorts: Sequence[Cohort], data: Data, *, n_workers: int, watch: WatchTraining
) -> list[tuple[TrialConfig, TrialOutcome]]:
    """Train cohorts in fresh processes and collect their outcomes.

    Args:
        cohorts: Begun in this order.
        data: What the workers open.
        n_workers: At most so many processes.
        watch: Called with each epoch's scores and each outcome.

    Returns:
        Each setting with its outcome, in the order in which they ended.

    Raises:
        WorkFailedError: No worker starts.
    """
    from pipeline.engines import LocalEngine

    waiting = deque(cohorts)
    in_flight: dict[TrialKey, TrialConfig] = {}
    ended: list[tuple[TrialConfig, TrialOutcome]] = []
    with LocalEngine(FIT, n_workers=min(n_workers, len(waiting))) as engine:
        engine.open(data)
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


def train_alone(assignment: Assignment, data: Data, watch: Watch) -> TrialOutcome:
    """Train one setting in a fresh process.

    Raises:
        WorkFailedError: No worker starts.
    """
    cohort = Cohort((assignment,))
    [(_, outcome)] = train([cohort], data, n_workers=1, watch=lambda _config, event: watch(event))
    return outcome
