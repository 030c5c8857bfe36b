"""Answers from records."""

from pipeline.analysis.comparison import Comparison, Kept, Verdict, compare
from pipeline.analysis.confirmation import (
    Candidate,
    Confirmation,
    Repeat,
    choose_candidates,
    judge,
)
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
