"""A setting trained on all rows but the test's, from end to end."""

import hashlib
import json
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from safetensors.numpy import load_file

from pipeline.app.retraining.refit import refit
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.tracking.reader import read_trial
from pipeline.tracking.store import tracking_uri
from tests.app.studies import check_ledgers_agree, run_command, study_in, table, trial_runs

pytestmark = pytest.mark.slow

N_TRIALS = 14
FAILING_FIT = "tests.app.fits:fit_and_fail"


def _workspace(home: Path) -> Workspace:
    return Workspace(home=home, tracking_uri=None)


def test_refit_trains_to_the_best_epoch_and_keeps_the_weights(home: Path) -> None:
    answer = refit(_workspace(home), "small")
    original = read_trial(tracking_uri(home), "small", "best")
    assert answer.number == original.record.trial.number
    assert answer.epochs == original.record.best_epoch
    content = Path(answer.path).read_bytes()
    assert hashlib.sha256(content).hexdigest() == answer.weights_sha256
    assert answer.weights_sha256 != original.record.weights_sha256
    assert load_file(answer.path).keys()
    client = MlflowClient(tracking_uri(home))
    run = client.get_run(answer.run_id)
    assert run.info.run_name == f"refit-trial-{answer.number:03}"
    assert run.data.tags["refits"] == run.data.tags["mlflow.parentRunId"] == original.run_id
    losses = client.get_metric_history(answer.run_id, "train_loss")
    assert sorted(point.step for point in losses) == list(range(1, answer.epochs + 1))
    assert not {"val_loss", "best_val_loss", "test_loss"} & run.data.metrics.keys()


def test_refit_is_reproduced_from_its_own_run(home: Path) -> None:
    refitted = refit(_workspace(home), "small", trial=1)
    comparison = reproduce(_workspace(home), refitted.run_id).comparison
    assert (comparison.verdict, comparison.differences) == ("identical", ())
    assert comparison.weights_again == refitted.weights_sha256
    assert comparison.epochs_compared == refitted.epochs


def test_refit_leaves_the_study_as_it_was(home: Path) -> None:
    before = table(home)
    refit(_workspace(home), "small", trial=2)
    assert table(home) == before
    check_ledgers_agree(home, N_TRIALS)


def test_command_prints_json_alone_on_stdout(home: Path) -> None:
    done = run_command("refit", "small", "--trial", "1", "--home", home, "--json")
    told = json.loads(done.stdout)
    assert told.keys() == {"study", "trial", "epochs", "run_id", "weights_sha256", "path"}
    assert (told["study"], told["trial"]) == ("small", 1)
    assert "epoch 1: train_loss " in done.stderr


def test_trial_that_failed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.app.training.FIT", FAILING_FIT)
    monkeypatch.setenv("FAILING", "1/0")
    study_in(tmp_path, search={"trials": 2, "sampler": "random"}).run(workers=1)
    with pytest.raises(BadInputError, match=r"trial: trial 1 failed \(diverged: on purpose\)"):
        refit(_workspace(tmp_path), "small", trial=1)
    monkeypatch.setenv("FAILING", "all")
    with pytest.raises(WorkFailedError, match=r"trial 0 cannot be refitted: diverged"):
        refit(_workspace(tmp_path), "small", trial=0)
    client = MlflowClient(tracking_uri(tmp_path))
    experiment = trial_runs(tmp_path)[0].info.experiment_id
    (failed,) = client.search_runs([experiment], "tags.refits != ''")
    assert failed.info.status == "FAILED"
