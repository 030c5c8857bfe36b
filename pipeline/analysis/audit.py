"""Hold two ledgers of one study against each other: what is off, and what would mend it."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

from pipeline.trial import (
    Curve,
    KeptRun,
    KeptStudy,
    Point,
    StoredTrial,
    TrialRecord,
    TrialState,
    curve_sha256,
)

RECORD = "record.json"
WEIGHTS = "weights.safetensors"
LARGEST_UNCUT = 250
"""Some MLflow stores cut a longer parameter."""


class Kind(StrEnum):
    """What can be off."""

    RUNNING_WITHOUT_DRIVER = "running-without-driver"
    TRIAL_WITHOUT_RUN = "trial-without-run"
    RUN_WITHOUT_TRIAL = "run-without-trial"
    DOUBLE_RUNS = "double-runs"
    MISSING_STEPS = "missing-steps"
    DOUBLE_STEPS = "double-steps"
    CURVE_DIFFERS = "curve-differs"
    MISSING_ARTIFACTS = "missing-artifacts"
    DAMAGED_RECORD = "damaged-record"
    DAMAGED_WEIGHTS = "damaged-weights"
    STATE_DIFFERS = "state-differs"
    STUDY_WITHOUT_STORE = "study-without-store"
    MOVED_HOME = "moved-home"
    UNDELIVERED = "undelivered"


class Cure(StrEnum):
    """What mends it."""

    WRITE = "write the trial's run again"
    RELEASE = "let the trial wait to be trained"
    DELETE = "delete the run"
    END = "end the run"
    SETTLE = "open and close the study"
    MOVE = "look for artifacts below the home"
    DELIVER = "bring what was kept to MLflow"
    NONE = "nothing that a doctor may do"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is off.

    Attributes:
        trial: The trial's number; ``None`` where the study or a run of no trial is meant.
        what: One sentence.
        cure: What would mend it.
        how: What was done about it, or why nothing was; empty while nothing was tried.
        is_fixed: Whether it was gone when the ledgers were read again.
    """

    kind: Kind
    study: str
    trial: int | None = None
    run_id: str | None = None
    what: str
    cure: Cure = Cure.WRITE
    how: str = ""
    is_fixed: bool = False

    @property
    def key(self) -> tuple[str, int | None, str | None]:
        """What it is known by when the ledgers are read again: a trial may get another run."""
        names_run = self.trial is None or self.cure is Cure.DELETE
        return self.kind, self.trial, self.run_id if names_run else None

    def as_json(self) -> dict[str, Any]:
        """The finding as ``doctor --json`` prints it."""
        return {
            "kind": self.kind.value,
            "study": self.study,
            "trial": self.trial,
            "run_id": self.run_id,
            "what": self.what,
            "fixed": self.is_fixed,
            "how": self.how,
        }


class _Fault(NamedTuple):
    """What is off with one trial's run."""

    kind: Kind
    what: str
    cure: Cure = Cure.WRITE


def audit(
    study: str, stored: Sequence[StoredTrial] | None, kept: KeptStudy, *, is_run: bool = False
) -> list[Finding]:
    """Find what is off in a study.

    Args:
        study: Its name.
        stored: What Optuna holds, read before MLflow was; ``None``: it does not know the study.
        kept: What MLflow holds.
        is_run: Whether a driver is at work: only what is finished is looked at then.
    """
    if stored is None:
        return [_without_store(study, kept)]
    if kept.moved_from is not None:
        return [_moved(study, kept)]
    found = [] if is_run else list(_study_findings(study, stored, kept))
    pictures = {name for run in kept.trials for name in run.files if name.endswith(".png")}
    for trial in stored:
        own = _own(trial, kept)
        if trial.row.state.is_finished:
            found += _finished_findings(study, trial, own, pictures)
        elif not is_run:
            found += _waiting_findings(study, trial, own)
    return sorted(found, key=lambda one: -1 if one.trial is None else one.trial)


def _without_store(study: str, kept: KeptStudy) -> Finding:
    return Finding(
        kind=Kind.STUDY_WITHOUT_STORE,
        study=study,
        run_id=kept.run_id,
        what=f"Optuna's store does not know the study, of which MLflow has {len(kept.trials)} runs",
        cure=Cure.NONE,
        how="`pipeline run` with the study's file trains it again and takes up these runs",
    )


def _moved(study: str, kept: KeptStudy) -> Finding:
    what = f"MLflow looks for artifacts in {kept.moved_from}, which is not below this home"
    return Finding(kind=Kind.MOVED_HOME, study=study, run_id=kept.run_id, what=what, cure=Cure.MOVE)


def _study_findings(
    study: str, stored: Sequence[StoredTrial], kept: KeptStudy
) -> Iterator[Finding]:
    """What is off beside the trials that Optuna knows."""
    running = Kind.RUNNING_WITHOUT_DRIVER
    if kept.status == "RUNNING":
        what = "the study's run is RUNNING, and nobody runs the study"
        yield Finding(kind=running, study=study, run_id=kept.run_id, what=what, cure=Cure.SETTLE)
    for other in kept.others:
        if other.status == "RUNNING":
            what = f"the run {other.name} is RUNNING, and nobody writes it"
            yield Finding(kind=running, study=study, run_id=other.run_id, what=what, cure=Cure.END)
    for run in kept.trials:
        if not run.is_below or run.row.number >= len(stored):
            why = f"Optuna has {len(stored)} trials" if run.is_below else "it is not the study's"
            yield Finding(
                kind=Kind.RUN_WITHOUT_TRIAL,
                study=study,
                trial=run.row.number,
                run_id=run.row.run_id,
                what=f"a run says it is of trial {run.row.number}; {why}",
                cure=Cure.DELETE,
            )


def _waiting_findings(study: str, trial: StoredTrial, own: Sequence[KeptRun]) -> Iterator[Finding]:
    """What is off with a trial that is to be trained; it needs no run before that."""
    number = trial.row.number
    yield from _double_runs(study, trial, own)
    run = _chosen(trial, own)
    for fault in _waiting_faults(trial, run):
        run_id = run.row.run_id if run else trial.row.run_id
        kind, what, cure = fault
        yield Finding(kind=kind, study=study, trial=number, run_id=run_id, what=what, cure=cure)


def _waiting_faults(trial: StoredTrial, run: KeptRun | None) -> Iterator[_Fault]:
    if trial.row.state is TrialState.RUNNING:
        what = "Optuna says RUNNING, and nobody runs the study"
        yield _Fault(Kind.RUNNING_WITHOUT_DRIVER, what, Cure.RELEASE)
    elif run is not None and run.status == "RUNNING":
        what = "MLflow says RUNNING, and nobody runs the study"
        yield _Fault(Kind.RUNNING_WITHOUT_DRIVER, what, Cure.RELEASE)
    elif run is not None and (run.status, run.row.state) != ("SCHEDULED", TrialState.WAITING):
        what = f"Optuna says WAITING, MLflow {run.row.state} and {run.status}"
        yield _Fault(Kind.STATE_DIFFERS, what, Cure.RELEASE)
    if run is not None and (doubled := _doubled(run)):
        yield _Fault(Kind.DOUBLE_STEPS, _told(doubled, "more than once"), Cure.DELETE)


def _finished_findings(
    study: str, trial: StoredTrial, own: Sequence[KeptRun], pictures: Iterable[str]
) -> Iterator[Finding]:
    number = trial.row.number
    run = _chosen(trial, own)
    if run is None:
        what = f"Optuna says {trial.row.state}, MLflow has no run of it"
        yield Finding(
            kind=Kind.TRIAL_WITHOUT_RUN,
            study=study,
            trial=number,
            run_id=trial.row.run_id,
            what=what,
        )
        return
    yield from _double_runs(study, trial, own)
    faults = (_state_faults, _point_faults)
    found = [fault for part in faults for fault in part(trial, run)]
    for kind, what, cure in [*found, *_file_faults(trial, run, pictures)]:
        yield Finding(
            kind=kind, study=study, trial=number, run_id=run.row.run_id, what=what, cure=cure
        )


def run_of(trial: StoredTrial, kept: KeptStudy) -> KeptRun | None:
    """The one run of a trial; where there are several, the one that stays."""
    return _chosen(trial, _own(trial, kept))


def _own(trial: StoredTrial, kept: KeptStudy) -> list[KeptRun]:
    return [run for run in kept.trials if run.is_below and run.row.number == trial.row.number]


def _chosen(trial: StoredTrial, own: Sequence[KeptRun]) -> KeptRun | None:
    """The run that Optuna names, else the fullest."""

    def worth(run: KeptRun) -> tuple[bool, bool, int]:
        is_named = run.row.run_id == trial.row.run_id
        return is_named, run.status == "FINISHED", len(run.points)

    return max(own, key=worth, default=None)


def _double_runs(study: str, trial: StoredTrial, own: Sequence[KeptRun]) -> Iterator[Finding]:
    kept = _chosen(trial, own)
    for run in own:
        if kept is not None and run is not kept:
            yield Finding(
                kind=Kind.DOUBLE_RUNS,
                study=study,
                trial=trial.row.number,
                run_id=run.row.run_id,
                what=f"the trial has another run, {kept.row.run_id}",
                cure=Cure.DELETE,
            )


def _state_faults(trial: StoredTrial, run: KeptRun) -> Iterator[_Fault]:
    """Where the tags, parameters and summary of a run are not Optuna's."""
    stored, kept = trial.row, run.row
    if "RUNNING" in (run.status, kept.state):
        what = f"MLflow says RUNNING, Optuna {stored.state}"
        yield _Fault(Kind.RUNNING_WITHOUT_DRIVER, what)
        return
    lowest = trial.lowest or (None, None)
    value = kept.value if kept.value is not None else stored.value
    pairs = {
        "state": (stored.state, kept.state),
        "status": ("FAILED" if stored.state is TrialState.FAIL else "FINISHED", run.status),
        "value": (stored.value, value),
        "best epoch": (lowest[0], kept.best_epoch or lowest[0]),
        "weights SHA-256": (stored.weights_sha256, kept.weights_sha256),
        "run": (stored.run_id, kept.run_id),
        "cause": (bool(stored.cause), bool(kept.cause)),
        "params": _texts(stored.params, kept.params),
    }
    for name, (old, new) in pairs.items():
        if old != new:
            yield _Fault(Kind.STATE_DIFFERS, f"{name}: Optuna says {old}, MLflow {new}")
            return


def _texts(stored: Mapping[str, Any], kept: Mapping[str, Any]) -> tuple[Any, Any]:
    """Parameters as texts: MLflow does not know their types, and may cut long ones."""
    new = {name: str(value) for name, value in kept.items()}
    old = {name: str(value) for name, value in stored.items()}
    cut = {name: text for name, text in new.items() if len(text) >= LARGEST_UNCUT}
    old |= {name: old[name][: len(text)] for name, text in cut.items() if name in old}
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return {n: old.get(n) for n in names}, {n: new.get(n) for n in names}


def _file_faults(trial: StoredTrial, run: KeptRun, pictures: Iterable[str]) -> Iterator[_Fault]:
    absent = [RECORD] if RECORD not in run.files else []
    if trial.row.weights_sha256 is not None:
        if WEIGHTS not in run.files:
            absent.append(WEIGHTS)
        elif run.files[WEIGHTS] != trial.row.weights_sha256:
            was, now = trial.row.weights_sha256, run.files[WEIGHTS]
            what = f"{WEIGHTS} has SHA-256 {now[:12]}…, Optuna says {was[:12]}…"
            yield _Fault(Kind.DAMAGED_WEIGHTS, what)
        absent += sorted(name for name in pictures if name not in run.files)
    if absent:
        yield _Fault(Kind.MISSING_ARTIFACTS, f"no {', '.join(absent)}")
    if RECORD in run.files and (fault := record_fault(trial, run)):
        yield _Fault(Kind.DAMAGED_RECORD, f"{RECORD}: {fault}")


def record_fault(trial: StoredTrial, run: KeptRun) -> str | None:
    """What a record says that Optuna does not."""
    record, row = run.record, trial.row
    if record is None:
        return run.fault or "it cannot be read"
    pairs = {
        "state": (record.state, row.state),
        "params": _texts(record.trial.params, row.params),
        "epochs_run": (record.epochs_run, len(trial.val_losses)),
        "best_epoch": (record.best_epoch, (trial.lowest or (None,))[0]),
        "weights_sha256": (record.weights_sha256, row.weights_sha256),
        "cause": (record.cause, row.cause),
        "seeds": (record.seeds, record.trial.seeds),
    }
    found = next((name for name, (said, known) in pairs.items() if said != known), None)
    return found and f"its {found} is not what the trial has"


def _point_faults(trial: StoredTrial, run: KeptRun) -> Iterator[_Fault]:
    doubled = _doubled(run)
    if doubled:
        yield _Fault(Kind.DOUBLE_STEPS, _told(doubled, "more than once"))
    absent = _absent(trial, run)
    if absent:
        yield _Fault(Kind.MISSING_STEPS, _told(absent, "missing"))
    elif not doubled and not _is_as_trained(trial, run):
        what = "the points are not those that the trial was finished with"
        yield _Fault(Kind.CURVE_DIFFERS, what)


def _doubled(run: KeptRun) -> list[Point]:
    return sorted(point for point, values in run.points.items() if len(values) > 1)


def _told(points: Sequence[Point], how: str) -> str:
    metric, step = points[0]
    more = f" and {len(points) - 1} more" if len(points) > 1 else ""
    return f"{metric} at step {step}{more}: {how}"


def _absent(trial: StoredTrial, run: KeptRun) -> list[Point]:
    """The points that a run should have and has not.

    What the trial never measured (an autoencoder's accuracy) is in no epoch; of a failed trial's
    last epoch nothing is known but its validation loss.
    """
    whole = whole_curve(run.curve, run.record)
    if whole is not None:
        expected = [
            (name, scores.epoch)
            for scores in whole
            for name, value in scores.metrics.items()
            if math.isfinite(value)
        ]
    else:
        measured = {name for name, _ in run.points if name not in SUMMARY}
        n_whole = len(trial.val_losses) - (trial.row.state is TrialState.FAIL)
        expected = [(name, 1 + epoch) for epoch in range(n_whole) for name in sorted(measured)]
    expected += [
        ("val_loss", epoch)
        for epoch, loss in enumerate(trial.val_losses, start=1)
        if math.isfinite(loss)
    ]
    if trial.lowest is not None:
        expected += [("best_epoch", 0), ("best_val_loss", 0)]
    if run.record is not None and run.record.n_parameters:
        expected.append(("n_parameters", 0))
    return [point for point in dict.fromkeys(expected) if point not in run.points]


SUMMARY = ("best_epoch", "best_val_loss", "n_parameters")


def _is_as_trained(trial: StoredTrial, run: KeptRun) -> bool:
    """Whether the points are Optuna's and, where a record tells, those that it was made from."""
    known: dict[Point, float] = {
        ("val_loss", epoch): loss
        for epoch, loss in enumerate(trial.val_losses, start=1)
        if math.isfinite(loss)
    }
    if trial.lowest is not None:
        known |= {("best_epoch", 0): trial.lowest[0], ("best_val_loss", 0): trial.lowest[1]}
    is_known = all(run.points[point][0] == value for point, value in known.items())
    has_more = any(step > len(trial.val_losses) for _, step in run.points)
    is_failed = trial.row.state is TrialState.FAIL
    is_whole = run.record is None or is_failed or whole_curve(run.curve, run.record) is not None
    return is_known and not has_more and is_whole


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
