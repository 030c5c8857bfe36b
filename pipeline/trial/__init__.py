"""The records that travel between the rooms, and the ports that they travel through."""

from pipeline.trial.assignment import Assignment, Cohort, Cutoffs, TrainedNetwork
from pipeline.trial.bundled import (
    BundledCandidate,
    BundledConfirmation,
    BundledEpoch,
    BundledRun,
    BundledStudy,
    BundledTrial,
)
from pipeline.trial.effects import Effect, answer_json
from pipeline.trial.exported import DESCRIPTION, ExportedNetwork, description_json
from pipeline.trial.interaction import Interaction
from pipeline.trial.overview import Overview
from pipeline.trial.planning import DataSummary, Duration, Fault, Machine, Needs, Speed
from pipeline.trial.ports import (
    NO_RUNS,
    Engine,
    Event,
    KnownRuns,
    Ledger,
    Progress,
    Tell,
    Watch,
    ignore,
)
from pipeline.trial.ranking import Best, FinalistSetting, Ranked, find_best, rank
from pipeline.trial.records import (
    PHASES,
    Facts,
    TrialOutcome,
    TrialRecord,
    TrialState,
    sha256_of,
)
from pipeline.trial.row import TrialRow
from pipeline.trial.scores import (
    Curve,
    EpochScores,
    FoldScores,
    SealedScores,
    TrialKey,
    curve_sha256,
    shared_scores,
)
from pipeline.trial.search_summary import ModelGain, SearchSummary, SmallerNetwork
from pipeline.trial.settled import Settled
from pipeline.trial.snapshots import (
    WEIGHTS_LEFT_OUT,
    OtherRun,
    Point,
    RecordedTrial,
    RunRank,
    RunSnapshot,
    StudyRuns,
)
from pipeline.trial.study_state import StudyState
from pipeline.trial.time_spent import RunTime, TimeSpent
from pipeline.trial.warm_start import TakenOutcome, WarmStart

__all__ = [
    "DESCRIPTION",
    "NO_RUNS",
    "PHASES",
    "WEIGHTS_LEFT_OUT",
    "Assignment",
    "Best",
    "BundledCandidate",
    "BundledConfirmation",
    "BundledEpoch",
    "BundledRun",
    "BundledStudy",
    "BundledTrial",
    "Cohort",
    "Curve",
    "Cutoffs",
    "DataSummary",
    "Duration",
    "Effect",
    "Engine",
    "EpochScores",
    "Event",
    "ExportedNetwork",
    "Facts",
    "Fault",
    "FinalistSetting",
    "FoldScores",
    "Interaction",
    "KnownRuns",
    "Ledger",
    "Machine",
    "ModelGain",
    "Needs",
    "OtherRun",
    "Overview",
    "Point",
    "Progress",
    "Ranked",
    "RecordedTrial",
    "RunRank",
    "RunSnapshot",
    "RunTime",
    "SealedScores",
    "SearchSummary",
    "Settled",
    "SmallerNetwork",
    "Speed",
    "StudyRuns",
    "StudyState",
    "TakenOutcome",
    "Tell",
    "TimeSpent",
    "TrainedNetwork",
    "TrialKey",
    "TrialOutcome",
    "TrialRecord",
    "TrialRow",
    "TrialState",
    "WarmStart",
    "Watch",
    "answer_json",
    "curve_sha256",
    "description_json",
    "find_best",
    "ignore",
    "rank",
    "sha256_of",
    "shared_scores",
]
