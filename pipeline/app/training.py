"""Train settings on this machine's workers, outside a study's search."""

from collections.abc import Callable, Sequence

from pipeline.app import study
from pipeline.app.own import Data
from pipeline.config import TrialConfig
from pipeline.trial import Cohort, Engine, EpochScores, TrialOutcome

TICK_SECONDS = 1.0

WatchTraining = Callable[[TrialConfig, EpochScores | TrialOutcome], None]


def train(
    cohorts: Sequence[Cohort], data: Data, *, n_workers: int, watch: WatchTraining
) -> list[tuple[TrialConfig, TrialOutcome]]:
    """Train cohorts in fresh processes and collect what came of them.

    An engine tells trials apart by number, so a setting's repeats are trained one after another,
    each beside other settings.

    Args:
        cohorts: Begun in this order, as far as that allows.
        data: What the workers open.
        n_workers: At most so many processes.
        watch: Called with each epoch's scores and each outcome.

    Returns:
        Each setting with its outcome, in the order in which they ended.

    Raises:
        WorkFailedError: No worker starts.
    """
    from pipeline.engines import LocalEngine

    waiting = list(cohorts)
    in_flight: dict[int, TrialConfig] = {}
    ended: list[tuple[TrialConfig, TrialOutcome]] = []
    with LocalEngine(study.FIT, n_workers=min(n_workers, len(waiting))) as engine:
        engine.open(data)
        while waiting or in_flight:
            _hand_out(engine, waiting, in_flight)
            for news in engine.events(TICK_SECONDS):
                config = in_flight[news.number]
                if isinstance(news, TrialOutcome):
                    ended.append((in_flight.pop(news.number), news))
                watch(config, news)
    return ended


def _hand_out(engine: Engine, waiting: list[Cohort], in_flight: dict[int, TrialConfig]) -> None:
    """Submit what can be begun soon and has no trial that is in flight already."""
    for cohort in list(waiting):
        if not engine.wants_work:
            return
        if in_flight.keys().isdisjoint(cohort.numbers):
            waiting.remove(cohort)
            in_flight |= {one.config.number: one.config for one in cohort.assignments}
            engine.submit(cohort)
