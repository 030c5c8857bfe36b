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
from pipeline.tracking.points import Points
from pipeline.tracking.retraining import log_retraining, terminate_abandoned, terminating
from pipeline.trial import RecordedTrial, SealedScores, TrialOutcome

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

    A repeat's run is made when the repeat has ended, so after Ctrl-C this run is KILLED and no
    other is open. Runs that a killed process left running are ended first; the caller holds the
    study meanwhile.

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
    run = client.create_run(
        study_run.info.experiment_id,
        run_name=names.CONFIRM_RUN,
        tags={
            names.PARENT: study_run.info.run_id,
            names.STUDY: first.record.trial.study,
            names.CONFIRM_OF_STUDY: study_run.info.run_id,
            names.SEEDS: str(n_seeds),
        },
    )
    run_ids = {trial.record.trial.number: trial.run_id for trial in trials}
    return ConfirmRun(client, study_run, run.info, run_ids)


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

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self._info.run_id)

    @explained
    def write_repeat(self, config: TrialConfig, outcome: TrialOutcome) -> None:
        """Write a repeat that has ended, be it with a failure."""
        info = log_retraining(
            self.client,
            outcome,
            config,
            experiment_id=self._info.experiment_id,
            run_name=f"confirm-{names.trial_run(config.number)}-repeat-{config.repeat}",
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
    def write_test_scores(self, scores: Mapping[Repeated, SealedScores]) -> None:
        """Write what each repeat's weights scored on the test part."""
        for repeated, (loss, accuracy, metrics) in scores.items():
            of_module = {names.metric_on_test(name): value for name, value in metrics.items()}
            ours = {names.TEST_LOSS: loss, names.TEST_ACCURACY: accuracy}
            self._write_metrics(self._repeats[repeated], of_module | ours)

    @explained
    def write_answer(
        self, answer: Mapping[str, Any], *, metrics: Mapping[str, float | None], note: str
    ) -> None:
        """Write the answer of the study's confirmation.

        Args:
            answer: Becomes ``confirmation.json``.
            metrics: The winner's.
            note: What the study's note says of it, in Markdown.
        """
        content = json.dumps(answer, indent=1).encode()
        runs.put(self.client, self._info, names.CONFIRMATION, content)
        self._write_metrics(self.run_id, metrics)
        if answer["winner"] is not None:
            tied = names.tag_text(", ".join(map(str, answer["tied"])))
            self.client.set_tag(self.run_id, names.WINNER, answer["winner"])
            self.client.set_tag(self.run_id, names.TIED, tied)
        before = self.client.get_run(self._study_run_id).data.tags.get(names.NOTE, "")
        self.client.set_tag(self._study_run_id, names.NOTE, with_confirmed(before, note))

    def _write_metrics(self, run_id: str, metrics: Mapping[str, float | None]) -> None:
        known = {name: value for name, value in metrics.items() if value is not None}
        points = Points(run_id, {})
        points.add(known, step=0, timestamp_ms=time.time_ns() // 1_000_000)
        points.write(self.client)


def _study_run(client: MlflowClient, trial_run_id: str) -> Run:
    return client.get_run(client.get_run(trial_run_id).data.tags[names.PARENT])
