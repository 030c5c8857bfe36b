"""A report's source in MLflow, what is damaged left out and named, and the report beside it."""

import json
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline.errors import BadInputError
from pipeline.tracking import names, runs
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.report import read_report_source, write_report
from pipeline.tracking.store import tracking_uri
from pipeline.trial import StudyState, TrialState
from tests.tracking.builders import config, curve, folder_of, outcome, row


@pytest.fixture
def uri(ledger: MlflowLedger, home: Path) -> str:
    """A ledger with two complete trials and a failed one."""
    states = (TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL)
    for number, state in enumerate(states):
        ledger.start(config(number))
        ledger.finish(config(number), outcome(number, state))
    ledger.close(
        StudyState(rows=[row(number, state) for number, state in enumerate(states)], is_done=True)
    )
    return tracking_uri(home)


def confirmed(client: MlflowClient, content: str | None, status: str = "FINISHED") -> None:
    """A run ``confirm`` that has ended so."""
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    study_run = runs.study_run(client, experiment.experiment_id)
    assert study_run is not None
    tags = {names.CONFIRM_OF_STUDY: study_run.info.run_id, names.PARENT: study_run.info.run_id}
    info = client.create_run(experiment.experiment_id, tags=tags, run_name="confirm").info
    if content is not None:
        runs.put(client, info, names.CONFIRMATION, content.encode())
    client.set_terminated(info.run_id, status)


def test_source_has_each_trials_curve_and_record(uri: str) -> None:
    source = read_report_source(uri, "digits")
    assert source.curves == {number: curve(number) for number in range(3)}
    assert source.records[1][0].trial == config(1)
    assert source.confirmation is None
    assert source.faults == ()


def test_a_damaged_record_is_named_and_the_others_are_read(uri: str, home: Path) -> None:
    (file, *_) = sorted(home.rglob("record.json"))
    file.write_text("{")
    source = read_report_source(uri, "digits")
    assert len(source.curves) == 2
    (fault,) = source.faults
    assert "record.json is damaged" in fault
    assert "`pipeline doctor --fix`" in fault


def test_the_latest_confirmation_that_came_to_its_end_counts(
    uri: str, client: MlflowClient
) -> None:
    for winner, status in ((1, "FINISHED"), (2, "FINISHED"), (3, "KILLED")):
        confirmed(client, json.dumps({"winner": winner}), status)
    assert read_report_source(uri, "digits").confirmation == {"winner": 2}


@pytest.mark.parametrize("content", ["[1]", "{", "[" * 100_000, None])
def test_a_damaged_confirmation_is_named_and_an_earlier_one_is_taken(
    uri: str, client: MlflowClient, content: str | None
) -> None:
    confirmed(client, json.dumps({"winner": 1}))
    confirmed(client, content)
    source = read_report_source(uri, "digits")
    assert source.confirmation == {"winner": 1}
    (fault,) = source.faults
    assert "confirmation.json is missing or damaged" in fault


def test_report_and_pictures_lie_beside_the_study(uri: str, client: MlflowClient) -> None:
    run_id = write_report(uri, "digits", b"<html>", {"history.png": b"PNG"})
    run_id = write_report(uri, "digits", b"<html>2", {"history.png": b"PNG2"})
    folder = folder_of(client.get_run(run_id).info.artifact_uri)
    assert (folder / "report.html").read_bytes() == b"<html>2"
    assert [path.name for path in (folder / "pictures").iterdir()] == ["history.png"]


def test_a_study_that_mlflow_does_not_have_is_refused(uri: str) -> None:
    with pytest.raises(BadInputError, match="got 'absent', expected one of: digits"):
        write_report(uri, "absent", b"", {})
