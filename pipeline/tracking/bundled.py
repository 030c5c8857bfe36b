"""What a bundle holds of MLflow: read from a home's runs, and written into another home's."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mlflow.entities import Metric, Run
from mlflow.tracking import MlflowClient

from pipeline.errors import WorkFailedError, without_password
from pipeline.tracking import names, runs
from pipeline.tracking.audit import exists
from pipeline.tracking.client import connect, explained
from pipeline.tracking.points import curve_of
from pipeline.tracking.reader import find_study_run, read_run
from pipeline.tracking.report import LARGEST_CONFIRMATION_BYTES
from pipeline.tracking.seconds import read_time_spent
from pipeline.trial import (
    BundledCandidate,
    BundledConfirmation,
    BundledEpoch,
    BundledRun,
    Curve,
    TimeSpent,
    TrialOutcome,
    TrialRecord,
)

LARGEST_REPORT_BYTES = 100_000_000
LINK = re.compile(r"\[([^\]\[]*)\]\(#[^)\s]*\)")
"""A link within MLflow's pages, which are others in each home."""
RUN_ID = re.compile(r"\b[0-9a-f]{32}\b")


@dataclass(frozen=True, kw_only=True)
class Training:
    """A trial or a repeat as a bundle holds it.

    Attributes:
        weights: ``None`` where it has none, or they are left out.
        pictures: PNG files by name.
    """

    record: TrialRecord
    run: BundledRun
    weights: bytes | None = field(default=None, repr=False)
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def curve(self) -> Curve:
        """Its epochs, put together as they are from MLflow's points."""
        history = [
            Metric(name, value, one.ended_at_ms, one.epoch)
            for one in self.run.epochs
            for name, value in one.scores.items()
        ]
        return curve_of(history, self.record.trial.number, self.record)

    @property
    def outcome(self) -> TrialOutcome:
        """How it ended."""
        return self.record.outcome(self.curve, self.weights, self.pictures)


@explained
def read_training(
    tracking_uri: str, run_id: str, *, with_weights: bool, test_metrics: Sequence[str] = ()
) -> Training:
    """Read a run that has a record.

    Args:
        tracking_uri: Where MLflow is.
        run_id: The run.
        with_weights: Whether its weights go with it.
        test_metrics: Metrics of a repeat that are of the test part.

    Raises:
        WorkFailedError: Its record is damaged.
    """
    recorded = read_run(tracking_uri, run_id)
    client = connect(tracking_uri)
    run = client.get_run(run_id)
    metrics = run.data.metrics
    return Training(
        record=recorded.record,
        run=BundledRun(
            epochs=_epochs(recorded.curve),
            test={name: metrics[name] for name in test_metrics if name in metrics},
        ),
        weights=recorded.weights if with_weights else None,
        pictures={
            name: content
            for name, content in runs.files(client, run.info).items()
            if name.endswith(".png")
        },
    )


def _epochs(curve: Curve) -> tuple[BundledEpoch, ...]:
    return tuple(
        BundledEpoch(
            epoch=scores.epoch,
            ended_at_ms=scores.ended_at_ms,
            scores={name: one for name, one in scores.metrics.items() if math.isfinite(one)},
        )
        for scores in curve
    )


@dataclass(frozen=True, kw_only=True)
class ReadConfirmation:
    """A confirmation that came to its end.

    Attributes:
        repeats: The runs of its repeats, by trial number and repeat.
    """

    answer: BundledConfirmation
    repeats: Mapping[tuple[int, int], str]

    @property
    def test_metrics(self) -> list[str]:
        """The metrics that a repeat may have of the test part, by their names in MLflow."""
        own = {name for one in self.answer.candidates for name in one.metrics}
        return [names.TEST_LOSS, names.TEST_ACCURACY, *sorted(map(names.metric_on_test, own))]


@dataclass(frozen=True, kw_only=True)
class StudyRunContent:
    """What the run of a study holds beside its file.

    Attributes:
        note: In Markdown, without links into this MLflow's pages.
        report: The page that ``report`` wrote last; ``None`` where there is none.
        test_openings: How often the test part was opened.
        confirmations: The oldest first.
    """

    note: str
    report: bytes | None
    time: TimeSpent
    test_openings: int
    confirmations: Sequence[ReadConfirmation]


@explained
def read_study_run(tracking_uri: str, study: str) -> StudyRunContent:
    """Read what a bundle holds of a study's own run and of its confirmations.

    Raises:
        BadInputError: MLflow does not have the study.
    """
    client = connect(tracking_uri)
    run = find_study_run(client, study, without_password(tracking_uri))
    found = (_read_confirmation(client, one) for one in runs.confirm_runs(client, run))
    return StudyRunContent(
        note=RUN_ID.sub("run", LINK.sub(r"\1", run.data.tags.get(names.NOTE, ""))),
        report=_read_if_there(client, run, names.REPORT, LARGEST_REPORT_BYTES),
        time=read_time_spent(client, run.info),
        test_openings=int(run.data.tags.get(names.TEST_OPENINGS, 0)),
        confirmations=[one for one in found if one is not None],
    )


def _read_if_there(client: MlflowClient, run: Run, name: str, largest: int) -> bytes | None:
    if name not in {file.path for file in client.list_artifacts(run.info.run_id)}:
        return None
    return runs.read(client, run.info, name, largest=largest)


def _read_confirmation(client: MlflowClient, run: Run) -> ReadConfirmation | None:
    """Read a confirmation; ``None`` where it was broken off."""
    content = _read_if_there(client, run, names.CONFIRMATION, LARGEST_CONFIRMATION_BYTES)
    if run.info.status != "FINISHED" or content is None:
        return None
    try:
        said = json.loads(content)
        opened = run.data.tags.get(names.TEST_OPENED)
        answer = BundledConfirmation(
            seeds=said["seeds"],
            candidates=tuple(BundledCandidate.of(one) for one in said["candidates"]),
            test_openings=said["test_openings"],
            test_opened=datetime.fromisoformat(opened) if opened else None,
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        message = f"run {run.info.run_id} ({run.info.run_name}): {names.CONFIRMATION} is damaged"
        raise WorkFailedError(message) from None
    condition = f"tags.`{names.PARENT}` = '{run.info.run_id}' AND tags.{names.CONFIRMS} != ''"
    below = runs.search(client, run.info.experiment_id, condition)
    repeats = {_key_of(client.tracking_uri, one): str(one.info.run_id) for one in below}
    return ReadConfirmation(answer=answer, repeats=dict(sorted(repeats.items())))


def _key_of(tracking_uri: str, run: Run) -> tuple[int, int]:
    trial = read_run(tracking_uri, run.info.run_id).record.trial
    return trial.number, trial.repeat


@explained
def check_can_import(tracking_uri: str, study: str, sha256: str) -> str | None:
    """Whether MLflow has a study that Optuna does not have.

    Returns:
        ``None`` where it has none, or what an import of the same bundle left that was broken off;
        else what it has.
    """
    if not exists(tracking_uri):
        return None
    client = connect(tracking_uri)
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        return None
    if runs.is_deleted(experiment):
        return "an experiment of that name, which was deleted"
    run = runs.study_run(client, experiment.experiment_id)
    if run is None or run.data.tags.get(names.IMPORTED) == sha256:
        return None
    if names.IMPORTED in run.data.tags:
        return "what an import of another file left, which was broken off"
    n_runs = len(list(runs.trial_runs(client, run)))
    return f"a study of that name with {n_runs} runs" if n_runs else None


@explained
def begin_import(tracking_uri: str, study: str, sha256: str) -> None:
    """Mark a study's run as that of an import, and remove confirmations that one left half."""
    client = connect(tracking_uri)
    run = find_study_run(client, study, without_password(tracking_uri))
    client.set_tag(run.info.run_id, names.IMPORTED, sha256)
    for one in list(runs.confirm_runs(client, run)):
        condition = f"tags.`{names.PARENT}` = '{one.info.run_id}'"
        for repeat in list(runs.search(client, run.info.experiment_id, condition)):
            client.delete_run(repeat.info.run_id)
        client.delete_run(one.info.run_id)


@explained
def end_import(tracking_uri: str, study: str, time: TimeSpent, test_openings: int) -> None:
    """Write what the study's own run has beside what a ledger that is closed writes."""
    client = connect(tracking_uri)
    run = find_study_run(client, study, without_password(tracking_uri))
    if time.runs:
        runs.put(client, run.info, names.SECONDS, time.file)
    if test_openings:
        client.set_tag(run.info.run_id, names.TEST_OPENINGS, test_openings)
