"""Answers from records."""

from pipeline.analysis.audit import audit, run_of
from pipeline.analysis.comparison import Comparison, Verdict, compare
from pipeline.analysis.confirmation import (
    Candidate,
    Confirmation,
    Interval,
    Repeat,
    choose_candidates,
    judge,
)
from pipeline.analysis.findings import Action, Finding, Kind
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
    "refusal",
    "run_of",
]
