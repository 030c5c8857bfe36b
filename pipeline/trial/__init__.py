"""The records that travel between the rooms, and the ports that they travel through."""

from pipeline.trial.ports import NO_RUNS, Engine, KnownRuns, Ledger
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
from pipeline.trial.snapshots import OtherRun, Point, RecordedTrial, RunRank, RunSnapshot, StudyRuns

__all__ = [
    "NO_RUNS",
    "PHASES",
    "Assignment",
    "Cohort",
    "Curve",
    "Cutoffs",
    "Engine",
    "EpochScores",
    "Facts",
    "FoldScores",
    "KnownRuns",
    "Ledger",
    "OtherRun",
    "Point",
    "RecordedTrial",
    "RunRank",
    "RunSnapshot",
    "StudyRuns",
    "TrialKey",
    "TrialOutcome",
    "TrialRecord",
    "TrialRow",
    "TrialState",
    "best_row",
    "curve_sha256",
    "sha256_of",
]
