"""Each peer trains the settings that it is given, on the rows that it is given."""

from pathlib import Path
from statistics import median

import numpy as np
import pytest

from benchmarks.case import Case, Measured, write_task
from benchmarks.peer import PEERS, Peer, PeerFailedError, run_peer
from benchmarks.rows import Rows
from benchmarks.task import Result, Task

N_TRIALS = 3
FUSED = ("fused", "bf16", "ray")
"""The command of ``alone`` without an option: its studies are checked in ``test_settings``."""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with a small task."""
    folder = tmp_path_factory.mktemp("bench") / "work"
    write_task(folder, data="digits", list_name="mixed", epochs=1, n_trials=N_TRIALS, data_dir=None)
    return folder


def test_task_is_the_same_after_its_file(work: Path, tmp_path: Path) -> None:
    task = Task.read(work)
    assert (len(task.settings), task.epochs) == (N_TRIALS, 1)
    task.write(tmp_path)
    assert Task.read(tmp_path) == task


def test_rows_are_those_of_the_study_and_the_probe_is_as_large_as_validation(work: Path) -> None:
    rows = Rows.read(work)
    assert rows.train_images.shape == (1_397, 64)
    assert rows.validation_images.shape == rows.probe_images.shape == (400, 64)
    assert rows.train_images.dtype == np.float32
    assert (rows.train_images.min(), rows.train_images.max()) == (0, 1)
    assert len(rows.train_labels) == 1_397


def test_result_is_read_from_the_last_line() -> None:
    result = Result(seconds=1.5, start_up=2.5, values=[0.25])
    assert Result.from_output(f"a library talks\n{result.as_line()}\n") == result


def test_peer_that_ends_with_an_error_says_why(work: Path) -> None:
    with pytest.raises(PeerFailedError, match=r"No module named benchmarks\.peers\.nobody"):
        run_peer(Peer(label="nobody", words=("nobody",)), work)


def test_peer_without_its_packages_says_what_is_missing() -> None:
    peer = Peer(label="nobody", words=("nobody",), needs=("pytest", "no_such_package"))
    assert peer.missing == "no_such_package not installed"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PEERS if name not in FUSED])
def test_peer_trains_every_setting(work: Path, name: str) -> None:
    if PEERS[name].missing:
        pytest.skip(f"{PEERS[name].missing}: `pip install '.[bench]'`")
    result = run_peer(PEERS[name], work)
    assert result.seconds > 0
    assert result.start_up > 0
    assert len(result.values) == N_TRIALS
    assert 0.5 < median(result.values) < np.log(10)


def test_measured_gathers_repetitions() -> None:
    first, second = (Result(seconds=s, start_up=1.0, values=[s]) for s in (2.0, 4.0))
    gathered = Measured.of(first).again(second)
    assert gathered == Measured(seconds=[2.0, 4.0], start_up=[1.0, 1.0], values=[2.0])
    case = Case(data="digits", list_name="mixed", n_trials=1, epochs=1, peers={"bare": gathered})
    assert case.title == "digits, mixed: 1 trials of 1 epoch"
