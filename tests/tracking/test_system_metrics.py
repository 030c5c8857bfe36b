"""What the machine does is logged on request, to the study's run alone."""

import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError
from pipeline.tracking.audit import read_study
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.store import artifact_root, tracking_uri
from pipeline.tracking.system_metrics import SystemMetrics
from pipeline.trial import StudyState
from tests.tracking.builders import config, points, study

MEMORY = "system/system_memory_usage_percentage"
SECONDS_TO_WAIT = 60


def measured(home: Path) -> tuple[list[int], str]:
    """Open and close the study's ledger, and return the steps that its run has then."""
    uri = tracking_uri(home)
    ledger = MlflowLedger(uri, artifact_root(home), system_metrics=SystemMetrics(uri))
    ledger.open(study())
    ledger.start(config(0))
    run_id, client = ledger._study_run.info.run_id, MlflowClient(uri)
    before = len(client.get_metric_history(run_id, MEMORY))
    deadline = time.monotonic() + SECONDS_TO_WAIT
    while len(client.get_metric_history(run_id, MEMORY)) == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ledger.close(StudyState(rows=[], is_done=False))
    found = points(client, run_id)
    assert all(len(values) == 1 for values in found.values())
    return [step for name, step in found if name == MEMORY], ledger.run_ids[0]


def test_system_metrics_go_on_behind_the_last_step_and_are_no_trial_s(
    home: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    first, trial = measured(home)
    again, _ = measured(home)
    assert again == list(range(len(again)))
    assert len(again) > len(first) > 0
    assert not client.get_run(trial).data.metrics
    assert MEMORY not in {name for name, _ in read_study(tracking_uri(home), "digits").points}


def test_system_metrics_without_their_package_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.app.workspace.find_spec", lambda _name: None)
    with pytest.raises(BadInputError, match="--system-metrics: got no package psutil"):
        Workspace(home=tmp_path / "home", system_metrics=True)
    assert list(tmp_path.iterdir()) == []
