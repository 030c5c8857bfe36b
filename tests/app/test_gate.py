"""A study whose trials pause at gates, with real stores and real workers, and their deaths."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.app.browse import show_study
from pipeline.app.doctor import examine
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.workspace import Workspace
from pipeline.trial import TrialRow
from tests.app.studies import (
    PRUNED_TOO,
    ROOT,
    check_ledgers_agree,
    command,
    file_of,
    study_in,
    table,
    with_store,
)
from tests.long_form import in_long_form

pytestmark = pytest.mark.slow

N_TRIALS, GATE = 12, 2
HALVED: dict[str, Any] = PRUNED_TOO | {
    "training": {"epochs": 6, "early_stopping": {"patience": 3}},
    "search": {"trials": N_TRIALS, "sampler": "random", "seed": 3, "block": 6}
    | {"stopping": "halving", "first_rung": GATE},
}
NO_STOPPING = {"stopping": "none", "first_rung": None}


def rows_in(home: Path) -> list[TrialRow]:
    """The study's trials."""
    return list(show_study(Workspace(home=home, tracking_uri=None), "small").trials)


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the study, undisturbed, one worker."""
    home = tmp_path_factory.mktemp("halved")
    study_in(home, **HALVED).run(workers=1)
    return home


def test_trials_stop_at_the_gate_or_go_on_with_the_bits_of_trials_that_never_paused(
    halved: Path, tmp_path: Path
) -> None:
    check_ledgers_agree(halved, N_TRIALS)
    whole = tmp_path / "whole"
    study_in(whole, **(HALVED | {"search": HALVED["search"] | NO_STOPPING})).run(workers=2)
    went_on = 0
    for row, ours, theirs in zip(rows_in(halved), table(halved), table(whole), strict=True):
        if row.state == "PRUNED":
            assert row.cause is not None
            assert row.cause.startswith("halving: lowest val_loss ")
            assert len(row.scores) == GATE
            assert ours[-1] == [points[:GATE] for points in theirs[-1]]
        else:
            assert ours == theirs
            went_on += len(row.scores) > GATE
    assert 4 <= went_on <= 8
    assert not (halved / "checkpoints").exists()


def test_what_paused_is_reproduced_and_the_doctor_finds_nothing(halved: Path) -> None:
    workspace = Workspace(home=halved, tracking_uri=None)
    states = {row.state: row.number for row in rows_in(halved) if len(row.scores) != GATE + 1}
    assert set(states) == {"COMPLETE", "PRUNED"}
    for number in states.values():
        assert reproduce(workspace, "small", trial=number).comparison.verdict == "identical"
    diagnosis = examine(workspace)
    assert diagnosis.is_healthy, diagnosis.findings


@pytest.mark.parametrize("workers", [2, in_long_form(4)])
def test_table_stays_the_same_with_delays_and_other_cohorts(
    halved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr("pipeline.app.training.FIT", "tests.app.fits:fit_with_delays")
    monkeypatch.setenv("DELAY_SECONDS", "0.02")
    study_in(tmp_path, **HALVED).run(workers=workers, max_cohort=workers // 2)
    assert table(tmp_path) == table(halved)
    check_ledgers_agree(tmp_path, N_TRIALS)


def test_driver_killed_while_trials_wait_at_the_gate_ends_with_the_same_table(
    halved: Path, tmp_path: Path
) -> None:
    file, home = file_of(tmp_path, HALVED), with_store(tmp_path / "home")
    folder = home / "checkpoints" / "small"
    words = command("run", file, "--home", home, "--workers", "1", fit="fit_with_delays")
    for n_waiting in (1, 2):  # of half a block of 6
        with subprocess.Popen(
            words, cwd=ROOT, stderr=subprocess.DEVNULL, env=os.environ | {"DELAY_SECONDS": "0.2"}
        ) as driver:
            _wait_for_checkpoints(folder, n_waiting)
            driver.kill()
        time.sleep(0.2)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert table(home) == table(halved)
    check_ledgers_agree(home, N_TRIALS)
    assert not (home / "checkpoints").exists()


def _wait_for_checkpoints(folder: Path, n_waiting: int) -> None:
    deadline = time.monotonic() + 200
    while len(list(folder.glob("*.checkpoint"))) < n_waiting:
        assert time.monotonic() < deadline, "nothing waits at a gate"
        time.sleep(0.01)
