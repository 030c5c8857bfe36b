"""What a worker does in tests where every training is to fail; imports no torch."""

from collections.abc import Callable, Sequence
from typing import Any

from pipeline.trial import Cohort, EpochScores, TrialOutcome, TrialState


def fit_nothing(
    cohort: Cohort, _data: Any, _report: Callable[[EpochScores], None]
) -> Sequence[TrialOutcome]:
    """Fail every trial at once."""
    return [
        TrialOutcome(number=number, state=TrialState.FAIL, cause="out of luck")
        for number in cohort.numbers
    ]
