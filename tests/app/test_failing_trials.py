"""Trials that fail are recorded with their cause, and the study goes on, or stops and says why."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline.app.browse import show_study
from pipeline.app.doctor import examine
from pipeline.errors import WorkFailedError
from pipeline.tracking.store import tracking_uri
from tests.app.fits import EXHAUSTS, IS_KILLED, RAISES
from tests.app.studies import (
    PRUNED_TOO,
    check_ledgers_agree,
    file_of,
    run_command,
    study_in,
    trial_runs,
)

pytestmark = pytest.mark.slow

OWN = {
    "model": {"class_path": "tests.app.broken.Broken"},
    "space": {"hidden": {"choices": [8, 16]}, "dropout": {"low": 0.0, "high": 0.6}},
    "training": {"epochs": 1},
    "search": {"trials": 12, "block": 5, "seed": 1},
}
DIVERGING = {"depth": 2, "learning_rate": 1_000.0, "weight_decay": 1.0}
SOUND = {"learning_rate": 0.01, "weight_decay": 0.0}


def test_each_failure_is_recorded_with_its_cause_and_the_study_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.app.training.FIT", "tests.app.fits:fit_and_suffer")
    rates = {"learning_rate": {"low": 1e-4, "high": 1e3}, "weight_decay": {"low": 0.0, "high": 1.0}}
    study = study_in(
        tmp_path,
        space=PRUNED_TOO["space"] | rates,
        trials=[DIVERGING, *[SOUND] * 8],
        training={"epochs": 2, "optimizer": "sgd"},
        search={"trials": 9, "block": 3, "sampler": "random"},
    )
    rows = study.run(workers=2).trials
    causes = {
        0: "diverged: train_loss ",
        RAISES: "RuntimeError: planted (tests.app.fits:",
        EXHAUSTS: "out of memory: ",
        IS_KILLED: "worker lost: it died 4 times while it trained this trial",
    }
    for number, cause in causes.items():
        assert rows[number].state == "FAIL"
        assert str(rows[number].cause).startswith(cause)
    assert {row.state for row in rows if row.number not in causes} == {"COMPLETE"}
    check_ledgers_agree(tmp_path, 9)
    assert [run.data.tags.get("cause") for run in trial_runs(tmp_path)] == [
        row.cause for row in rows
    ]


def test_five_failures_of_one_cause_stop_the_study_and_a_mended_one_tries_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_in(tmp_path, **OWN, trials=[])
    with pytest.raises(WorkFailedError, match="study 'small' stopped") as stopped:
        study.run(workers=2)
    first, second = str(stopped.value).splitlines()
    assert "trials 0 to 4, 5 in a row, failed for one cause: ValueError: no layer at 0x" in first
    assert second.startswith("mend the cause and run the same command with --retry-failed")
    # The third block would see the first one fail: it is not begun.
    assert [(run.info.status, run.data.tags["trial_state"]) for run in trial_runs(tmp_path)] == [
        ("FAILED", "FAIL")
    ] * 10
    assert [row.run_id for row in show_study(study.workspace, "small").trials] == [
        r.info.run_id for r in trial_runs(tmp_path)
    ]
    failed = show_study(study.workspace, "small").trials
    monkeypatch.setenv("MENDED", "yes")
    rows = study.run(workers=2, retry_failed=True).trials
    assert [row.state for row in rows] == ["COMPLETE"] * 12
    assert [row.params for row in rows[:10]] == [row.params for row in failed]
    check_ledgers_agree(tmp_path, 12)
    attempts = _first_attempts(tmp_path)
    assert [run.info.run_id for run in attempts] == [row.run_id for row in failed]
    assert [run.data.tags["cause"] for run in attempts] == [row.cause for row in failed]
    assert {run.data.tags.get("attempt") for run in trial_runs(tmp_path)[:10]} == {"2"}
    assert examine(study.workspace).is_healthy


def test_study_without_a_complete_trial_prints_its_result_and_ends_with_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILING", "all")
    file = file_of(tmp_path)
    words = ("run", file, "--home", tmp_path, "--set", "search.trials=2", "--set", "search.block=1")
    failed = run_command(*words, "--json", fit="fit_and_fail", code=1)
    result = json.loads(failed.stdout)
    assert result["trials"] == {"complete": 0, "pruned": 0, "failed": 2}
    assert result["best"] is None
    assert "has no complete trial: 2 of 2 failed, trial 0 for this cause: " in failed.stderr
    again = run_command(*words, fit="fit_and_fail", code=1)
    assert "0 complete, 0 pruned, 2 failed" in again.stdout
    assert "--trial best" not in again.stdout
    assert "--retry-failed" in again.stderr


def _first_attempts(home: Path) -> list[Run]:
    """The runs of attempts that were tried again, in the order of their trials."""
    client = MlflowClient(tracking_uri(home))
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], "tags.attempt = '1'")
    assert {run.data.tags["attempt_of_trial"] for run in found} == set(map(str, range(10)))
    return sorted(found, key=lambda run: int(run.data.tags["attempt_of_trial"]))
