"""Mend what is off in a study that is held: in MLflow, in Optuna, or by training again."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.app.inputs import prepare_trial
from pipeline.app.training import train
from pipeline.app.workspace import Workspace
from pipeline.config import StudyConfig, TrialConfig, check_study
from pipeline.errors import DropoutSearchError, WorkFailedError
from pipeline.trial import (
    Assignment,
    Cohort,
    EpochScores,
    RunSnapshot,
    StudyRuns,
    TrialOutcome,
    TrialRow,
    TrialState,
)

if TYPE_CHECKING:
    from pipeline.analysis import Finding
    from pipeline.search.store import TrialStore
    from pipeline.tracking.ledger import MlflowLedger

Tell = Callable[[str], None]
Told = dict[tuple[str, int | None, str | None], str]
"""What was done about a finding, by its key."""

WRITTEN = "wrote the run again from what the ledgers hold"
TRAINED = "trained the trial again, to the same bits, and wrote the run again"
RELEASED = "released: the next `pipeline run` trains it"


@dataclass(frozen=True, kw_only=True)
class StudySnapshot:
    """A study as both ledgers hold it.

    Attributes:
        store: The study in Optuna's store; ``None`` where it is not there.
        stored: Its trials there.
        kept: Its runs in MLflow.
    """

    study: str
    workspace: Workspace
    store: "TrialStore | None"
    stored: Sequence[TrialRow] | None
    kept: StudyRuns

    def findings(self, *, is_run: bool = False) -> "list[Finding]":
        """What is off; of a study that is being run, with its finished trials alone."""
        from pipeline.analysis import audit

        return audit(self.study, self.stored, self.kept, is_run=is_run)


def repair(snapshot: StudySnapshot, findings: "Sequence[Finding]", tell: Tell) -> Told:
    """Do what mends findings; the study is to be held meanwhile.

    Args:
        snapshot: The study as it was read for these findings.
        findings: What is off with it.
        tell: Called with what is being done.

    Returns:
        What was done about each, or why nothing was.
    """
    told: Told = {}
    try:
        if snapshot.kept.run_id is None and _restore_study(snapshot):
            return {finding.key: "restored the study in MLflow" for finding in findings}
        for finding in findings:
            if how := _correct_run(snapshot, finding):
                told[finding.key] = how
        rest = [finding for finding in findings if finding.key not in told]
        if snapshot.store is not None and rest:
            told |= Repair(snapshot, snapshot.store, tell).run(rest)
    except DropoutSearchError as error:
        told |= {one.key: str(error) for one in findings if one.key not in told}
    return told


def _restore_study(snapshot: StudySnapshot) -> bool:
    from pipeline.tracking.audit import exists
    from pipeline.tracking.corrections import restore_experiment

    uri = snapshot.workspace.ledger_uri
    return exists(uri) and restore_experiment(uri, snapshot.study)


def _correct_run(snapshot: StudySnapshot, finding: "Finding") -> str | None:
    """Change a single run in MLflow; ``None`` where that does not mend it."""
    from pipeline.analysis import Action, Kind
    from pipeline.tracking import corrections

    uri, run_id = snapshot.workspace.ledger_uri, finding.run_id
    if finding.action is Action.MOVE and snapshot.workspace.artifacts:
        snapshot.workspace.confine_artifacts()
        return f"MLflow now looks in {snapshot.workspace.artifacts / snapshot.study}"
    if run_id is None:
        return None
    if finding.action is Action.DELETE:
        corrections.delete_run(uri, run_id)
        return "deleted the run, as MLflow does: `mlflow runs restore` brings it back"
    if finding.action is Action.END:
        corrections.end_run(uri, run_id)
        return "the run is KILLED"
    was_lost = finding.kind is Kind.TRIAL_WITHOUT_RUN and snapshot.kept.run_id is not None
    if was_lost and corrections.restore_run(uri, snapshot.study, run_id):
        return "restored the run, which was deleted in MLflow"
    return None


class Repair:
    """Mends what needs the study's ledger open, as a driver has it.

    Args:
        snapshot: The study as it was read.
        store: Its trials in Optuna.
        tell: Called with what is being done.
    """

    def __init__(self, snapshot: StudySnapshot, store: "TrialStore", tell: Tell) -> None:
        """Read the study's file back; nothing is opened yet."""
        self._snapshot = snapshot
        self._store = store
        self._tell = tell
        self._study = _read_back(store, snapshot.study)
        self._ledger: MlflowLedger
        self._told: Told = {}

    def run(self, findings: "Sequence[Finding]") -> Told:
        """Release what waits, write what is known, train what is lost; then close the study."""
        from pipeline.analysis import Action

        with self._opened():
            for finding in findings:
                if finding.action is Action.RELEASE and finding.trial is not None:
                    self._release(finding.trial)
            ends = {finding.trial for finding in findings if finding.action is Action.WRITE}
            stored = self._snapshot.stored or ()
            hows = self._write([trial for trial in stored if trial.number in ends])
        return {one.key: self._how(one, hows) for one in findings}

    @staticmethod
    def _how(finding: "Finding", hows: dict[int, str]) -> str:
        from pipeline.analysis import Action

        if finding.action is Action.RELEASE:
            return RELEASED
        if finding.trial is None:
            return "closed the study's run"
        return hows.get(finding.trial, "")

    @contextmanager
    def _opened(self) -> Iterator[None]:
        """Open the study in MLflow, and leave nothing running there, whatever happens."""
        from pipeline.tracking.ledger import MlflowLedger

        self._ledger = MlflowLedger(
            self._snapshot.workspace.ledger_uri, self._snapshot.workspace.artifacts
        )
        self._ledger.open(self._study, self._store.known_runs)
        try:
            yield
        finally:
            rows = self._store.rows()
            are_over = all(row.state.is_finished for row in rows)
            is_done = are_over and len(rows) >= self._study.search.trials
            self._ledger.close(rows, is_done=is_done)

    def _release(self, number: int) -> None:
        if self._snapshot.stored and self._snapshot.stored[number].state is TrialState.RUNNING:
            self._store.release(number)
        self._ledger.release(number)

    def _write(self, trials: Iterable[TrialRow]) -> dict[int, str]:
        """Write trials' runs, and say how it went by the trials' numbers."""
        hows: dict[int, str] = {}
        lost: list[TrialRow] = []
        for trial in trials:
            outcome = self._known(trial)
            if outcome is None:
                lost.append(trial)
            else:
                self._keep(trial, outcome)
                hows[trial.number] = WRITTEN
        try:
            hows |= self._train(lost) if lost else {}
        except DropoutSearchError as error:
            why = f"it must be trained again, and cannot be: {error}"
            hows |= {trial.number: why for trial in lost if trial.number not in hows}
        return hows

    def _run_of(self, trial: TrialRow) -> RunSnapshot | None:
        from pipeline.analysis import run_of

        return run_of(trial, self._snapshot.kept)

    def _known(self, trial: TrialRow) -> TrialOutcome | None:
        from pipeline.analysis import known_outcome
        from pipeline.tracking.audit import read_files

        run = self._run_of(trial)
        if run is None or run.row.run_id is None:
            return None
        return known_outcome(
            trial, run, read_files(self._snapshot.workspace.ledger_uri, run.row.run_id)
        )

    def _keep(self, trial: TrialRow, outcome: TrialOutcome) -> None:
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
            replace_run(self._snapshot.workspace.ledger_uri, old, run_id)

    def _config(self, trial: TrialRow) -> TrialConfig:
        from pipeline.search.blocks import resolve

        return resolve(self._study, trial.number, trial.params)

    def _train(self, trials: Sequence[TrialRow]) -> dict[int, str]:
        """Train trials again in fresh processes; each is written as soon as it is there."""
        configs = [self._config(trial) for trial in trials]
        by_number = {trial.number: trial for trial in trials}
        hows: dict[int, str] = {}

        def watch(config: TrialConfig, news: EpochScores | TrialOutcome) -> None:
            trial = by_number[config.number]
            if isinstance(news, TrialOutcome):
                hows[config.number] = self._accept(trial, news)
            else:
                n_epochs = len(trial.val_losses) or config.training.epochs
                task = f"{config.study}: training trial {config.number} again"
                self._tell(f"{task}, epoch {news.epoch} of {n_epochs}")

        data = prepare_trial(
            configs[0], self._snapshot.workspace, where=f"study {self._snapshot.study!r}"
        )
        cohorts = [
            Cohort((_assignment(trial, config),))
            for trial, config in zip(trials, configs, strict=True)
        ]
        n_workers = len(os.sched_getaffinity(0))
        train(cohorts, data, n_workers=n_workers, watch=watch)
        return hows

    def _accept(self, trial: TrialRow, again: TrialOutcome) -> str:
        """Write a trial that was trained again, if it is the one that Optuna knows."""
        from pipeline.analysis import as_recorded, known_failure, refusal

        run = self._run_of(trial)
        why = refusal(trial, run, again)
        if why is None:
            self._keep(trial, as_recorded(trial, run, again))
            return TRAINED
        if trial.state is TrialState.FAIL:
            now_ms = time.time_ns() // 1_000_000
            self._keep(trial, known_failure(trial, now_ms=now_ms))
            return "wrote the failure again from what Optuna holds of it"
        return f"trained again, {why}"


def _read_back(store: "TrialStore", name: str) -> StudyConfig:
    if store.document is None:
        message = f"study {name!r}: Optuna's store holds no study file; `pipeline run` writes it"
        raise WorkFailedError(message)
    return check_study(store.document, f"study {name!r} in Optuna's store")


def _assignment(trial: TrialRow, config: TrialConfig) -> Assignment:
    """Train for as many epochs as Optuna says; a failed trial, until it fails again."""
    is_failed = trial.state is TrialState.FAIL
    epochs = config.training.epochs if is_failed else len(trial.val_losses)
    return Assignment(config=config, epochs=epochs)
