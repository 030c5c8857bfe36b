"""A study whose worker and driver are killed in mid-trial goes on from its checkpoints."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.workspace import Workspace
from pipeline.learning.checkpoints import CheckpointFolder
from tests.app.fits import DIES_AT
from tests.app.studies import PRUNED_TOO, check_ledgers_agree, study_in, table
from tests.long_form import long_form

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
N_EPOCHS = 16
KILLED_AT = 9
LONG: dict[str, Any] = PRUNED_TOO | {
    "space": {
        "depth": 1,
        "width": 16,
        "dropout": {"low": 0.1, "high": 0.5},
        "batch_size": 64,
        "learning_rate": 0.001,
    },
    "training": {"epochs": N_EPOCHS},
    "search": {"trials": 2, "sampler": "random", "stopping": "none", "seed": 1, "block": 2},
    "trials": [],
}
OWN_ON_FOLDS: dict[str, Any] = LONG | {
    "data": {"name": "digits", "folds": 2},
    "model": {"class_path": "tests.learning.custom.modules.Plain"},
    "space": {"hidden": 16, "dropout": {"low": 0.1, "high": 0.5}, "batch_size": 64},
}


@pytest.mark.parametrize(
    ("study", "n_trained"),
    [
        pytest.param(LONG, 2, id="fused"),
        pytest.param(OWN_ON_FOLDS, 1, id="own module on folds", marks=long_form),
    ],
)
def test_killed_worker_and_driver_go_on_from_their_checkpoints_to_the_same_table(
    tmp_path: Path, study: dict[str, Any], n_trained: int
) -> None:
    file, home, log = tmp_path / "long.yaml", tmp_path / "home", tmp_path / "epochs"
    file.write_text(yaml.safe_dump(study), encoding="utf-8")
    words = [sys.executable, "-m", "tests.app.fits", "fit_long", "run", str(file)]
    words += ["--home", str(home), "--workers", "1"]
    environment = os.environ | {"EPOCHS_LOG": str(log)}
    with subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as driver:
        _wait_for(log, epoch=KILLED_AT)
        driver.kill()
    time.sleep(0.2)
    assert len(list((home / "checkpoints" / "small").glob("*.checkpoint"))) == n_trained
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (home / "checkpoints").exists()
    _check_went_on(log, tried_first=study is OWN_ON_FOLDS)
    answer = reproduce(Workspace(home=home, tracking_uri=None), "small", trial=1)
    assert answer.comparison.verdict == "identical", answer
    assert answer.comparison.epochs_compared == N_EPOCHS
    check_ledgers_agree(home, 2)


def _wait_for(log: Path, *, epoch: int) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        if log.exists() and f"1 {epoch} " in log.read_text():
            return
        time.sleep(0.01)
    raise AssertionError(log.read_text() if log.exists() else "nothing was trained")


def _check_went_on(log: Path, *, tried_first: bool) -> None:
    """An epoch that was trained twice ended at two times; one taken up ended at one."""
    lines = {tuple(map(int, line.split())) for line in log.read_text().splitlines()}
    trained = Counter((number, epoch) for number, epoch, _ in lines)
    assert {epoch for _, epoch in trained} == set(range(1, N_EPOCHS + 1))
    again = {epoch for (_, epoch), times in trained.items() if times > 1}
    again -= {1} if tried_first else set()
    assert all(epoch == DIES_AT or epoch >= KILLED_AT for epoch in again), sorted(again)
    assert len(again) <= 3


def test_leftovers_of_finished_trials_are_removed_when_the_study_runs_next(home: Path) -> None:
    folder = CheckpointFolder(home / "checkpoints" / "small")
    assert folder.write(0, b"left over")
    folder.file(0).with_suffix(".77.tmp").write_bytes(b"half")
    before = table(home)
    study_in(home).run(workers=1)
    assert not folder.path.exists()
    assert table(home) == before
