"""What a worker does in tests: the real fit, with delays at random moments."""

import os
import random
import time
from collections.abc import Callable, Sequence

from pipeline.learning.cohort.fit import fit_cohort
from pipeline.learning.data import PreparedData
from pipeline.trial import Cohort, EpochScores, TrialOutcome


def fit_with_delays(
    cohort: Cohort, data: PreparedData, report: Callable[[EpochScores], None]
) -> Sequence[TrialOutcome]:
    """Fit as always, but sleep up to ``DELAY_SECONDS`` before the trial and after each epoch."""
    clock = random.SystemRandom()
    most = float(os.environ.get("DELAY_SECONDS", "0.05"))

    def report_late(scores: EpochScores) -> None:
        time.sleep(clock.uniform(0, most))
        report(scores)

    time.sleep(clock.uniform(0, 2 * most))
    return fit_cohort(cohort, data, report_late)
