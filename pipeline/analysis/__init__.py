"""Answers from records."""

from pipeline.analysis.comparison import Comparison, Kept, Verdict, compare

__all__ = ["Comparison", "Kept", "Verdict", "compare"]
