"""``kill -9`` of driver, nodes and workers, over PostgreSQL, MLflow's server and a Ray cluster."""

import logging
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from benchmarks.endurance import children_of
from benchmarks.torture import STUDY
from pipeline.app.browse import show_study
from pipeline.app.doctor import examine
from pipeline.app.workspace import Workspace
from tests.app.postgres import Postgres, needs_postgres, postgres
from tests.app.servers import Server
from tests.app.studies import ROOT, command, file_of, study_in
from tests.engines.clusters import add_node, cluster
from tests.long_form import long_form

pytestmark = [pytest.mark.slow, long_form, needs_postgres]
N_KILLS: Final = 50
SEED: Final = 14
SECONDS: Final = 240.0
SAY: Final = logging.getLogger(__name__)
"""Told by ``--log-cli-level INFO``."""
VICTIMS: Final = ("driver", "node", "actor", "fork server", "worker")
DEPTH: Final = {"actor": 1, "fork server": 2, "worker": 3}
"""Generations below the process of a node, which Ray calls raylet."""
NOTHING_RUNS: Final = "SELECT count(*) FROM {} = 'RUNNING'"
DOUBLED_POINTS: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM metrics GROUP BY run_uuid, key, step HAVING count(*) > 1)"
    " AS doubled"
)


@dataclass
class Torture:
    """One study after the other on the cluster, and blows at it.

    Attributes:
        nodes: The cluster.
        chance: Chooses victims and moments.
        kills: How many fell, by victim.
        restarts: How often a killed driver's command was given again.
    """

    nodes: Any
    chance: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    restarts: int = 0

    def run(self, words: Sequence[str | Path], environment: dict[str, str], log: Path) -> None:
        """Give the command again and again until its study is over."""
        while not self._live(words, environment, log):
            self.restarts += 1

    def _live(self, words: Sequence[str | Path], environment: dict[str, str], log: Path) -> bool:
        """Let blows fall while one driver lives; return whether it ended its study."""
        with log.open("ab") as said, ExitStack() as stack:
            driver = subprocess.Popen(
                command(*words), stdout=said, stderr=said, cwd=ROOT, env=environment
            )
            stack.enter_context(driver)
            stack.callback(driver.kill)
            while self.kills.total() < N_KILLS and self._is_reached(driver, log):
                self._strike(driver)
            code = driver.wait(SECONDS)
        assert code in (0, -signal.SIGKILL), log.read_text()
        return code == 0

    def _is_reached(self, driver: subprocess.Popen[bytes], log: Path) -> bool:
        """Wait until another trial has ended, and then for a moment; not for a dead driver."""
        before, deadline = n_ended(log), time.monotonic() + SECONDS
        while n_ended(log) == before and driver.poll() is None:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.01)
        time.sleep(self.chance.uniform(0.0, 1.5))
        return driver.poll() is None

    def _strike(self, driver: subprocess.Popen[bytes]) -> None:
        victim = self.chance.choice(VICTIMS)
        node = self.chance.choice(sorted(self.nodes.worker_nodes, key=str))
        if victim == "driver":
            driver.kill()
            driver.wait()
        elif victim == "node":
            self.nodes.remove_node(node, allow_graceful=False)
            add_node(self.nodes, 1)
        elif not kill_one(sorted(below(node, DEPTH[victim]))):
            return
        self.kills[victim] += 1
        SAY.info("%s", dict(self.kills))


def n_ended(log: Path) -> int:
    """How many trials the drivers have told of."""
    return log.read_text().count("\n[")


def below(node: Any, generations: int) -> set[int]:
    """The processes of a node that train, so many generations below it."""
    (raylet,) = node.all_processes["raylet"]
    found = {pid for pid in children(raylet.process.pid) if is_actor(pid)}
    for _ in range(generations - 1):
        found = {child for pid in found for child in children(pid)}
    return found


def children(pid: int) -> list[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        return children_of(pid)
    return []


def is_actor(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return b"RayWorker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def kill_one(pids: Sequence[int]) -> bool:
    """Kill the first, if there is one."""
    with suppress(ProcessLookupError):
        for pid in pids[:1]:
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def rows_of(workspace: Workspace, name: str) -> list[tuple[object, ...]]:
    return [
        (row.number, row.state, row.params, row.scores, row.weights_sha256, row.cause)
        for row in show_study(workspace, name).trials
    ]


@pytest.fixture
def database() -> Iterator[Postgres]:
    """PostgreSQL with a database for each ledger."""
    with postgres("optuna", "mlflow") as started:
        yield started


@pytest.fixture
def niceness(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine workers that are as nice as Ray makes them (15) hardly train."""
    monkeypatch.setenv("RAY_worker_niceness", "0")


@pytest.mark.usefixtures("cold_python", "niceness")
@pytest.mark.timeout(3600)
def test_killed_drivers_nodes_and_workers_lose_and_double_nothing_over_postgresql(
    database: Postgres, tmp_path: Path
) -> None:
    study_in(tmp_path / "machine", **STUDY).run(workers=2)
    expected = rows_of(Workspace(home=tmp_path / "machine", tracking_uri=None), "small")
    began, storage, n_studies = time.monotonic(), database.address("optuna"), 0
    server = Server(tmp_path / "server", store=database.address("mlflow"))
    with cluster(0, 1, 1) as nodes, server:
        torture = Torture(nodes, random.Random(SEED))  # noqa: S311 - no secret
        environment = os.environ | {"MLFLOW_TRACKING_URI": server.address}
        while torture.kills.total() < N_KILLS:
            name = f"round-{n_studies:02}"
            file, home = file_of(tmp_path, STUDY | {"name": name}, name), tmp_path / name
            engine = ("--engine", "ray", "--ray-address", nodes.address)
            words = ("run", file, "--home", home, "--storage", storage, *engine)
            torture.run(words, environment, tmp_path / f"{name}.log")
            workspace = Workspace(home=home, storage=storage, tracking_uri=server.address)
            assert rows_of(workspace, name) == expected, name
            assert examine(workspace).findings == []
            n_studies += 1
            SAY.info("%s ended after %.0f s", name, time.monotonic() - began)
    assert database.query(NOTHING_RUNS.format("trials WHERE state"), "optuna") == "0"
    assert database.query(NOTHING_RUNS.format("runs WHERE status"), "mlflow") == "0"
    assert database.query(DOUBLED_POINTS, "mlflow") == "0"
    n_runs = "SELECT count(*) FROM tags WHERE key = 'trial_number'"
    n_trials = str(n_studies * len(expected))
    assert database.query("SELECT count(*) FROM trials", "optuna") == n_trials
    assert database.query(n_runs, "mlflow") == n_trials
