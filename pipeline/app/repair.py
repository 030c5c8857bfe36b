"""Repair a study that nobody runs: in MLflow, in Optuna, or by training a trial again."""

import os
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.app.inputs import prepare_trial
from pipeline.app.training import train
from pipeline.app.workspace import Workspace
from pipeline.config import StudyConfig, TrialConfig, check_study
from pipeline.errors import BadInputError, DropoutSearchError, WorkFailedError
from pipeline.trial import (
    Assignment,
    Cohort,
    EpochScores,
    Overview,
    RunSnapshot,
    StudyRuns,
    Tell,
    TrialOutcome,
    TrialRow,
    TrialState,
)

if TYPE_CHECKING:
    from pipeline.analysis import Action, Finding
    from pipeline.search.storage.store import TrialStore
    from pipeline.tracking.ledger import MlflowLedger

Key = tuple[str, int | None, str | None]
"""What a finding is known by."""

WRITTEN = "wrote the run again from what the ledgers hold"
TRAINED = "trained the trial again, to the same bits, and wrote the run again"
FROM_OPTUNA = "wrote the failure again from what Optuna holds of it"
CLOSED = "wrote what the study's run says, and closed it"
RELEASED = "released: the next `pipeline run` trains it"


@dataclass(frozen=True, kw_only=True)
class StudySnapshot:
    """A study as both ledgers hold it.

    Attributes:
        store: The study in Optuna's store; ``None`` where it is not there.
        trials: Its trials there.
        runs: Its runs in MLflow.
        overview: What the study's run should say; ``None`` where no sound study file tells it.
    """

    study: str
    workspace: Workspace
    store: "TrialStore | None"
    trials: Sequence[TrialRow] | None
    runs: StudyRuns
    overview: Overview | None = None

    def findings(self, *, is_running: bool = False) -> "list[Finding]":
        """What is off; of a study that is being run, with its finished trials alone."""
        from pipeline.analysis import audit

        return audit(
            self.study, self.trials, self.runs, overview=self.overview, is_running=is_running
        )


def repair(snapshot: StudySnapshot, findings: "Sequence[Finding]", tell: Tell) -> dict[Key, str]:
    """Repair what is off in a study that this process holds.

    Args:
        snapshot: The study as it was read for these findings.
        findings: What is off with it.
        tell: Called with what is being done.

    Returns:
        What was done about each finding, or why nothing was.
    """
    done: dict[Key, str] = {}
    try:
        if snapshot.runs.run_id is None and _restore_study(snapshot):
            return {finding.key: "restored the study in MLflow" for finding in findings}
        for finding in findings:
            if how := _correct_run(snapshot, finding):
                done[finding.key] = how
        rest = [finding for finding in findings if finding.key not in done]
        if snapshot.store is not None and rest:
            done |= Repair(snapshot, snapshot.store, tell).run(rest)
    except DropoutSearchError as error:
        return dict.fromkeys((finding.key for finding in findings), str(error)) | done
    return done


def _restore_study(snapshot: StudySnapshot) -> bool:
    from pipeline.tracking.audit import exists
    from pipeline.tracking.corrections import restore_experiment

    uri = snapshot.workspace.ledger_uri
    return exists(uri) and restore_experiment(uri, snapshot.study)


def _correct_run(snapshot: StudySnapshot, finding: "Finding") -> str | None:
    """Change a single run in MLflow; ``None`` where that is not enough."""
    from pipeline.analysis import Action
    from pipeline.tracking import corrections

    uri, run_id = snapshot.workspace.ledger_uri, finding.run_id
    if finding.action is Action.MOVE:
        snapshot.workspace.confine_artifacts()
        return f"MLflow now looks in {snapshot.workspace.artifacts}"
    if run_id is None:
        return None
    if finding.action is Action.DELETE:
        corrections.delete_run(uri, run_id)
        return "deleted the run, as MLflow does: `mlflow runs restore` brings it back"
    if finding.action is Action.END:
        corrections.end_run(uri, run_id)
        return "the run is KILLED"
    was_lost = finding.action is Action.RESTORE and snapshot.runs.run_id is not None
    if was_lost and corrections.restore_run(uri, snapshot.study, run_id):
        return "restored the run, which was deleted in MLflow"
    return None


class Repair:
    """Repairs what needs the study's ledger open, as a driver has it.

    Args:
        snapshot: The study as it was read.
        store: Its trials in Optuna.
        tell: Called with what is being done.
    """

    def __init__(self, snapshot: StudySnapshot, store: "TrialStore", tell: Tell) -> None:
        self._snapshot = snapshot
        self._workspace = snapshot.workspace
        self._trials = snapshot.trials or ()
        self._store = store
        self._tell = tell
        self._study = read_stored_study(store, snapshot.study)
        self._ledger: MlflowLedger

    def run(self, findings: "Sequence[Finding]") -> dict[Key, str]:
        """Release what waits, write what is known, train what is lost; then close the study."""
        from pipeline.analysis import Action

        with self._opened():
            released = self._release(_trials_of(findings, Action.RELEASE))
            written = self._write_all(_trials_of(findings, Action.WRITE, Action.RESTORE))
        done = released | written
        return {
            finding.key: CLOSED if finding.trial is None else done.get(finding.trial, "")
            for finding in findings
        }

    @contextmanager
    def _opened(self) -> Iterator[None]:
        """Open the study in MLflow, and leave nothing running there, whatever happens."""
        from pipeline.search.answers.summary import summary_of
        from pipeline.tracking.ledger import MlflowLedger

        self._ledger = MlflowLedger(self._workspace.ledger_uri, self._workspace.artifacts)
        self._ledger.open(self._study, self._store.known_runs, self._store.warm_start)
        try:
            yield
        finally:
            self._ledger.close(self._store.state(summary_of(self._study, self._store)))

    def _release(self, numbers: Container[int]) -> dict[int, str]:
        released = [trial for trial in self._trials if trial.number in numbers]
        for trial in released:
            if trial.state is TrialState.RUNNING:
                self._store.release(trial.number)
            self._ledger.release(trial.number)
        return {trial.number: RELEASED for trial in released}

    def _write_all(self, numbers: Container[int]) -> dict[int, str]:
        """Write trials' runs from sound records; those without one are trained again."""
        trials = [trial for trial in self._trials if trial.number in numbers]
        written = {trial.number: WRITTEN for trial in trials if self._write_known(trial)}
        lost = {trial.number: trial for trial in trials if trial.number not in written}
        return written | self._train(lost)

    def _run_of(self, trial: TrialRow) -> RunSnapshot | None:
        from pipeline.analysis import run_of

        return run_of(trial, self._snapshot.runs)

    def _write_known(self, trial: TrialRow) -> bool:
        """Write a trial from a sound record; ``False`` where something of it is lost."""
        from pipeline.analysis import known_outcome
        from pipeline.tracking.audit import read_files

        run = self._run_of(trial)
        if run is None or run.row.run_id is None:
            return False
        files = read_files(self._workspace.ledger_uri, run.row.run_id)
        outcome = known_outcome(trial, run, files)
        if outcome is not None:
            self._write(trial, outcome)
        return outcome is not None

    def _write(self, trial: TrialRow, outcome: TrialOutcome) -> None:
        """Write an outcome, into a new run where the old one holds what cannot be taken back."""
        from pipeline.analysis import can_take
        from pipeline.tracking.corrections import replace_run

        config, run = self._config(trial), self._run_of(trial)
        old = run.row.run_id if run and not can_take(run, trial, outcome) else None
        if old:
            self._ledger.forget(config.number)
        run_id = self._ledger.start(config)
        self._ledger.finish(config, outcome)
        if run_id != trial.run_id:
            self._store.note_late_runs({config.number: run_id})
        if old:
            replace_run(self._workspace.ledger_uri, old, run_id)

    def _config(self, trial: TrialRow) -> TrialConfig:
        from pipeline.search.blocks import resolve

        return resolve(self._study, trial.number, trial.params, trial.finalist)

    def _train(self, lost: Mapping[int, TrialRow]) -> dict[int, str]:
        """Train trials again in fresh processes, and say by number how that went."""
        hows: dict[int, str] = {}

        def watch(config: TrialConfig, news: EpochScores | TrialOutcome) -> None:
            trial = lost[config.number]
            if isinstance(news, TrialOutcome):
                hows[config.number] = self._accept(trial, news)
            else:
                n_epochs = len(trial.scores) or config.training.epochs
                task = f"{config.study}: training trial {config.number} again"
                self._tell(f"{task}, epoch {news.epoch} of {n_epochs}")

        try:
            cohorts = [Cohort((self._assignment(trial),)) for trial in lost.values()]
            if cohorts:
                config, where = cohorts[0].assignments[0].config, f"study {self._study.name!r}"
                data = prepare_trial(config, self._workspace, where=where)
                train(cohorts, data, n_workers=len(os.sched_getaffinity(0)), watch=watch)
        except DropoutSearchError as error:
            why = f"it must be trained again, and cannot be: {error}"
            return dict.fromkeys(lost, why) | hows
        return hows

    def _assignment(self, trial: TrialRow) -> Assignment:
        """Train for as many epochs as Optuna says; a failed trial, until it fails again."""
        config, is_failed = self._config(trial), trial.state is TrialState.FAIL
        epochs = config.training.epochs if is_failed else len(trial.scores)
        return Assignment(config=config, epochs=epochs)

    def _accept(self, trial: TrialRow, again: TrialOutcome) -> str:
        """Write a trial that was trained again, if it is the one that Optuna knows."""
        from pipeline.analysis import as_recorded, known_failure, refusal

        run = self._run_of(trial)
        why = refusal(trial, run, again)
        if why is None:
            self._write(trial, as_recorded(trial, run, again))
            return TRAINED
        if trial.state is TrialState.FAIL:
            self._write(trial, known_failure(trial, now_ms=time.time_ns() // 1_000_000))
            return FROM_OPTUNA
        return f"trained again, {why}"


def _trials_of(findings: "Sequence[Finding]", *actions: "Action") -> set[int]:
    """The trials for which findings ask one of some actions."""
    asked = (finding for finding in findings if finding.action in actions)
    return {finding.trial for finding in asked if finding.trial is not None}


def read_overview(name: str, store: "TrialStore | None") -> Overview | None:
    """What a study's run should say; ``None`` where Optuna's store has no sound study file."""
    if store is None or store.document is None:
        return None
    with suppress(BadInputError):
        return Overview.of(read_stored_study(store, name), store.rows(), is_done=store.is_done)
    return None


def read_stored_study(store: "TrialStore", name: str) -> StudyConfig:
    """Read the study file that Optuna's store holds.

    Raises:
        WorkFailedError: It holds none.
    """
    if store.document is None:
        message = f"study {name!r}: Optuna's store holds no study file; `pipeline run` writes it"
        raise WorkFailedError(message)
    return check_study(store.document, f"study {name!r} in Optuna's store")
