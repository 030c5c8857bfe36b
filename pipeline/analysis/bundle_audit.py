"""Hold what a bundle says of a study to itself: records, curves, weights and table must agree."""

from collections.abc import Iterable

from pipeline.analysis.audit import record_fault, whole_curve
from pipeline.config import NO_TRIAL, TrialConfig
from pipeline.trial import Curve, RunSnapshot, TrialRecord, TrialRow, TrialState


def trial_fault(
    trial: TrialRow, expected: TrialConfig, record: TrialRecord, curve: Curve
) -> str | None:
    """What is off with a finished trial; ``None``: nothing.

    Args:
        trial: Its line of the table.
        expected: What the study file makes of its parameters.
        record: Its record.
        curve: Its epochs.
    """
    if record.trial != expected:
        return "its record is not of this trial of this study"
    if fault := record_fault(trial, _snapshot(trial, record, curve)):
        return f"record.json: {fault}"
    if fault := training_fault(record, curve):
        return fault
    has_failed = trial.state is TrialState.FAIL
    if not has_failed and repr(tuple(one.score for one in curve)) != repr(trial.scores):
        return "its scores are not those of its epochs"
    if trial.state is TrialState.COMPLETE and trial.value != trial.best_score:
        return "its value is not the best of its scores"
    return None


def training_fault(record: TrialRecord, curve: Curve) -> str | None:
    """What is off between the record and the epochs of a training; ``None``: nothing."""
    if record.seeds != record.trial.seeds:
        return "its seeds are not those of the study and its number"
    epochs = [one.epoch for one in curve]
    if epochs != list(range(1, 1 + len(epochs))) or len(epochs) > record.epochs_run:
        return f"it has the epochs {epochs[:5]} … of {record.epochs_run}"
    if record.state is not TrialState.FAIL and whole_curve(curve, record) is None:
        return "its epochs are not those that the record was made from"
    return None


def repeat_fault(
    record: TrialRecord, curve: Curve, trials: Iterable[TrialConfig], *, key: tuple[int, int]
) -> str | None:
    """What is off with a repeat of a confirmation; ``None``: nothing.

    Args:
        record: The repeat's.
        curve: Its epochs.
        trials: What the study trained.
        key: The number and the repeat that it is to be.
    """
    trial = record.trial
    if (trial.number, trial.repeat) != key:
        return f"it is repeat {trial.repeat} of trial {trial.number}"
    changed: dict[str, object] = {"repeat": trial.repeat}
    if trial.number == NO_TRIAL:  # the best setting without its dropout
        changed |= {"number": NO_TRIAL, "params": trial.params, "finalist": None}
    if not any(one.model_copy(update=changed) == trial for one in trials):
        return "it is of no setting that the study trained"
    return training_fault(record, curve)


def _snapshot(trial: TrialRow, record: TrialRecord, curve: Curve) -> RunSnapshot:
    return RunSnapshot(
        row=trial,
        status="FINISHED",
        is_below=True,
        record=record,
        fault=None,
        n_metrics=0,
        points={},
        curve=curve,
        files={},
    )
