"""Compare a study's own run, and the runs of no trial, with what Optuna holds."""

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.analysis.findings import Action, Finding, Kind, Mismatch
from pipeline.trial import Overview, Point, StudyRuns, TrialRow


def without_store(study: str, runs: StudyRuns) -> Finding:
    """What is off with a study that Optuna does not know."""
    how = "`pipeline run` with the study's file trains it again and takes up these runs"
    if runs.imported:
        how = (
            "an import was broken off: `pipeline import` of the same file goes on, the bundle of "
            f"SHA-256 {runs.imported[:12]}"
        )
    return Finding(
        kind=Kind.STUDY_WITHOUT_STORE,
        study=study,
        run_id=runs.run_id,
        what=f"Optuna's store does not know the study, of which MLflow has {len(runs.trials)} runs",
        action=Action.NONE,
        how=how,
    )


def moved(study: str, runs: StudyRuns) -> Finding:
    """What is off with a study whose artifacts are not where MLflow looks."""
    what = f"MLflow looks for artifacts in {runs.moved_from}, which is not below this home"
    return Finding(
        kind=Kind.MOVED_HOME, study=study, run_id=runs.run_id, what=what, action=Action.MOVE
    )


def study_findings(
    study: str, trials: Sequence[TrialRow], runs: StudyRuns, overview: Overview | None
) -> Iterator[Finding]:
    """What is off beside the trials that Optuna knows.

    Args:
        study: Its name.
        trials: What Optuna holds.
        runs: What MLflow holds.
        overview: What the study's run should say; ``None`` where nothing tells it.
    """
    running = Kind.RUNNING_WITHOUT_DRIVER
    for kind, what, action in _study_run_mismatches(runs, overview):
        yield Finding(kind=kind, study=study, run_id=runs.run_id, what=what, action=action)
    for other in runs.others:
        if other.status == "RUNNING":
            what = f"the run {other.name} is RUNNING, and nobody writes it"
            yield Finding(
                kind=running, study=study, run_id=other.run_id, what=what, action=Action.END
            )
    named = {trial.run_id for trial in trials}
    for run in runs.trials:
        is_lost = not run.is_below and run.row.run_id not in named
        if is_lost or run.row.number >= len(trials):
            why = "it is below no study" if is_lost else f"Optuna has {len(trials)} trials"
            yield Finding(
                kind=Kind.RUN_WITHOUT_TRIAL,
                study=study,
                trial=run.row.number,
                run_id=run.row.run_id,
                what=f"a run says it is of trial {run.row.number}; {why}",
                action=Action.DELETE,
            )


def _study_run_mismatches(runs: StudyRuns, overview: Overview | None) -> Iterator[Mismatch]:
    if runs.status == "RUNNING":
        what = "the study's run is RUNNING, and nobody runs the study"
        yield Mismatch(Kind.RUNNING_WITHOUT_DRIVER, what, Action.CLOSE)
    elif runs.run_id and overview and (fault := _overview_fault(runs, overview)):
        yield Mismatch(Kind.STUDY_RUN_DIFFERS, f"the study's run: {fault}", Action.CLOSE)


def _overview_fault(runs: StudyRuns, overview: Overview) -> str | None:
    """What the study's run does not say as it should."""
    if unset := [name for name in overview.settings if name not in runs.settings]:
        return f"it has no parameter {unset[0]}{_and_more(unset)}"
    if untrue := overview.untrue(runs.points):
        return f"{', '.join(sorted(untrue))} is not the best value so far of the trials"
    if missing := overview.missing(runs.points):
        return listed(missing, "missing")
    if overview.is_news(runs.latest):
        return "its counts and means are not those of the trials"
    return None


def listed(points: Sequence[Point], how: str) -> str:
    """Name the first of some points, and how many others there are."""
    metric, step = points[0]
    return f"{metric} at step {step}{_and_more(points)}: {how}"


def _and_more(things: Sequence[Any]) -> str:
    return f" and {len(things) - 1} more" if len(things) > 1 else ""
