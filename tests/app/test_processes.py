"""Several processes at once, and processes that are told to end."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.app.workspace import Workspace
from pipeline.locks import hold_study
from pipeline.tracking.client import connect
from pipeline.tracking.store import tracking_uri
from tests.app.studies import (
    FIRST_TRIAL,
    PRUNED_TOO,
    ROOT,
    check_ledgers_agree,
    command,
    file_of,
    read_until,
    run_command,
    table,
)

pytestmark = pytest.mark.slow

N_TRIALS = 14
TINY = PRUNED_TOO | {"search": {"trials": 2, "sampler": "random"}, "training": {"epochs": 1}}


def start(*words: str | Path, fit: str | None = None) -> subprocess.Popen[str]:
    line = command(*words, fit=fit)
    return subprocess.Popen(
        line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(path: Path, driver: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert driver.poll() is None, f"the command ended before it made {path}"
        time.sleep(0.01)


def seconds_of(path: Path) -> dict[Path, int]:
    return {one: one.stat().st_mtime_ns for one in path.rglob("*")}


def test_second_run_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    words = ("run", file_of(tmp_path), "--home", home, "--workers", "2")
    with hold_study(home, "small"):
        before = seconds_of(home)
        refused = run_command(*words, code=1)
        assert seconds_of(home) == before
    assert f"study 'small' is being run by process {os.getpid()} on " in refused.stderr
    assert refused.stderr.startswith("error: study 'small' is being run by ")
    assert len(refused.stderr.splitlines()) == 1


def content_of(database: Path) -> list[str]:
    """All tables but that of the holder, who goes on renewing his lease."""
    with closing(sqlite3.connect(database)) as connection:
        return [line for line in connection.iterdump() if "pipeline_holders" not in line]


def test_run_from_another_home_on_a_shared_storage_is_refused_and_writes_nothing(
    tmp_path: Path,
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    address = f"sqlite:///{tmp_path / 'shared.db'}"
    with Workspace(home=one, storage=address).hold("small"):
        before = content_of(tmp_path / "shared.db")
        words = ("run", file_of(tmp_path), "--home", other, "--storage", address)
        refused = run_command(*words, "--workers", "1", code=1)
        assert content_of(tmp_path / "shared.db") == before
    assert not other.exists()
    said = rf"error: study 'small' is being run by process {os.getpid()} on .+ since .+; "
    assert re.fullmatch(said + r"if that process is dead, .+ free in \d+ s\n", refused.stderr)


def test_of_processes_that_start_at_once_on_a_new_home_one_runs_each_study(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    files = [file_of(tmp_path, TINY | {"name": name}, name) for name in ("one", "two")]
    every = [
        start("run", file, "--home", home, "--workers", "1") for _ in range(2) for file in files
    ]
    told = [process.communicate(timeout=250)[1] for process in every]
    codes = [process.returncode for process in every]
    assert sorted(codes[::2]) == sorted(codes[1::2]) == [0, 1], told
    refusals = [said for said, code in zip(told, codes, strict=True) if code]
    assert all("is being run by process " in said for said in refusals)
    for name in ("one", "two"):
        check_ledgers_agree(home, 2, name)
    assert not any((home / "locks").glob("*"))


def test_reader_sees_a_study_grow_and_does_not_disturb_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELAY_SECONDS", "0.2")
    words = ("run", file_of(tmp_path), "--home", tmp_path / "home", "--workers", "2")
    n_finished = []
    with start(*words, fit="fit_with_delays") as driver:
        read_until(FIRST_TRIAL, driver)
        while driver.poll() is None:
            shown = run_command("show", "small", "--home", tmp_path / "home", "--json")
            rows = json.loads(shown.stdout)["trials"]
            n_finished.append(sum(row["state"] in {"COMPLETE", "PRUNED"} for row in rows))
            assert [row["number"] for row in rows] == list(range(len(rows)))
    assert driver.returncode == 0
    assert n_finished == sorted(n_finished)
    assert any(0 < n < N_TRIALS for n in n_finished), n_finished
    assert table(tmp_path / "home") == table(home)


@pytest.mark.parametrize(
    ("asked", "code", "begun"),
    [
        pytest.param(["SIGHUP"], 129, "locks", id="a closed terminal in the start-up"),
        pytest.param(["SIGTERM"], 143, "mlflow.db", id="SIGTERM in the start-up"),
        pytest.param(["SIGTERM", "SIGINT", "SIGTERM"], 143, FIRST_TRIAL, id="SIGTERM in mid-study"),
    ],
)
def test_signal_ends_a_run_with_everything_written_and_others_do_not_break_it_off(
    tmp_path: Path, asked: list[str], code: int, begun: str
) -> None:
    home = tmp_path / "home"
    with start("run", file_of(tmp_path), "--home", home, "--workers", "2") as driver:
        if begun == FIRST_TRIAL:
            read_until(begun, driver)
        else:
            wait_for(home / begun, driver)
        for one in asked:
            driver.send_signal(signal.Signals[one])
            time.sleep(0.03)
        _, said = driver.communicate(timeout=20)
    assert driver.returncode == code, said
    assert said.count("error: interrupted") == 1
    assert "Traceback" not in said
    if begun == "locks":
        assert not (home / "mlflow.db").exists()
    else:
        client = connect(tracking_uri(home))
        ids = [experiment.experiment_id for experiment in client.search_experiments()]
        assert not client.search_runs(ids, "attributes.status = 'RUNNING'")
        rows = json.loads(run_command("show", "small", "--home", home, "--json").stdout)["trials"]
        assert {row["state"] for row in rows} <= {"COMPLETE", "PRUNED", "WAITING"}
