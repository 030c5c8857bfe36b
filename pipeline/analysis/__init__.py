"""Answers from records."""

from pipeline.analysis.comparison import Comparison, Verdict, compare
from pipeline.analysis.confirmation import (
    Candidate,
    Confirmation,
    Repeat,
    choose_candidates,
    judge,
)
from pipeline.analysis.differences import Kept
from pipeline.analysis.interval import Interval

__all__ = [
    "Candidate",
    "Comparison",
    "Confirmation",
    "Interval",
    "Kept",
    "Repeat",
    "Verdict",
    "choose_candidates",
    "compare",
    "judge",
]
