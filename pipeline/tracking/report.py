"""What a study's report is made from, read from MLflow, and the report put beside the study."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from pipeline.errors import WorkFailedError, first_line, without_password
from pipeline.tracking import names, runs
from pipeline.tracking.client import connect, explained, is_away
from pipeline.tracking.points import read_curve
from pipeline.tracking.reader import find_study_run, is_finished, read_record
from pipeline.tracking.seconds import read_time_spent
from pipeline.trial import Curve, TimeSpent, TrialRecord

LARGEST_CONFIRMATION_BYTES = 10_000_000


@dataclass(frozen=True, kw_only=True)
class ReportSource:
    """What MLflow holds of a study, as far as it can be read.

    Attributes:
        run_id: The study run's.
        curves: Of each trial that has ended, by number.
        records: The record of each such trial and the SHA-256 of its file, by number.
        confirmation: Of the latest ``confirm`` that came to its end.
        time: Where the seconds of all runs went.
        faults: What cannot be read, a sentence each.
    """

    run_id: str
    curves: Mapping[int, Curve]
    records: Mapping[int, tuple[TrialRecord, str]]
    confirmation: Mapping[str, Any] | None
    time: TimeSpent
    faults: tuple[str, ...]


@explained
def read_report_source(
    tracking_uri: str,
    study: str,
    *,
    tell: Callable[[int, int], None] = lambda _n_read, _n_runs: None,
) -> ReportSource:
    """Read all that a report shows beside Optuna's table; what is damaged is left out and named.

    Args:
        tracking_uri: Where MLflow is.
        study: Its name.
        tell: Called with the number of trial runs read, and of all: a trial takes 40 ms.

    Raises:
        BadInputError: MLflow does not have the study.
        WorkFailedError: MLflow does not answer.
    """
    client = connect(tracking_uri)
    study_run = find_study_run(client, study, without_password(tracking_uri))
    curves: dict[int, Curve] = {}
    records: dict[int, tuple[TrialRecord, str]] = {}
    faults: list[str] = []
    ended = {number: run for number, run in runs.trial_runs(client, study_run) if is_finished(run)}
    for n_read, (number, run) in enumerate(sorted(ended.items())):
        tell(n_read, len(ended))
        try:
            records[number] = read_record(client, run)
            curves[number] = read_curve(client, run.info.run_id, records[number][0])
        except WorkFailedError as error:
            faults.append(f"{error}; `pipeline doctor --fix` repairs it")
    return ReportSource(
        run_id=study_run.info.run_id,
        curves=curves,
        records=records,
        confirmation=_latest_confirmation(client, study_run, faults),
        time=read_time_spent(client, study_run.info),
        faults=tuple(faults),
    )


def _latest_confirmation(
    client: MlflowClient, study_run: Run, faults: list[str]
) -> dict[str, Any] | None:
    """The answer of the latest run ``confirm`` that has one; damage is added to the faults."""
    found = list(runs.confirm_runs(client, study_run))
    for run in (one for one in reversed(found) if one.info.status == "FINISHED"):
        try:
            content = runs.read(
                client, run.info, names.CONFIRMATION, largest=LARGEST_CONFIRMATION_BYTES
            )
            answer = json.loads(content)
            if isinstance(answer, dict):
                return answer
            faults.append(_damaged(run, "it is no object"))
        except (ValueError, RecursionError) as error:
            faults.append(_damaged(run, first_line(error)))
        except (MlflowException, OSError) as error:
            if is_away(error):
                raise
            faults.append(_damaged(run, first_line(error)))
    return None


def _damaged(run: Run, reason: str) -> str:
    name = f"run {run.info.run_id} ({run.info.run_name})"
    return f"{name}: {names.CONFIRMATION} is missing or damaged: {reason}"


@explained
def write_report(tracking_uri: str, study: str, page: bytes, pictures: Mapping[str, bytes]) -> str:
    """Put a report and its pictures beside the study's file, in place of older ones.

    Returns:
        The study run's id.

    Raises:
        BadInputError: MLflow does not have the study.
    """
    client = connect(tracking_uri)
    info = find_study_run(client, study, without_password(tracking_uri)).info
    for name, content in pictures.items():
        runs.put(client, info, f"{names.PICTURES}/{name}", content)
    runs.put(client, info, names.REPORT, page)
    return str(info.run_id)
