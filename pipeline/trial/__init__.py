"""The records that travel between the rooms, and the ports that they travel through."""

from pipeline.trial.holdings import KeptRun, KeptStudy, OtherRun, Point, StoredTrial
from pipeline.trial.ports import Engine, Ledger
from pipeline.trial.records import (
    PHASES,
    Assignment,
    Cohort,
    Cutoffs,
    Facts,
    TrialOutcome,
    TrialRecord,
    TrialRow,
    TrialState,
    best_row,
    sha256_of,
)
from pipeline.trial.scores import Curve, EpochScores, FoldScores, TrialKey, curve_sha256

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
    "KeptRun",
    "KeptStudy",
    "Ledger",
    "OtherRun",
    "Point",
    "StoredTrial",
    "TrialKey",
    "TrialOutcome",
    "TrialRecord",
    "TrialRow",
    "TrialState",
    "best_row",
    "curve_sha256",
    "sha256_of",
]
