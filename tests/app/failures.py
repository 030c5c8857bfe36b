"""What a worker does in tests: the real fit, but some trainings fail."""

import os
from collections.abc import Callable, Sequence

from pipeline.learning.cohort.fit import fit_cohort
from pipeline.learning.data import PreparedData
from pipeline.trial import Cohort, EpochScores, TrialOutcome, TrialState


def fit_and_fail(
    cohort: Cohort, data: PreparedData, report: Callable[[EpochScores], None]
) -> Sequence[TrialOutcome]:
    """Fit as always, but fail what ``FAILING`` names: ``7/2`` is trial 7's repeat 2, or ``all``."""
    failing = os.environ["FAILING"].split()
    sound = [
        one
        for one in cohort.assignments
        if not {"all", f"{one.config.number}/{one.config.repeat}"} & set(failing)
    ]
    trained = fit_cohort(Cohort(tuple(sound)), data, report) if sound else []
    done = {outcome.key: outcome for outcome in trained}
    return [
        done.get((number, repeat))
        or TrialOutcome(
            number=number, repeat=repeat, state=TrialState.FAIL, cause="diverged: on purpose"
        )
        for number, repeat in cohort.keys
    ]
