"""Trials trained once more: what a killed process leaves, the next one of its kind settles."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline.tracking.home import tracking_uri
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.reader import RecordedTrial, read_trial
from pipeline.tracking.refit import log_refit
from pipeline.tracking.reproduction import log_reproduction
from tests.tracking.builders import config, curve, outcome
from tests.tracking.test_interruption import life

Write = Callable[[RecordedTrial], object]


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
