"""What a worker does in tests: the real fit, with delays at random moments."""

import random
import time
from collections.abc import Callable, Sequence

from pipeline.learning.data import PreparedData
from pipeline.learning.fit import fit_cohort
from pipeline.trial import Cohort, EpochScores, TrialOutcome


def fit_with_delays(
    cohort: Cohort, data: PreparedData, report: Callable[[EpochScores], None]
) -> Sequence[TrialOutcome]:
    """Fit as always, but sleep up to 0.1 s before the trial and after each epoch."""
    clock = random.SystemRandom()

    def report_late(scores: EpochScores) -> None:
        time.sleep(clock.uniform(0, 0.05))
        report(scores)

    time.sleep(clock.uniform(0, 0.1))
    return fit_cohort(cohort, data, report_late)
