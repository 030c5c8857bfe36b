"""The records that travel between the rooms, and the ports that they travel through."""

from pipeline.trial.ports import NO_RUNS, Engine, Event, KnownRuns, Ledger, Tell, Watch, ignore
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
    "Event",
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
    "Tell",
    "TrialKey",
    "TrialOutcome",
    "TrialRecord",
    "TrialRow",
    "TrialState",
    "Watch",
    "best_row",
    "curve_sha256",
    "ignore",
    "sha256_of",
]
