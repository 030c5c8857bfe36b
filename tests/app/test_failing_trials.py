"""Trials that fail are recorded with their cause, and the study goes on, or stops and says why."""

from pathlib import Path

import pytest
import yaml

from pipeline.app import Place, show_study
from tests.app.studies import PRUNED_TOO, check_ledgers_agree, run_command, study_in, trial_runs
from tests.app.sufferings import EXHAUSTS, IS_KILLED, RAISES

OWN_MODEL = """
from pathlib import Path
from tests.learning.own.modules import Plain

class Broken(Plain):
    def training_step(self, batch, batch_idx):
        if not Path("mended").exists():
            raise ValueError(f"no such layer at {id(batch):#x}")
        return super().training_step(batch, batch_idx)
"""
OWN = {
    "name": "small",
    "data": {"name": "digits"},
    "model": {"class_path": "own_model.Broken"},
    "space": {"hidden": {"choices": [8, 16]}, "dropout": {"low": 0.0, "high": 0.6}},
    "training": {"epochs": 1},
    "search": {"trials": 12, "block": 4, "seed": 1},
}
DIVERGING = {"depth": 1, "width": 16, "learning_rate": 1_000.0}


def test_each_failure_is_recorded_with_its_cause_and_the_study_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.app.study.FIT", "tests.app.sufferings:fit_and_suffer")
    space = PRUNED_TOO["space"] | {"learning_rate": {"low": 1e-4, "high": 1e3, "log": True}}  # type: ignore[operator]
    study = study_in(
        tmp_path,
        space=space,
        trials=[DIVERGING],
        training={"epochs": 2, "optimizer": "sgd"},
        search={"trials": 9, "block": 3, "sampler": "random"},
    )
    rows = study.run(workers=2).trials
    causes = {
        0: "diverged: train_loss ",
        RAISES: "RuntimeError: planted (tests.app.sufferings:",
        EXHAUSTS: "out of memory: ",
        IS_KILLED: "worker lost: it died 4 times while it trained this trial",
    }
    for number, cause in causes.items():
        assert rows[number].state == "FAIL"
        assert str(rows[number].cause).startswith(cause)
    others = [row for row in rows if row.number not in causes]
    assert any(row.state == "COMPLETE" for row in others)
    assert all(row.state == "COMPLETE" or "diverged" in str(row.cause) for row in others)
    check_ledgers_agree(tmp_path, 9)
    assert [run.data.tags.get("cause") for run in trial_runs(tmp_path)] == [
        row.cause for row in rows
    ]


def test_five_failures_of_one_cause_stop_the_study_and_a_mended_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own_model.py").write_text(OWN_MODEL, encoding="utf-8")
    Path("small.yaml").write_text(yaml.safe_dump(OWN), encoding="utf-8")
    stopped = run_command("run", "small.yaml", "--workers", "2", "--json", code=1)
    home = tmp_path / "mlruns"
    assert stopped.stdout == ""
    error = stopped.stderr[stopped.stderr.index("error: ") :]
    assert "study 'small' stopped: trials 0 to 4, 5 in a row, failed for one cause: Val" in error
    assert "ValueError: no such layer at 0x" in error
    assert "mend the cause and run the same command to go on" in error
    assert len(error.splitlines()) == 2
    # Block 3 begins with trial 8; it may see trials 0 to 7 fail, and is not begun.
    check_ledgers_agree(home, 12 if len(trial_runs(home)) == 12 else 8)
    n_failed = len(trial_runs(home))
    Path("mended").touch()
    run_command("run", "small.yaml", "--workers", "2", "--trials", "14")
    check_ledgers_agree(home, 14)
    rows = show_study(Place(home=home, tracking_uri=None), "small").trials
    assert [row.state for row in rows] == ["FAIL"] * n_failed + ["COMPLETE"] * (14 - n_failed)
