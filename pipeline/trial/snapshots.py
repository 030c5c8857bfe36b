"""What MLflow holds of a study, as plain values: for the audit and for training again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.trial.records import TrialOutcome, TrialRecord, sha256_of
from pipeline.trial.row import TrialRow
from pipeline.trial.scores import Curve, curve_sha256

Point = tuple[str, int]
"""A metric's name and a step."""
WEIGHTS_LEFT_OUT = "weights_left_out"
"""A run's tag: the bundle that it was imported from did not hold its weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSnapshot:
    """A trial's run as MLflow holds it.

    Attributes:
        row: The trial as the run's tags, parameters and metrics describe it.
        status: MLflow's.
        is_below: Whether the study's run is its parent.
        record: ``record.json``; ``None`` where it is missing or damaged.
        fault: What is wrong with ``record.json``.
        n_metrics: How many metrics the run has, whoever logged them.
        points: All values of each (metric, step), the earliest first.
        curve: Of the earliest values; a score that is not there is NaN.
        files: SHA-256 of each artifact by name.
        lacks_weights: Whether it was imported from a bundle without its weights.
    """

    row: TrialRow
    status: str
    is_below: bool
    record: TrialRecord | None
    fault: str | None
    n_metrics: int
    points: Mapping[Point, Sequence[float]] = field(repr=False)
    curve: Curve = field(repr=False)
    files: Mapping[str, str]
    lacks_weights: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTrial:
    """A finished trial as MLflow holds it, with all that training it again needs.

    Attributes:
        tracking_uri: The MLflow that it was read from.
        run_name: ``trial-012``; of a repeat or a refit, theirs.
        record_sha256: Of the record's file as it is there.
        curve: One entry an epoch; a score that was not finite is absent in MLflow and NaN here.
        weights: The best epoch's weights file as it is there, not checked yet.
        tags: The run's.
        is_refit: Whether it was trained on training and validation rows together.
    """

    tracking_uri: str = field(repr=False)
    run_id: str
    run_name: str
    record: TrialRecord
    record_sha256: str
    curve: Curve = field(repr=False)
    weights: bytes | None = field(repr=False)
    tags: Mapping[str, str] = field(repr=False)
    is_refit: bool = False

    @property
    def lacks_weights(self) -> bool:
        """Whether it was imported from a bundle without its weights: their digest alone is here."""
        return WEIGHTS_LEFT_OUT in self.tags

    @property
    def is_sound(self) -> bool:
        """Whether weights and curve are those that the record was made from."""
        has_curve = curve_sha256(self.curve) == self.record.curves_sha256
        return has_curve and sha256_of(self.weights) == self.record.weights_sha256

    @property
    def outcome(self) -> TrialOutcome:
        """How the training ended; without pictures, files and log."""
        return self.record.outcome(self.curve, self.weights)


class RunRank(NamedTuple):
    """Which of two runs of one trial is the trial's: that of the higher rank, of equals the older.

    A server that is asked twice to make a run makes two.

    Attributes:
        is_named: Whether Optuna's trial names it.
        is_finished: Whether MLflow says FINISHED.
        n_metrics: How many metrics it has.
    """

    is_named: bool
    is_finished: bool
    n_metrics: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRun:
    """A run that is not a trial's: of a reproduction, a confirmation or a refit."""

    run_id: str
    name: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRuns:
    """A study as MLflow holds it.

    Attributes:
        run_id: Of the study's run; ``None`` where MLflow does not have the study.
        status: Of that run.
        settings: Its parameters.
        points: All values of each (metric, step) of its own metrics, the earliest first.
        latest: The latest value of each of its metrics.
        trials: Every run that says it is a trial's, the oldest first.
        moved_from: Where MLflow looks for artifacts, if that is not below the home.
        imported: SHA-256 of the bundle that an import writes, or wrote, the study from.
    """

    run_id: str | None = None
    status: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    points: Mapping[Point, Sequence[float]] = field(default_factory=dict, repr=False)
    latest: Mapping[str, float] = field(default_factory=dict)
    trials: Sequence[RunSnapshot] = ()
    others: Sequence[OtherRun] = ()
    moved_from: str | None = None
    imported: str | None = None
