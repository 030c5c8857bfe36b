"""Hold two ledgers of one study against each other."""

from collections.abc import Collection, Iterator, Sequence

from pipeline.analysis.faults import finished_faults, waiting_faults
from pipeline.analysis.findings import Cure, Finding, Kind
from pipeline.trial import KeptRun, KeptStudy, StoredTrial


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
        if trial.row.state.is_finished or not is_run:
            found += _trial_findings(study, trial, _own(trial, kept), pictures)
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
    named = {trial.row.run_id for trial in stored}
    for run in kept.trials:
        is_lost = not run.is_below and run.row.run_id not in named
        if is_lost or run.row.number >= len(stored):
            why = "it stands below no study" if is_lost else f"Optuna has {len(stored)} trials"
            yield Finding(
                kind=Kind.RUN_WITHOUT_TRIAL,
                study=study,
                trial=run.row.number,
                run_id=run.row.run_id,
                what=f"a run says it is of trial {run.row.number}; {why}",
                cure=Cure.DELETE,
            )


def _trial_findings(
    study: str, trial: StoredTrial, own: Sequence[KeptRun], pictures: Collection[str]
) -> Iterator[Finding]:
    """What is off with a trial and its runs."""
    run = _chosen(trial, own)
    for other in own:
        if run is not None and other is not run:
            yield Finding(
                kind=Kind.DOUBLE_RUNS,
                study=study,
                trial=trial.row.number,
                run_id=other.row.run_id,
                what=f"the trial has another run, {run.row.run_id}",
                cure=Cure.DELETE,
            )
    is_finished = trial.row.state.is_finished
    found = finished_faults(trial, run, pictures) if is_finished else waiting_faults(trial, run)
    for kind, what, cure in found:
        yield Finding(
            kind=kind,
            study=study,
            trial=trial.row.number,
            run_id=run.row.run_id if run else trial.row.run_id,
            what=what,
            cure=cure,
        )


def run_of(trial: StoredTrial, kept: KeptStudy) -> KeptRun | None:
    """The one run of a trial; where there are several, the one that stays."""
    return _chosen(trial, _own(trial, kept))


def _own(trial: StoredTrial, kept: KeptStudy) -> list[KeptRun]:
    """The runs below the study's that say they are of a trial, and the one that Optuna names."""
    return [
        run
        for run in kept.trials
        if run.row.number == trial.row.number
        and (run.is_below or run.row.run_id == trial.row.run_id)
    ]


def _chosen(trial: StoredTrial, own: Sequence[KeptRun]) -> KeptRun | None:
    """The run that Optuna names, else the fullest."""

    def worth(run: KeptRun) -> tuple[bool, bool, int]:
        is_named = run.row.run_id == trial.row.run_id
        return is_named, run.status == "FINISHED", len(run.points)

    return max(own, key=worth, default=None)
