"""Reproductions stand apart from the trials that they repeat."""

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline.errors import BadInputError
from pipeline.tracking.home import artifact_root, tracking_uri
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.reader import read_run, read_trial
from pipeline.tracking.reproduction import log_reproduction
from tests.tracking.builders import config, curve, outcome, points, study


@pytest.fixture
def reproduced(home: Path, ledger: MlflowLedger) -> str:
    """The run id of a reproduction of trial 12."""
    ledger.finish(config(12), outcome(12))
    original = read_trial(tracking_uri(home), "digits", 12)
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
