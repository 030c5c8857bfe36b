"""The records that travel between the rooms, and the ports that they travel through."""

from pipeline.trial.ports import Engine, Ledger
from pipeline.trial.records import (
    PHASES,
    Assignment,
    Cohort,
    Curve,
    Cutoffs,
    EpochScores,
    Facts,
    FoldScores,
    TrialOutcome,
    TrialRecord,
    TrialRow,
    TrialState,
    best_row,
    curve_sha256,
    sha256_of,
)

__all__ = [
    "PHASES",
    "Assignment",
    "Cohort",
    "Curve",
    "Cutoffs",
    "Engine",
    "EpochScores",
    "Facts",
    "FoldScores",
    "Ledger",
    "TrialOutcome",
    "TrialRecord",
    "TrialRow",
    "TrialState",
    "best_row",
    "curve_sha256",
    "sha256_of",
]
