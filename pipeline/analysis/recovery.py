"""Get a finished trial's outcome back: from what is left of it, or from training it again."""

import math
from collections.abc import Mapping
from dataclasses import replace

from pipeline.analysis.audit import LOG, RECORD, WEIGHTS, points_of, sound_record, whole_curve
from pipeline.trial import (
    Curve,
    EpochScores,
    RunSnapshot,
    TrialOutcome,
    TrialRow,
    TrialState,
    curve_sha256,
    sha256_of,
)


def known_outcome(
    trial: TrialRow, run: RunSnapshot, files: Mapping[str, bytes]
) -> TrialOutcome | None:
    """Put an outcome together from what both ledgers hold.

    Args:
        trial: What Optuna holds.
        run: What MLflow holds.
        files: The run's artifacts.

    Returns:
        ``None`` where something is lost that only training again can bring back.
    """
    record = sound_record(trial, run)
    weights = files.get(WEIGHTS) if trial.weights_sha256 else None
    if record is None or RECORD not in files or sha256_of(weights) != trial.weights_sha256:
        return None
    curve = _filled(run.curve, trial.scores)
    if trial.state is not TrialState.FAIL:
        curve = whole_curve(curve, record) or ()
    if len(curve) != len(trial.scores):
        return None
    return TrialOutcome(
        number=trial.number,
        state=trial.state,
        cause=trial.cause,
        curve=curve,
        n_parameters=record.n_parameters,
        weights=weights,
        pictures={name: content for name, content in files.items() if name.endswith(".png")},
        facts=record.facts,
        log=files.get(LOG),
    )


def _filled(curve: Curve, scores: tuple[float, ...]) -> Curve:
    """Take the scores from Optuna; an epoch of which MLflow has nothing is not made up."""
    epochs = {one.epoch: one for one in curve}
    return tuple(
        epochs[epoch].with_score(score)
        for epoch, score in enumerate(scores, start=1)
        if epoch in epochs and math.isfinite(epochs[epoch].epoch_seconds)
    )


def refusal(trial: TrialRow, run: RunSnapshot | None, again: TrialOutcome) -> str | None:
    """Say why a trial that was trained again is not the one that was; ``None``: it is.

    Args:
        trial: What Optuna holds of it.
        run: What MLflow holds of it; its record counts where it agrees with Optuna.
        again: The outcome of training it again.
    """
    has_failed, record = trial.state is TrialState.FAIL, sound_record(trial, run)
    has_curve = not has_failed and record is not None
    checks = (
        (
            has_failed != (again.state is TrialState.FAIL),
            f"it ends {again.state} ({again.cause}) where Optuna says {trial.state}",
        ),
        (
            has_failed and again.cause != trial.cause,
            f"it fails with {again.cause!r} where Optuna says {trial.cause!r}",
        ),
        (
            repr(again.scores) != repr(trial.scores),  # NaN is equal to itself here
            "its scores are not those that Optuna holds",
        ),
        (
            again.weights_sha256 != trial.weights_sha256,
            f"its weights have SHA-256 {again.weights_sha256}, Optuna says {trial.weights_sha256}",
        ),
        (
            has_curve and record and curve_sha256(again.curve) != record.curves_sha256,
            "its curve is not the one that its record was made from",
        ),
    )
    return next((why for is_other, why in checks if is_other), None)


def as_recorded(trial: TrialRow, run: RunSnapshot | None, again: TrialOutcome) -> TrialOutcome:
    """Give a trial that was trained again the end that it had, and its first facts if known."""
    record = sound_record(trial, run)
    facts = record.facts if record and record.facts else again.facts
    return replace(again, state=trial.state, cause=trial.cause, facts=facts)


def known_failure(trial: TrialRow, *, now_ms: int) -> TrialOutcome:
    """What Optuna alone knows of a trial that failed: why, and its scores."""
    unknown = math.nan
    curve = tuple(
        EpochScores(
            number=trial.number,
            epoch=epoch,
            ended_at_ms=now_ms,
            train_loss=unknown,
            train_accuracy=unknown,
            train_loss_no_dropout=unknown,
            val_loss=unknown,
            val_accuracy=unknown,
            learning_rate=unknown,
            epoch_seconds=unknown,
            objective=trial.objective,
        ).with_score(score)
        for epoch, score in enumerate(trial.scores, start=1)
    )
    return TrialOutcome(number=trial.number, state=TrialState.FAIL, cause=trial.cause, curve=curve)


def can_take(run: RunSnapshot, trial: TrialRow, outcome: TrialOutcome) -> bool:
    """Whether a run can be completed in place: MLflow takes no point and no parameter back."""
    params = {name: str(value) for name, value in trial.params.items()}
    true = points_of(trial, outcome.curve, outcome.n_parameters)
    return all(params.get(n) == str(value) for n, value in run.row.params.items()) and all(
        len(values) == 1 and (name == "epoch_seconds" or true.get((name, step)) == values[0])
        for (name, step), values in run.points.items()
    )
