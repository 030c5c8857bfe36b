"""Trials that were interrupted keep their one run, and no point of it is doubled."""

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline.tracking import runs
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.reader import read_trial
from pipeline.tracking.store import tracking_uri
from pipeline.trial import TrialRecord
from tests.tracking.builders import config, curve, outcome, points, reopened, scores, snapshot


def test_release_leaves_a_trial_waiting(ledger: MlflowLedger, client: MlflowClient) -> None:
    run_id = ledger.start(config(0))
    ledger.report(scores(0, 1))
    ledger.release(0)
    ledger.release(0)
    ledger.release(77)
    run = client.get_run(run_id)
    assert (run.info.status, run.data.tags["trial_state"]) == ("SCHEDULED", "WAITING")
    assert ("val_loss", 1) in points(client, run_id)


def test_late_scores_of_a_released_trial_are_dropped(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    run_id = ledger.start(config(0))
    ledger.release(0)
    ledger.report(scores(0, 1))
    assert points(client, run_id) == {}


def test_start_takes_up_an_interrupted_trial_without_doubling(
    home: Path, ledger: MlflowLedger, client: MlflowClient
) -> None:
    run_id = ledger.start(config(0))
    ledger.report(scores(0, 1))
    ledger.release(0)
    again = reopened(home)
    assert again.start(config(0)) == run_id
    run = client.get_run(run_id)
    assert (run.info.status, run.data.tags["trial_state"]) == ("RUNNING", "RUNNING")
    later = curve(0, ended_at_ms=9_000)
    for epoch in later:
        again.report(epoch)
    again.finish(config(0), outcome(0, curve=later))
    assert all(len(values) == 1 for values in points(client, run_id).values())
    assert len(points(client, run_id)) == 3 * 8 + 3


def test_a_worker_that_starts_over_doubles_nothing(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    run_id = ledger.start(config(0))
    ledger.report(scores(0, 1))
    assert ledger.start(config(0)) == run_id
    ledger.report(scores(0, 1, ended_at_ms=9_000))
    ledger.flush()
    assert points(client, run_id)[("val_loss", 1)] == [scores(0, 1).val_loss]


def test_trials_keep_their_runs_beyond_a_page(
    ledger: MlflowLedger, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PAGE", 3)
    run_ids = {number: ledger.start(config(number)) for number in range(10)}
    assert reopened(home).run_ids == run_ids


def test_two_runs_of_one_trial_become_one(
    ledger: MlflowLedger, home: Path, client: MlflowClient
) -> None:
    kept = ledger.start(config(0))
    ledger.finish(config(0), outcome(0))
    run = client.get_run(kept)
    client.create_run(run.info.experiment_id, start_time=1, tags=run.data.tags)
    assert reopened(home).run_ids == {0: kept}
    assert sorted(snapshot(client)) == ["digits", "trial-000"]


def test_a_file_cut_off_by_a_death_is_written_whole(
    home: Path, ledger: MlflowLedger, client: MlflowClient
) -> None:
    info = client.get_run(ledger.start(config(0))).info
    for name in ("record.json", "weights.safetensors"):
        runs.put(client, info, name, b"{ torn" * 1_000)
    again = reopened(home)
    again.start(config(0))
    again.finish(config(0), outcome(0))
    found = read_trial(tracking_uri(home), "digits", 0)
    assert found.record == TrialRecord.of(config(0), outcome(0))
    assert found.weights == outcome(0).weights
