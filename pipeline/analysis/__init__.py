"""Answers from records."""

from pipeline.analysis.audit import audit, run_of
from pipeline.analysis.candidates import (
    Candidate,
    Choice,
    Repeat,
    choose_candidates,
    without_dropout,
)
from pipeline.analysis.comparison import Comparison, Verdict, compare
from pipeline.analysis.confirmation import Confirmation, judge
from pipeline.analysis.findings import Action, Finding, Kind
from pipeline.analysis.intervals import Interval
from pipeline.analysis.race import race
from pipeline.analysis.recovery import (
    as_recorded,
    can_take,
    known_failure,
    known_outcome,
    refusal,
)

__all__ = [
    "Action",
    "Candidate",
    "Choice",
    "Comparison",
    "Confirmation",
    "Finding",
    "Interval",
    "Kind",
    "Repeat",
    "Verdict",
    "as_recorded",
    "audit",
    "can_take",
    "choose_candidates",
    "compare",
    "judge",
    "known_failure",
    "known_outcome",
    "race",
    "refusal",
    "run_of",
    "without_dropout",
]
