"""Train settings on this machine's workers, outside a study's search."""

from collections import deque
from collections.abc import Callable, Sequence

from pipeline.app import study
from pipeline.app.inputs import Data
from pipeline.config import TrialConfig
from pipeline.trial import Cohort, EpochScores, TrialKey, TrialOutcome

TICK_SECONDS = 1.0

WatchTraining = Callable[[TrialConfig, EpochScores | TrialOutcome], None]


def train(
    cohorts: Sequence[Cohort], data: Data, *, n_workers: int, watch: WatchTraining
) -> list[tuple[TrialConfig, TrialOutcome]]:
    """Train cohorts in fresh processes and collect what came of them.

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
    with LocalEngine(study.FIT, n_workers=min(n_workers, len(waiting))) as engine:
        engine.open(data)
        while waiting or in_flight:
            while waiting and engine.wants_work:
                cohort = waiting.popleft()
                in_flight |= {one.key: one.config for one in cohort.assignments}
                engine.submit(cohort)
            for news in engine.events(TICK_SECONDS):
                config = in_flight[news.key]
                if isinstance(news, TrialOutcome):
                    ended.append((in_flight.pop(news.key), news))
                watch(config, news)
    return ended
