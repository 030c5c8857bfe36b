"""A refit stands below the trial whose setting it takes."""

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline.tracking.home import artifact_root, tracking_uri
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.reader import RecordedTrial, read_trial
from pipeline.tracking.refit import log_refit
from pipeline.trial import TrialRecord, TrialState
from tests.tracking.builders import config, files, folder_of, outcome, study


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
