"""Compare the two ledgers of a study: MLflow's runs with Optuna's trials."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.analysis.findings import Action, Finding, Kind, Mismatch
from pipeline.analysis.study_audit import listed, moved, study_findings, without_store
from pipeline.config import mean_dropout
from pipeline.trial import (
    Curve,
    Overview,
    Point,
    RunRank,
    RunSnapshot,
    StudyRuns,
    TrialRecord,
    TrialRow,
    TrialState,
    curve_sha256,
)

RECORD = "record.json"
WEIGHTS = "weights.safetensors"
LOG = "worker.log"
SUMMARY = ("best_epoch", "n_parameters", "dropout_mean")
ADDED = ("dropout_mean",)
"""Metrics that an earlier version did not log: runs that lack them are left as they are."""
LARGEST_UNCUT = 250
"""Some MLflow stores cut a longer parameter."""


def audit(
    study: str,
    trials: Sequence[TrialRow] | None,
    runs: StudyRuns,
    *,
    overview: Overview | None = None,
    is_running: bool = False,
) -> list[Finding]:
    """Find what is off in a study.

    Args:
        study: Its name.
        trials: What Optuna holds, read before MLflow was; ``None``: it does not know the study.
        runs: What MLflow holds.
        overview: What the study's run should say; ``None`` where Optuna holds no study file.
        is_running: Whether a driver is at work: only finished trials are checked then.
    """
    if trials is None:
        return [without_store(study, runs)]
    if runs.moved_from is not None:
        return [moved(study, runs)]
    found = [] if is_running else list(study_findings(study, trials, runs, overview))
    pictures = {name for run in runs.trials for name in run.files if name.endswith(".png")}
    for trial in trials:
        if trial.state.is_finished or not is_running:
            found += _trial_findings(study, trial, _own(trial, runs), pictures)
    return sorted(found, key=lambda one: -1 if one.trial is None else one.trial)


def _trial_findings(
    study: str, trial: TrialRow, found: Sequence[RunSnapshot], pictures: Collection[str]
) -> Iterator[Finding]:
    """What is off with a trial and its runs."""
    run = _chosen(trial, found)
    for other in found:
        if run is not None and other is not run:
            yield Finding(
                kind=Kind.DOUBLE_RUNS,
                study=study,
                trial=trial.number,
                run_id=other.row.run_id,
                what=f"the trial has another run, {run.row.run_id}",
                action=Action.DELETE,
            )
    mismatches = (
        _finished_mismatches(trial, run, pictures)
        if trial.state.is_finished
        else _waiting_mismatches(trial, run)
    )
    for kind, what, action in mismatches:
        yield Finding(
            kind=kind,
            study=study,
            trial=trial.number,
            run_id=run.row.run_id if run else trial.run_id,
            what=what,
            action=action,
        )


def run_of(trial: TrialRow, runs: StudyRuns) -> RunSnapshot | None:
    """The one run of a trial; where there are several, the one that stays."""
    return _chosen(trial, _own(trial, runs))


def _own(trial: TrialRow, runs: StudyRuns) -> list[RunSnapshot]:
    """The runs below the study's that say they are of a trial, and the one that Optuna names."""
    return [
        run
        for run in runs.trials
        if run.row.number == trial.number and (run.is_below or run.row.run_id == trial.run_id)
    ]


def _chosen(trial: TrialRow, found: Sequence[RunSnapshot]) -> RunSnapshot | None:
    def rank(run: RunSnapshot) -> RunRank:
        is_named = run.row.run_id == trial.run_id
        return RunRank(is_named, run.status == "FINISHED", run.n_metrics)

    return max(found, key=rank, default=None)


def _waiting_mismatches(trial: TrialRow, run: RunSnapshot | None) -> Iterator[Mismatch]:
    """What is off with a trial that is to be trained; it needs no run before that."""
    if trial.state is TrialState.RUNNING:
        what = "Optuna says RUNNING, and nobody runs the study"
        yield Mismatch(Kind.RUNNING_WITHOUT_DRIVER, what, Action.RELEASE)
    elif run is not None and run.status == "RUNNING":
        what = "MLflow says RUNNING, and nobody runs the study"
        yield Mismatch(Kind.RUNNING_WITHOUT_DRIVER, what, Action.RELEASE)
    elif run is not None and (run.status, run.row.state) != ("SCHEDULED", TrialState.WAITING):
        what = f"Optuna says WAITING, MLflow {run.row.state} and {run.status}"
        yield Mismatch(Kind.STATE_DIFFERS, what, Action.RELEASE)
    if run is not None and (doubled := _doubled(run)):
        yield Mismatch(Kind.DOUBLE_STEPS, listed(doubled, "more than once"), Action.DELETE)


def _finished_mismatches(
    trial: TrialRow, run: RunSnapshot | None, pictures: Collection[str]
) -> Iterator[Mismatch]:
    """What is off with a finished trial.

    Args:
        trial: What Optuna holds.
        run: What MLflow holds.
        pictures: The names of the pictures that the study's trials have.
    """
    if run is None:
        what = f"Optuna says {trial.state}, MLflow has no run of it"
        yield Mismatch(Kind.TRIAL_WITHOUT_RUN, what, Action.RESTORE)
        return
    yield from _state_mismatches(trial, run)
    yield from _point_mismatches(trial, run)
    yield from _file_mismatches(trial, run, pictures)


def _state_mismatches(trial: TrialRow, run: RunSnapshot) -> Iterator[Mismatch]:
    """Where the tags, parameters and summary of a run are not Optuna's."""
    row = run.row
    if "RUNNING" in (run.status, row.state):
        what = f"MLflow says RUNNING, Optuna {trial.state}"
        yield Mismatch(Kind.RUNNING_WITHOUT_DRIVER, what)
        return
    value = row.value if row.value is not None else trial.value
    pairs = {
        "state": (trial.state, row.state),
        "status": ("FAILED" if trial.state is TrialState.FAIL else "FINISHED", run.status),
        "value": (trial.value, value),
        "best epoch": (trial.best_epoch, row.best_epoch or trial.best_epoch),
        "weights SHA-256": (trial.weights_sha256, row.weights_sha256),
        "run": (trial.run_id, row.run_id),
        "below the study's run": (True, run.is_below),
        "cause": (bool(trial.cause), bool(row.cause)),
        "params": _texts(trial.params, row.params),
        "finalist": (trial.finalist, row.finalist),
        "objective": (trial.objective, row.objective),
    }
    for name, (old, new) in pairs.items():
        if old != new:
            yield Mismatch(Kind.STATE_DIFFERS, f"{name}: Optuna says {old}, MLflow {new}")
            return


def _texts(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[Any, Any]:
    """Parameters as texts: MLflow does not know their types, and may cut long ones."""
    new = {name: str(value) for name, value in theirs.items()}
    old = {name: str(value) for name, value in ours.items()}
    cut = {name: text for name, text in new.items() if len(text) >= LARGEST_UNCUT}
    old |= {name: old[name][: len(text)] for name, text in cut.items() if name in old}
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return {n: old.get(n) for n in names}, {n: new.get(n) for n in names}


def _file_mismatches(
    trial: TrialRow, run: RunSnapshot, pictures: Collection[str]
) -> Iterator[Mismatch]:
    absent = [RECORD] if RECORD not in run.files else []
    if trial.weights_sha256 is not None:
        if WEIGHTS not in run.files:
            absent += [] if run.lacks_weights else [WEIGHTS]
        elif run.files[WEIGHTS] != trial.weights_sha256:
            was, now = trial.weights_sha256, run.files[WEIGHTS]
            what = f"{WEIGHTS} has SHA-256 {now[:12]}…, Optuna says {was[:12]}…"
            yield Mismatch(Kind.DAMAGED_WEIGHTS, what)
        absent += sorted(name for name in pictures if name not in run.files)
    if absent:
        yield Mismatch(Kind.MISSING_ARTIFACTS, f"no {', '.join(absent)}")
    if RECORD in run.files and (fault := record_fault(trial, run)):
        yield Mismatch(Kind.DAMAGED_RECORD, f"{RECORD}: {fault}")


def record_fault(trial: TrialRow, run: RunSnapshot) -> str | None:
    """What a record says that Optuna does not; ``None``: it is sound."""
    record = run.record
    if record is None:
        return run.fault or "it cannot be read"
    pairs = {
        "state": (record.state, trial.state),
        "params": _texts(record.trial.params, trial.params),
        "epochs_run": (record.epochs_run, len(trial.scores)),
        "objective": (record.trial.objective, trial.objective),
        "best_epoch": (record.best_epoch, trial.best_epoch),
        "weights_sha256": (record.weights_sha256, trial.weights_sha256),
        "cause": (record.cause, trial.cause),
        "finalist": (record.trial.finalist, trial.finalist),
        "seeds": (record.seeds, record.trial.seeds),
    }
    found = next((name for name, (said, known) in pairs.items() if said != known), None)
    return found and f"its {found} is not what the trial has"


def _point_mismatches(trial: TrialRow, run: RunSnapshot) -> Iterator[Mismatch]:
    doubled, expected = _doubled(run), _expected(trial, run)
    absent = [point for point in expected if point not in run.points]
    if doubled:
        yield Mismatch(Kind.DOUBLE_STEPS, listed(doubled, "more than once"))
    if absent:
        yield Mismatch(Kind.MISSING_STEPS, listed(absent, "missing"))
    elif not doubled and not _is_as_trained(trial, run, expected):
        what = "the points are not those that the trial was finished with"
        yield Mismatch(Kind.CURVE_DIFFERS, what)


def _doubled(run: RunSnapshot) -> list[Point]:
    return sorted(point for point, values in run.points.items() if len(values) > 1)


def _expected(trial: TrialRow, run: RunSnapshot) -> dict[Point, float | None]:
    """The points that a run should have, with their values where they are known."""
    curve = whole_curve(run.curve, run.record)
    unknown = {} if curve else dict.fromkeys(_measured(trial, run))
    n_parameters = run.record.n_parameters if run.record else 0
    expected = unknown | points_of(trial, curve or (), n_parameters)
    absent = {(name, 0) for name in ADDED} - run.points.keys()
    return {
        point: value
        for point, value in expected.items()
        if point not in absent and (value is None or math.isfinite(value))
    }


def _measured(trial: TrialRow, run: RunSnapshot) -> Iterator[Point]:
    """What each epoch measured, to judge by the others: an autoencoder has no accuracy.

    Of a failed trial's last epoch nothing is known but its score.
    """
    n_whole = len(trial.scores) - (trial.state is TrialState.FAIL)
    summary = {*SUMMARY, f"best_{trial.objective.metric}"}
    for name in sorted({name for name, _ in run.points} - summary):
        yield from ((name, 1 + epoch) for epoch in range(n_whole))


def points_of(trial: TrialRow, curve: Curve, n_parameters: int) -> dict[Point, float]:
    """The points of a curve, of Optuna's scores, and of what sums them up."""
    points = {(name, one.epoch): value for one in curve for name, value in one.metrics.items()}
    metric = trial.objective.metric
    points |= {(metric, epoch): score for epoch, score in enumerate(trial.scores, start=1)}
    if trial.best_epoch is not None and trial.best_score is not None:
        points |= {("best_epoch", 0): trial.best_epoch, (f"best_{metric}", 0): trial.best_score}
    mean = mean_dropout(trial.params) if trial.scores else None
    points |= {} if mean is None else {("dropout_mean", 0): mean}
    return points | ({("n_parameters", 0): n_parameters} if n_parameters else {})


def _is_as_trained(
    trial: TrialRow, run: RunSnapshot, expected: Mapping[Point, float | None]
) -> bool:
    """Whether no point is another one than the trial was finished with, and none is too many."""
    are_known = all(
        value is None or run.points[point][0] == value for point, value in expected.items()
    )
    is_longer = len(run.curve) > len(trial.scores)
    is_unsure = run.record is None or trial.state is TrialState.FAIL
    is_whole = is_unsure or whole_curve(run.curve, run.record) is not None
    return are_known and not is_longer and is_whole


def sound_record(trial: TrialRow, run: RunSnapshot | None) -> TrialRecord | None:
    """A run's record, if it agrees with Optuna."""
    return run.record if run and not record_fault(trial, run) else None


def whole_curve(curve: Curve, record: TrialRecord | None) -> Curve | None:
    """The curve that a record was made from, if MLflow's points tell it; else ``None``.

    MLflow holds no infinite score, and the loss without dropout may be infinite in a trial that
    goes on.
    """
    if record is None:
        return None
    infinite = tuple(
        replace(scores, train_loss_no_dropout=math.inf)
        if math.isnan(scores.train_loss_no_dropout)
        else scores
        for scores in curve
    )
    for one in (curve, infinite):
        if curve_sha256(one) == record.curves_sha256:
            return one
    return None
