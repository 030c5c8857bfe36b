"""MlflowLedger: a study as MLflow shows it, one run for it and one below for each trial."""

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.entities import Run, RunInfo
from mlflow.exceptions import MlflowException

from pipeline.config import StudyConfig, TrialConfig
from pipeline.errors import without_password
from pipeline.locks import locked
from pipeline.tracking import names, runs
from pipeline.tracking.client import connect, explained
from pipeline.tracking.note import confirmed_in, study_note, with_confirmed
from pipeline.tracking.overview import write_overview
from pipeline.tracking.points import Points, known_points
from pipeline.tracking.seconds import add_run_time
from pipeline.tracking.store import begin_write_ahead, database_of, end_write_ahead, lock_of
from pipeline.tracking.study_run import take_study_run
from pipeline.trial import (
    NO_RUNS,
    EpochScores,
    KnownRuns,
    Overview,
    RunRank,
    SearchSummary,
    StudyState,
    TrialOutcome,
    TrialRecord,
    TrialRow,
    TrialState,
    WarmStart,
    find_best,
)

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient
    from sqlalchemy import Engine

    from pipeline.tracking.system_metrics import SystemMetrics

STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "FINISHED", TrialState.FAIL: "FAILED"}
"""MLflow's page marks all but FINISHED with a red cross, and a pruned trial did its work."""


class MlflowLedger:
    """The ledger in MLflow; every call may be repeated after a death at any point in it.

    Args:
        tracking_uri: ``sqlite:///HOME/mlflow.db``, a server or another database.
        artifact_root: Where an embedded store keeps artifacts; ``None``: the server decides.
        seconds_buffered: A score waits at most so long for others to be written with it.
        system_metrics: Logs what the machine does to the study's run; ``None``: nobody asked.
    """

    def __init__(
        self,
        tracking_uri: str,
        artifact_root: Path | None = None,
        *,
        seconds_buffered: float = 2.0,
        system_metrics: "SystemMetrics | None" = None,
    ) -> None:
        self._uri = tracking_uri
        self._artifact_root = artifact_root
        self._seconds_buffered = seconds_buffered
        self._system_metrics = system_metrics
        self._client: MlflowClient
        self._study: StudyConfig
        self._study_run: Run
        self._engine: Engine | None = None
        self._infos: dict[int, RunInfo] = {}
        self._running: set[int] = set()
        self._live: dict[int, Points] = {}
        self._attempts: dict[int, int] = {}
        self._has_data = False

    @property
    def run_ids(self) -> dict[int, str]:
        """The run id of every trial that has a run, by the trial's number."""
        return {number: info.run_id for number, info in self._infos.items()}

    @explained
    def open(
        self,
        study: StudyConfig,
        known: KnownRuns = NO_RUNS,
        warm_start: WarmStart | None = None,
    ) -> None:
        """Make the study's run or take it up again; nothing is made twice.

        Args:
            study: Whose runs are written.
            known: Of each trial's runs the one that counts, and those to be set aside.
            warm_start: What the study has taken over from another one.

        Raises:
            BadInputError: MLflow cannot be reached, or holds another study of that name.
        """
        self._client = connect(self._uri, self._artifact_root)
        self._study = study
        try:
            self._take_up(study, known, warm_start)
        except KeyboardInterrupt:  # nobody closes what was not open
            with suppress(MlflowException):  # the interruption is what is to be told
                self._end_study_run()
            raise

    def _take_up(self, study: StudyConfig, known: KnownRuns, warm_start: WarmStart | None) -> None:
        database = database_of(self._uri)
        with locked(lock_of(database)) if database else nullcontext():
            self._study_run = take_study_run(
                self._client,
                study,
                warm_start,
                artifact_root=self._artifact_root if database else None,
                where=without_password(self._uri),
            )
        self._take_trial_runs(known)
        self._write_overview(())
        if database:
            self._engine = begin_write_ahead(self._uri, database)
        if self._system_metrics:
            self._system_metrics.watch(self._study_run.info.run_id)

    @explained
    def start(self, config: TrialConfig) -> str:
        """Make a trial's run, or take it up again, and return its run id."""
        number = config.number
        if number in self._infos:
            self._resume(config)
        else:
            self._infos[number] = self._create(config)
            self._live[number] = Points(self._run_id(number), config.params)
        self._running.add(number)
        return self._run_id(number)

    def forget(self, number: int) -> None:
        """Let the trial's next start make a new run; the old one is not deleted."""
        self._infos.pop(number, None)
        self._live.pop(number, None)
        self._running.discard(number)

    def report(self, scores: EpochScores) -> None:
        """Take an epoch's scores; they are visible within two seconds, each point once."""
        points = self._live.get(scores.number)
        if points is not None:
            points.add(scores.metrics, step=scores.epoch, timestamp_ms=scores.ended_at_ms)

    @explained
    def finish(self, config: TrialConfig, outcome: TrialOutcome) -> None:
        """Write all that is left of a trial; after this its run is complete.

        The state's tag comes after the files, so that who finds a complete trial finds its record.
        """
        self._write_end(TrialRecord.of(config, outcome), outcome)

    @explained
    def restore(
        self, record: TrialRecord, outcome: TrialOutcome, warning: str | None = None
    ) -> None:
        """Write a trial with the record that it had.

        Args:
            record: The trial's.
            outcome: How it ended; its weights may be missing.
            warning: What its user should know of it, where the outcome does not say it any more.
        """
        self._write_end(record, outcome, warning)

    def _write_end(
        self, record: TrialRecord, outcome: TrialOutcome, warning: str | None = None
    ) -> None:
        config, number = record.trial, record.trial.number
        if number not in self._live:
            self.start(config)
        data = runs.put_outcome(self._client, self._infos[number], record, outcome)
        if data is not None and not self._has_data:
            self._client.log_inputs(self._study_run.info.run_id, [data])
            self._has_data = True
        points = self._live[number]
        points.add_outcome(config, outcome)
        tags = {names.TRIAL_STATE: record.state.value} | runs.outcome_tags(record, outcome)
        tags |= {names.WARNING: names.tag_text(warning)} if warning else {}
        points.write(self._client, tags)
        self._terminate(number, STATUS[outcome.state])

    @explained
    def release(self, number: int) -> None:
        """Note that a trial was interrupted and waits to be trained again."""
        if number not in self._infos:
            return
        points = self._live.pop(number, None) or Points(self._run_id(number), {})
        points.write(self._client, {names.TRIAL_STATE: TrialState.WAITING})
        self._client.update_run(points.run_id, status="SCHEDULED")
        self._running.discard(number)

    @explained
    def flush(self) -> None:
        """Write what is older than two seconds; called often, it mostly returns at once."""
        for points in self._live.values():
            if points.are_due(self._seconds_buffered):
                points.write(self._client)

    @explained
    def close(self, state: StudyState) -> None:
        """Write the study's note and leave nothing running.

        Args:
            state: What the study has come to; its rows need not know the runs.
        """
        finished = {row.number: row.state for row in state.rows if row.state.is_finished}
        for number in sorted(self._running):
            if number in finished:
                self._terminate_as(number, finished[number])
            else:
                self.release(number)
        info = self._study_run.info
        run_ids = self.run_ids
        rows = [_with_run_id(row, run_ids.get(row.number)) for row in state.rows]
        study = self._study
        note = study_note(
            study.name,
            study.question,
            rows,
            info.experiment_id,
            study.search,
            state.settled,
            state.summary,
        )
        before = self._client.get_run(info.run_id).data.tags.get(names.NOTE, "")
        note = with_confirmed(note, confirmed_in(before))
        self._client.set_tag(info.run_id, names.NOTE, note)
        self._show_best(rows)
        self._write_overview(rows, is_done=state.is_done, summary=state.summary)
        if self._system_metrics:
            self._system_metrics.end()
        if state.spent is not None:
            add_run_time(self._client, info, state.spent)
        self._client.set_terminated(info.run_id, "FINISHED" if state.is_done else "KILLED")
        database = database_of(self._uri)
        if self._engine and database:
            end_write_ahead(self._engine, database)

    def _end_study_run(self) -> None:
        """Leave the study's run not RUNNING, whether this process has come to know of it or not."""
        experiment = self._client.get_experiment_by_name(self._study.name)
        run = runs.study_run(self._client, experiment.experiment_id) if experiment else None
        if run is not None and run.info.status == "RUNNING":
            self._client.set_terminated(run.info.run_id, "KILLED")

    def _take_trial_runs(self, known: KnownRuns) -> None:
        self._attempts = {number: len(earlier) + 1 for number, earlier in known.earlier.items()}
        found: dict[int, list[Run]] = {}
        for number, run in runs.trial_runs(self._client, self._study_run):
            earlier = known.earlier.get(number, ())
            if run.info.run_id in earlier:
                self._set_aside(number, run, attempt=earlier.index(run.info.run_id) + 1)
            else:
                found.setdefault(number, []).append(run)
        single = {n: self._delete_doubles(same, known.current.get(n)) for n, same in found.items()}
        self._infos = {number: run.info for number, run in single.items()}
        self._running = {n for n, run in single.items() if run.info.status == "RUNNING"}

    def _set_aside(self, number: int, run: Run, *, attempt: int) -> None:
        """Make a run an earlier attempt; the tag that makes it the trial's run is deleted last."""
        run_id = run.info.run_id
        self._client.set_tag(run_id, names.ATTEMPT, str(attempt))
        self._client.set_tag(run_id, names.ATTEMPT_OF_TRIAL, str(number))
        self._client.update_run(run_id, name=names.attempt_run(number, attempt))
        self._client.delete_tag(run_id, names.TRIAL_NUMBER)

    def _delete_doubles(self, same: Sequence[Run], named: str | None) -> Run:
        """Delete all but one of a trial's runs, and return that one."""

        def rank(run: Run) -> RunRank:
            is_finished = run.info.status == "FINISHED"
            return RunRank(run.info.run_id == named, is_finished, len(run.data.metrics))

        highest = max(same, key=rank)
        for run in same:
            if run is not highest:
                self._client.delete_run(run.info.run_id)
        return highest

    def _run_id(self, number: int) -> str:
        return str(self._infos[number].run_id)

    def _create(self, config: TrialConfig) -> RunInfo:
        number = config.number
        tags = {
            names.PARENT: self._study_run.info.run_id,
            names.STUDY: self._study.name,
            names.TRIAL_NUMBER: str(number),
            names.TRIAL_STATE: TrialState.RUNNING.value,
        }
        if number in self._attempts:
            tags[names.ATTEMPT] = str(self._attempts[number])
        tags |= runs.finalist_tags(config.finalist) | names.objective_tags(config.objective)
        experiment_id = self._study_run.info.experiment_id
        name = names.trial_run(number)
        return self._client.create_run(experiment_id, tags=tags, run_name=name).info

    def _resume(self, config: TrialConfig) -> None:
        run = self._client.get_run(self._run_id(config.number))
        run_id, tags = run.info.run_id, run.data.tags
        if run.info.status != "RUNNING":
            self._client.update_run(run_id, status="RUNNING")
        if tags.get(names.TRIAL_STATE) != TrialState.RUNNING:
            self._client.set_tag(run_id, names.TRIAL_STATE, TrialState.RUNNING.value)
        self._mark_finalist(run, config)
        for name in runs.OUTCOME_TAGS & tags.keys():
            self._client.delete_tag(run_id, name)
        if config.number not in self._live:
            known = known_points(self._client, run_id, run.data.metrics)
            self._live[config.number] = Points(run_id, config.params, known)

    def _mark_finalist(self, run: Run, config: TrialConfig) -> None:
        """Correct what the tags of a run that was made before say of its being a finalist's."""
        if runs.finalist_of(run.data.tags) == config.finalist:
            return
        for name in {names.FINALIST_OF, names.FINALISTS} & run.data.tags.keys():
            self._client.delete_tag(run.info.run_id, name)
        for name, text in runs.finalist_tags(config.finalist).items():
            self._client.set_tag(run.info.run_id, name, text)

    def _write_overview(
        self,
        rows: Sequence[TrialRow],
        *,
        is_done: bool = False,
        summary: SearchSummary | None = None,
    ) -> None:
        """Write what the study's run says of the study; without rows, its settings alone."""
        n_first = summary.gain.n_first if summary and summary.gain else 0
        overview = Overview.of(self._study, rows, is_done=is_done, n_first=n_first)
        write_overview(self._client, self._study_run.info.run_id, overview, self._uri)

    def _show_best(self, rows: Sequence[TrialRow]) -> None:
        """Copy the pictures of the best trial, if it has any, to the study's run."""
        best = find_best(rows)
        if best is not None and best.run_id is not None:
            runs.copy_pictures(self._client, best.run_id, self._study_run.info)

    def _terminate_as(self, number: int, state: TrialState) -> None:
        points = self._live.get(number) or Points(self._run_id(number), {})
        points.write(self._client, {names.TRIAL_STATE: state.value})
        self._terminate(number, STATUS[state])

    def _terminate(self, number: int, status: str) -> None:
        self._client.set_terminated(self._run_id(number), status)
        self._live.pop(number, None)
        self._running.discard(number)


def _with_run_id(row: TrialRow, run_id: str | None) -> TrialRow:
    return replace(row, run_id=row.run_id or run_id)
