"""What only an engine on a cluster has to stand: lost nodes, strange ones, none at all."""

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.config import Resources
from pipeline.engines import ray as engines_ray
from pipeline.engines.ray import RayEngine
from pipeline.engines.ray_nodes import Delivery
from pipeline.errors import BadInputError, EndOfEngineError, WorkFailedError
from pipeline.trial import TrialOutcome, TrialState
from tests.engines.clusters import add_node, cluster
from tests.engines.fits import cohort_of
from tests.engines.processes import are_gone
from tests.engines.test_contract import news_until, outcomes
from tests.listening import is_reachable, listening
from tests.long_form import long_form

FIT = "tests.engines.fits:fit"
DELIVERY = Delivery(pack=str, unpack="pathlib:Path")


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of a head that has no CPU and two nodes of one CPU each."""
    with cluster(0, 1, 1) as started:
        yield started


Start = Callable[..., RayEngine]


@pytest.fixture
def start(nodes: Any) -> Iterator[Start]:
    """Starts engines on the cluster; they end with the test, also when it fails."""
    engines: list[RayEngine] = []

    def start_engine(fit: str = FIT, **more: Any) -> RayEngine:
        more = {"address": nodes.address, "delivery": DELIVERY} | more
        engines.append(RayEngine(fit, **more))
        return engines[-1]

    yield start_engine
    for engine in engines:
        engine.close()


def test_rays_own_processes_listen_on_addresses_that_others_reach(nodes: Any, start: Start) -> None:
    """As the table of docs/cluster.md says, which names them since they cannot be closed."""
    start()
    pids = [node.all_processes["raylet"][0].process.pid for node in nodes.list_all_nodes()]
    for pid in pids:
        found = listening(psutil.Process(pid))
        assert any(is_reachable(host) for host, _ in found), found
        assert 2 <= len(found) <= 8, found


def until(condition: Callable[[], bool], engine: RayEngine) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "nothing came of waiting"
        assert not any(isinstance(news, TrialOutcome) for news in engine.events(0.05))


def test_a_cluster_has_a_worker_for_each_share_and_its_processes_end_with_the_engine(
    start: Start, tmp_path: Path
) -> None:
    engine = start()
    assert engine.n_workers == 2
    engine.open(tmp_path)
    engine.submit(cohort_of(1))
    engine.submit(cohort_of(91))
    worker = int(outcomes(news_until(engine, 2))[91].cause or 0)
    until(lambda: len(engine.worker_pids) == 2, engine)
    actors = engine.worker_pids
    engine.close()
    assert are_gone([worker, *actors], within_seconds=20)


def test_trials_of_a_lost_actor_and_of_a_lost_node_are_trained_again(
    start: Start, nodes: Any, tmp_path: Path
) -> None:
    engine = start(n_workers=2)
    engine.open(tmp_path)
    until(lambda: len(engine.worker_pids) == 2, engine)
    engine.submit(cohort_of(81))
    engine.submit(cohort_of(1, 82))
    until(lambda: engine.n_busy == 2, engine)
    os.kill(engine.worker_pids[0], signal.SIGKILL)
    until(lambda: len(engine.worker_pids) == 1, engine)
    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
    (tmp_path / "go").touch()
    ended = outcomes(news_until(engine, 3))
    assert dict.fromkeys((81, 1, 82), TrialState.COMPLETE) == {
        number: one.state for number, one in ended.items()
    }
    add_node(nodes, 1)
    until(lambda: len(engine.worker_pids) == 2, engine)


def test_a_share_for_which_no_node_has_room_is_refused(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines_ray, "PLACE_SECONDS", 2.0)
    with pytest.raises(WorkFailedError, match=r"had room for a worker \(1 CPU, 0.5 GPU\).*0 GPUs"):
        start(resources=Resources(gpus=0.5))


@pytest.fixture
def other_torch(tmp_path: Path) -> str:
    """A folder in which Python finds another version of torch to be installed."""
    told = tmp_path / "torch-2.99.0.dist-info" / "METADATA"
    told.parent.mkdir()
    told.write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.99.0\n")
    return str(tmp_path)


LACKS = r"node [0-9.]+ cannot train this study: torch 2\.99\.0 instead of "


def test_a_cluster_of_which_one_node_has_another_version_is_refused(
    start: Start, nodes: Any, other_torch: str
) -> None:
    node = add_node(nodes, 1, PYTHONPATH=other_torch)
    try:
        with pytest.raises(BadInputError, match=f"--ray-address: {LACKS}"):
            start(n_workers=1)
    finally:
        nodes.remove_node(node)


def test_a_node_that_joins_with_another_version_trains_nothing_and_is_told_once(
    start: Start, nodes: Any, other_torch: str, tmp_path: Path
) -> None:
    told: list[str] = []
    engine = start(n_workers=3, tell=told.append)
    engine.open(tmp_path)
    node = add_node(nodes, 1, PYTHONPATH=other_torch)
    try:
        until(lambda: bool(told), engine)
        for number in range(6):
            engine.submit(cohort_of(number))
        news_until(engine, 6)
        assert 1 <= len(engine.worker_pids) <= 2
        (line,) = told
        assert re.match(LACKS, line)
    finally:
        nodes.remove_node(node)


def test_worker_that_never_starts_ends_the_engine_with_its_reason(
    start: Start, tmp_path: Path
) -> None:
    engine = start("tests.engines.nowhere:fit", n_workers=1)
    engine.open(tmp_path)
    with pytest.raises(EndOfEngineError, match=r"no worker starts.*tests\.engines\.nowhere"):
        news_until(engine, 1)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:{free}", "got 127.0.0.1:.* [(]Connection refused[)]"),
        ("ray://127.0.0.1:10001", "got ray.*expected host:port of a Ray head"),
        ("head", "got head, expected host:port of a Ray head"),
    ],
)
def test_an_address_where_no_cluster_answers_is_refused_at_once(address: str, message: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(BadInputError, match=f"--ray-address: {message}"):
        RayEngine(FIT, address=address.format(free=free), delivery=DELIVERY)
    assert time.monotonic() - began < 6


@long_form
def test_a_study_ends_where_only_a_node_that_lacks_something_is_left(
    start: Start, nodes: Any, other_torch: str, tmp_path: Path
) -> None:
    engine = start(n_workers=1)
    for node in [*nodes.worker_nodes]:
        nodes.remove_node(node, allow_graceful=False)
    engine.open(tmp_path)
    add_node(nodes, 1, PYTHONPATH=other_torch)
    engine.submit(cohort_of(1))
    with pytest.raises(EndOfEngineError, match=f"no node of the Ray cluster is left: {LACKS}"):
        news_until(engine, 1)
