"""What a worker does in tests: the real fit, but the first worker kills itself in mid-trial."""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.learning.cohort.fit import fit_cohort
from pipeline.learning.data import PreparedData
from pipeline.trial import Cohort, EpochScores, TrialOutcome


def fit_and_die_once(
    cohort: Cohort, data: PreparedData, report: Callable[[EpochScores], None]
) -> Sequence[TrialOutcome]:
    """Fit as always; trial 5 is killed from outside after its first epoch, once."""
    mark = Path(os.environ["KILLED_ONCE"])

    def report_and_die(scores: EpochScores) -> None:
        report(scores)
        if scores.number >= 5 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.Signals[os.environ["KILLED_WITH"]])

    return fit_cohort(cohort, data, report_and_die)
