"""A confirmation in MLflow: one run below the study's, and below it one for each repeat."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from mlflow.entities import Run, RunInfo
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from pipeline.config import TrialConfig
from pipeline.errors import BadInputError, WorkFailedError, first_line
from pipeline.tracking import names, runs
from pipeline.tracking.client import connect, explained
from pipeline.tracking.note import with_confirmed
from pipeline.tracking.points import Points, known_points
from pipeline.tracking.reader import read_run
from pipeline.tracking.retraining import log_retraining, terminate_abandoned, terminating
from pipeline.trial import RecordedTrial, SealedScores, TrialOutcome, TrialRecord

Repeated = tuple[int, int]
"""A trial's number and the repeat."""


@explained
def read_n_fixed(tracking_uri: str, run_id: str) -> int:
    """Count the settings that a study's file names under ``trials``.

    Args:
        tracking_uri: Where MLflow is.
        run_id: Of any of the study's trials.

    Raises:
        WorkFailedError: The study file that MLflow holds is damaged.
    """
    client = connect(tracking_uri)
    study_run = _study_run(client, run_id)
    try:
        return len(runs.read_study_file(client, study_run).get("trials") or ())
    except (MlflowException, OSError, TypeError, BadInputError) as error:
        message = f"run {study_run.info.run_id}: {names.STUDY_FILE} is damaged: "
        raise WorkFailedError(message + first_line(error)) from None


@contextmanager
def confirming(trials: Sequence[RecordedTrial], *, n_seeds: int) -> Iterator["ConfirmRun"]:
    """Open the run ``confirm`` of a study while its candidates are trained again.

    The last run of the same candidates is gone on with if it was broken off or had fewer seeds; a
    new one is made otherwise. A repeat's run is made when the repeat has ended, so after Ctrl-C
    this run is KILLED and no other is open. Runs that a killed process left running are ended
    first; the caller holds the study meanwhile.

    Args:
        trials: The candidates as they were read; runs are written where they were.
        n_seeds: How many repeats each is to have.
    """
    run = _begin(trials, n_seeds)
    with terminating(run.client, run.run_id):
        yield run


@explained
def _begin(trials: Sequence[RecordedTrial], n_seeds: int) -> "ConfirmRun":
    first = trials[0]
    client = connect(first.tracking_uri)
    study_run = _study_run(client, first.run_id)
    for tag in (names.CONFIRM_OF_STUDY, names.CONFIRMS):
        terminate_abandoned(client, study_run.info.experiment_id, tag)
    candidates = _candidates_text(trials)
    run = _find_unfinished(client, study_run, candidates, n_seeds)
    if run is None:
        run = client.create_run(
            study_run.info.experiment_id,
            run_name=names.CONFIRM_RUN,
            tags={
                names.PARENT: study_run.info.run_id,
                names.STUDY: first.record.trial.study,
                names.CONFIRM_OF_STUDY: study_run.info.run_id,
                names.CANDIDATES: candidates,
            },
        )
    client.set_tag(run.info.run_id, names.SEEDS, str(n_seeds))
    client.update_run(run.info.run_id, status="RUNNING")
    run_ids = {trial.record.trial.number: trial.run_id for trial in trials}
    return ConfirmRun(client, study_run, run.info, run_ids)


def _candidates_text(trials: Sequence[RecordedTrial]) -> str:
    configs = sorted((trial.record.trial for trial in trials), key=lambda config: config.number)
    return names.tag_text(", ".join(str(config.shown_number) for config in configs))


def _find_unfinished(
    client: MlflowClient, study_run: Run, candidates: str, n_seeds: int
) -> Run | None:
    """The last confirmation of these candidates, if there is something left to do."""
    found = runs.confirm_runs(client, study_run)
    alike = [run for run in found if run.data.tags.get(names.CANDIDATES) == candidates]
    if not alike:
        return None
    last = alike[-1]
    seeds = last.data.tags.get(names.SEEDS, "")
    before = int(seeds) if seeds.isdecimal() else 0
    is_more = n_seeds > before or (n_seeds == before and last.info.status != "FINISHED")
    return last if is_more else None


class ConfirmRun:
    """The run ``confirm``: what is known so far is written at once.

    Args:
        client: Connected to MLflow.
        study_run: The run above it.
        info: Its own.
        originals: The run id of each candidate by number.
    """

    def __init__(
        self, client: MlflowClient, study_run: Run, info: RunInfo, originals: Mapping[int, str]
    ) -> None:
        self.client = client
        self._study_run_id = str(study_run.info.run_id)
        self._info = info
        self._originals = originals
        self._repeats: dict[Repeated, str] = {}
        condition = f"tags.`{names.PARENT}` = '{self.run_id}'"
        found = runs.search(client, info.experiment_id, condition)
        self._earlier = {str(run.info.run_name): run for run in found}

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self._info.run_id)

    def run_of(self, number: int, repeat: int) -> str:
        """The run of a repeat that was written or found."""
        return self._repeats[number, repeat]

    @explained
    def find_repeat(self, config: TrialConfig) -> TrialOutcome | None:
        """How a repeat ended that was trained before this run was broken off; ``None``: it was not.

        What failed, was broken off while it was written, or is damaged, is removed: it is trained
        again.
        """
        run = self._earlier.get(_repeat_run(config))
        if run is None:
            return None
        recorded = self._read(run)
        if recorded is None or recorded.record.trial != config:
            self.client.delete_run(run.info.run_id)
            return None
        self._repeats[config.number, config.repeat] = recorded.run_id
        return recorded.outcome

    def _read(self, run: Run) -> RecordedTrial | None:
        if run.info.status != "FINISHED":
            return None
        try:
            recorded = read_run(self.client.tracking_uri, run.info.run_id)
        except WorkFailedError:  # its record or its weights cannot be read
            return None
        return recorded if recorded.is_sound else None

    @explained
    def write_repeat(self, config: TrialConfig, outcome: TrialOutcome) -> None:
        """Write a repeat that has ended, be it with a failure."""
        self.restore_repeat(TrialRecord.of(config, outcome), outcome)

    @explained
    def restore_repeat(self, record: TrialRecord, outcome: TrialOutcome) -> None:
        """Write a repeat with the record that it had; its weights may be missing."""
        config = record.trial
        info = log_retraining(
            self.client,
            record,
            outcome,
            experiment_id=self._info.experiment_id,
            run_name=_repeat_run(config),
            tags={
                names.PARENT: self.run_id,
                names.STUDY: config.study,
                names.CONFIRMS: self._originals[config.number],
                names.REPEAT: str(config.repeat),
            },
        )
        self._repeats[config.number, config.repeat] = str(info.run_id)

    @explained
    def count_openings(self) -> int:
        """How often the study's test part was opened."""
        tags = self.client.get_run(self._study_run_id).data.tags
        return int(tags.get(names.TEST_OPENINGS, 0))

    @explained
    def note_opening(self) -> None:
        """Record that the test part is about to be opened."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.client.set_tag(self.run_id, names.TEST_OPENED, now)
        n_openings = 1 + self.count_openings()
        self.client.set_tag(self._study_run_id, names.TEST_OPENINGS, n_openings)

    @explained
    def note_earlier_opening(self, at: datetime) -> None:
        """Record when the test part was opened in another home; it is counted by the importer."""
        self.client.set_tag(self.run_id, names.TEST_OPENED, at.isoformat(timespec="seconds"))

    @explained
    def write_test_scores(self, scores: Mapping[Repeated, SealedScores]) -> None:
        """Write what each repeat's weights scored on the test part."""
        for repeated, (loss, accuracy, metrics) in scores.items():
            of_module = {names.metric_on_test(name): value for name, value in metrics.items()}
            ours = {names.TEST_LOSS: loss, names.TEST_ACCURACY: accuracy}
            self._write_metrics(self._repeats[repeated], of_module | ours)

    @explained
    def write_answer(
        self,
        answer: Mapping[str, Any],
        *,
        metrics: Mapping[str, float | None],
        note: str,
        n_seeds: int,
    ) -> None:
        """Write the answer of the study's confirmation.

        Args:
            answer: Becomes ``confirmation.json``.
            metrics: The winner's.
            note: What the study's note says of it, in Markdown.
            n_seeds: How many new seeds it is over: the step of the metrics.
        """
        content = json.dumps(answer, indent=1).encode()
        runs.put(self.client, self._info, names.CONFIRMATION, content)
        self._write_metrics(self.run_id, metrics, step=n_seeds)
        if answer["winner"] is not None:
            tied = names.tag_text(", ".join(map(str, answer["tied"])))
            self.client.set_tag(self.run_id, names.WINNER, answer["winner"])
            self.client.set_tag(self.run_id, names.TIED, tied)
        before = self.client.get_run(self._study_run_id).data.tags.get(names.NOTE, "")
        self.client.set_tag(self._study_run_id, names.NOTE, with_confirmed(before, note))

    def _write_metrics(
        self, run_id: str, metrics: Mapping[str, float | None], *, step: int = 0
    ) -> None:
        known = {name: value for name, value in metrics.items() if value is not None}
        points = Points(run_id, {}, known_points(self.client, run_id, known))
        points.add(known, step=step, timestamp_ms=time.time_ns() // 1_000_000)
        points.write(self.client)


def _repeat_run(config: TrialConfig) -> str:
    return f"confirm-{names.trial_run(config.shown_number)}-repeat-{config.repeat}"


def _study_run(client: MlflowClient, trial_run_id: str) -> Run:
    return client.get_run(client.get_run(trial_run_id).data.tags[names.PARENT])
