"""Trials trained again are runs of their own; what a killed process leaves, the next one ends."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline.errors import BadInputError
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.reader import read_run, read_trial
from pipeline.tracking.retraining import log_refit, log_reproduction
from pipeline.tracking.store import artifact_root, tracking_uri
from pipeline.trial import RecordedTrial, TrialRecord, TrialState
from tests.tracking.builders import config, curve, files, folder_of, outcome, points, study
from tests.tracking.test_interruption import life

Write = Callable[[RecordedTrial], object]


@pytest.fixture
def original(home: Path, ledger: MlflowLedger) -> RecordedTrial:
    """Trial 12, as it is read."""
    ledger.finish(config(12), outcome(12))
    return read_trial(tracking_uri(home), "digits", 12)


def test_refit_is_a_run_below_the_trial_with_weights_and_record(
    original: RecordedTrial, client: MlflowClient
) -> None:
    logged = log_refit(original, config(12), outcome(12))
    run = client.get_run(logged.run_id)
    assert (run.info.run_name, run.info.status) == ("refit-trial-012", "FINISHED")
    assert run.data.tags["refits"] == run.data.tags["mlflow.parentRunId"] == original.run_id
    assert "trial_number" not in run.data.tags
    assert files(run.info.artifact_uri).keys() == {"record.json", "weights.safetensors"}
    content = (folder_of(run.info.artifact_uri) / "record.json").read_bytes()
    assert TrialRecord.model_validate_json(content).state is TrialState.COMPLETE
    assert Path(logged.weights).read_bytes() == outcome(12).weights


def test_refit_that_failed_is_a_failed_run(original: RecordedTrial, client: MlflowClient) -> None:
    failed = outcome(12, TrialState.FAIL, cause="diverged", weights=None)
    run = client.get_run(log_refit(original, config(12), failed).run_id)
    assert (run.info.status, run.data.tags["cause"]) == ("FAILED", "diverged")


def test_refit_is_not_taken_for_a_trial(
    original: RecordedTrial, home: Path, ledger: MlflowLedger
) -> None:
    log_refit(original, config(12), outcome(12))
    again = MlflowLedger(tracking_uri(home), artifact_root(home))
    again.open(study())
    assert again.run_ids == ledger.run_ids


@pytest.fixture
def reproduced(original: RecordedTrial) -> str:
    """The run id of a reproduction of trial 12."""
    return log_reproduction(
        original, curve=curve(12), verdict="close", first_difference="processor"
    )


def test_a_reproduction_is_a_run_below_the_trial(
    reproduced: str, ledger: MlflowLedger, client: MlflowClient
) -> None:
    run, original = client.get_run(reproduced), ledger.run_ids[12]
    assert (run.info.run_name, run.info.status) == ("reproduce-trial-012", "FINISHED")
    assert run.data.tags == {
        "study": "digits",
        "reproduces": original,
        "verdict": "close",
        "first_difference": "processor",
        "mlflow.parentRunId": original,
        "mlflow.runName": "reproduce-trial-012",
    }
    assert len(points(client, reproduced)) == 3 * 8


def test_a_reproduction_is_not_taken_for_a_trial(
    reproduced: str, home: Path, ledger: MlflowLedger
) -> None:
    again = MlflowLedger(tracking_uri(home), artifact_root(home))
    again.open(study())
    assert again.run_ids == ledger.run_ids
    with pytest.raises(BadInputError, match="got the run 'reproduce-trial-012'"):
        read_run(tracking_uri(home), reproduced)


def write_reproduction(original: RecordedTrial) -> object:
    return log_reproduction(original, curve=curve(12), verdict="identical")


def write_refit(original: RecordedTrial) -> object:
    return log_refit(original, config(12), outcome(12))


def statuses(client: MlflowClient, tag: str) -> list[str]:
    [experiment] = client.search_experiments(filter_string="name = 'digits'")
    found = client.search_runs([experiment.experiment_id], f"tags.{tag} != ''")
    return sorted(run.info.status for run in found)


@pytest.mark.parametrize(
    ("write", "tag"),
    [
        pytest.param(write_reproduction, "reproduces", id="reproduce"),
        pytest.param(write_refit, "refits", id="refit"),
    ],
)
def test_run_of_a_process_that_died_writing_it_is_settled_by_the_next(
    write: Write, tag: str, home: Path, ledger: MlflowLedger, client: MlflowClient
) -> None:
    ledger.finish(config(12), outcome(12))
    ledger.start(config(3))
    original = read_trial(tracking_uri(home), "digits", 12)
    with life(dies_at=2):
        write(original)
    run_ids = [run.info.run_id for run in client.search_runs(["1"], f"tags.{tag} != ''")]
    assert len(run_ids) == 1
    client.update_run(run_ids[0], status="RUNNING")  # kill -9 runs no `finally`
    write(original)
    assert statuses(client, tag) == ["FINISHED", "KILLED"]
    assert client.get_run(ledger.run_ids[3]).info.status == "RUNNING", "a trial of a living driver"
