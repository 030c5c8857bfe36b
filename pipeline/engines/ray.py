"""The Ray engine: workers on the nodes of a cluster, which Ray places and watches."""

import contextlib
import logging
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")  # read when Ray is imported; else
# its driver prints what became of lost workers to stdout, where a result may be awaited.
import ray
from ray.exceptions import RayError, RayTaskError

from pipeline.config import Resources
from pipeline.engines.dispatch import MAX_RESTARTS
from pipeline.engines.pool import Pool, Worker
from pipeline.engines.ray_nodes import WHERE, Delivery, Nodes, faults_in
from pipeline.engines.ray_worker import RayWorker
from pipeline.errors import BadInputError, EndOfEngineError, WorkFailedError, first_line
from pipeline.trial import Event, Tell, ignore

ADDRESS: Final = "RAY_ADDRESS"
CONNECT_SECONDS: Final = 5.0
PLACE_SECONDS: Final = 300.0
"""A cluster that grows by itself has a node for the first worker by then."""


class _Step(Enum):
    PLACE = auto()
    NODE = auto()
    START = auto()


@dataclass(eq=False, kw_only=True)
class _Worker(Worker):
    """An actor, and the call that it waits for.

    Attributes:
        call: Of the actor, or the question that its node is asked; ``None`` while it is idle.
        awaits: What the call answers until it is ready.
        node_id: Where Ray has placed it.
    """

    actor: Any
    call: Any
    awaits: _Step = _Step.PLACE
    node_id: str = ""


class RayEngine(Pool[_Worker]):
    """Trains cohorts in ``n_workers`` actors on the nodes of a Ray cluster.

    An actor that is lost, with its node or alone, is asked for again, and Ray places it where
    there is room; its cohort is trained again, which by promise 1 changes nothing. Nodes may come
    and go: a worker for which there is no room waits for it. A node is asked what it has before it
    trains; one that lacks something ends no study that others can train.

    Args:
        fit: ``module:function`` of what a worker does with a cohort.
        n_workers: Actors; by default as many as the cluster has room for now, one at least.
        at_most: So many actors, though there were room for more.
        address: ``host:port`` of the head; by default ``RAY_ADDRESS``, or a cluster on this
            machine, or one that is started here and ends with the engine.
        resources: What a worker takes of a node.
        delivery: What is brought to the nodes, and what they are asked.
        tell: Called with one line for each node that joins and lacks something.

    Raises:
        BadInputError: Nothing answers at the address, or another version of Ray or Python does, or
            a node lacks something.
        WorkFailedError: No node has room for a worker.
    """

    def __init__(
        self,
        fit: str,
        *,
        n_workers: int | None = None,
        at_most: int | None = None,
        address: str | None = None,
        resources: Resources | None = None,
        delivery: Delivery,
        tell: Tell = ignore,
    ) -> None:
        super().__init__(n_workers or 1)
        self._fit, self._delivery, self._tell = fit, delivery, tell
        self._resources = resources or Resources()
        self._packed: Any = None
        self._failed_starts = 0
        _connect(address, delivery.code)
        try:
            self._nodes = Nodes(self._resources, delivery)
            self._nodes.check(PLACE_SECONDS)
            n_workers = n_workers or max(1, self._nodes.room)
            self.n_workers = min(n_workers, at_most or n_workers)
            self._workers = [self._make_worker() for _ in range(self.n_workers)]
            self._check_first()
        except BaseException:
            self.close()
            raise

    def open(self, context: Any) -> None:
        """Send the workers what trials are trained on; they start as there is room."""
        self._packed = ray.put(self._delivery.pack(context))
        self.events(0.0)

    def events(self, timeout_seconds: float) -> Sequence[Event]:
        """Wait for news, at most so long.

        Raises:
            EndOfEngineError: No worker can be started.
        """
        by_call = {worker.call: worker for worker in self._workers if worker.call is not None}
        if not by_call:  # all are idle
            time.sleep(timeout_seconds)
            return []
        calls = list(by_call)
        done, _ = ray.wait(calls, num_returns=1, timeout=timeout_seconds)
        done, _ = ray.wait(calls, num_returns=len(calls), timeout=0) if done else (done, None)
        events = [event for call in done for event in self._news_of(by_call[call])]
        self._feed()
        return events

    def close(self) -> None:
        """Kill the actors, whose processes end with them, and leave the cluster."""
        self._waiting.clear()
        for worker in self._workers:
            _kill(worker)
        self._workers.clear()
        ray.shutdown()

    def _make_worker(self) -> _Worker:
        options = self._resources.of_ray | {"scheduling_strategy": "SPREAD", "max_restarts": 0}
        options["label_selector"] = self._nodes.label_selector
        actor = ray.remote(RayWorker).options(**options).remote(self._fit)
        return _Worker(actor=actor, call=actor.node_id.remote())

    def _check_first(self) -> None:
        """Wait until a worker has a place, and ask its node if it has joined just now.

        Raises:
            BadInputError: The node lacks something.
            WorkFailedError: No node has room for a worker.
        """
        calls = [worker.call for worker in self._workers]
        done, _ = ray.wait(calls, num_returns=1, timeout=PLACE_SECONDS)
        if not done:
            message = (
                f"no node of the Ray cluster had room for a worker ({self._resources}) within "
                f"{PLACE_SECONDS:g} seconds; it has {_shown(ray.cluster_resources())}"
            )
            raise WorkFailedError(message)
        try:
            node_id = ray.get(done[0])
        except RayError as error:
            raise EndOfEngineError(_why_no_start(error)) from None
        if not self._nodes.is_sound(node_id):
            self._nodes.check_answer(node_id, self._nodes.ask(node_id))

    def _news_of(self, worker: _Worker) -> list[Event]:
        """Take what a worker's call has come to, and replace a worker that is lost."""
        call, worker.call = worker.call, None
        try:
            news: Any = faults_in(call) if worker.awaits is _Step.NODE else ray.get(call)
        except (RayError, EndOfEngineError) as error:
            return self._replace(worker, error)
        if not worker.is_ready:
            self._start(worker, news)
            return []
        for event in news:
            self._waiting.note(event)
            worker.note(event)
        if worker.cohort is not None:
            worker.call = worker.actor.exchange.remote([])
        return [*news]

    def _start(self, worker: _Worker, answer: Any) -> None:
        """Bring a worker a step on: it is placed, its node is asked, its process starts."""
        match worker.awaits:
            case _Step.PLACE:
                worker.node_id = answer
            case _Step.NODE:
                self._hear(worker.node_id, answer)
            case _Step.START:
                worker.pid, self._failed_starts = answer, 0
                return
        if self._nodes.is_refused(worker.node_id):
            self._place_elsewhere(worker)
        elif self._nodes.is_sound(worker.node_id):
            worker.awaits = _Step.START
            worker.call = worker.actor.open.remote(self._delivery.unpack, self._packed)
        else:
            worker.awaits = _Step.NODE
            worker.call = self._nodes.ask(worker.node_id)

    def _hear(self, node_id: str, faults: Sequence[str]) -> None:
        """Take a node's answer; what it lacks is told once, though several workers are on it."""
        if not self._nodes.is_refused(node_id) and (line := self._nodes.note(node_id, faults)):
            self._tell(line)

    def _place_elsewhere(self, worker: _Worker) -> None:
        """Ask Ray for a worker on another node in place of one whose node lacks something.

        Raises:
            EndOfEngineError: No other node has room for one, and none is ready.
        """
        self._workers.remove(worker)
        _kill(worker)
        if not self._nodes.has_other and not self.worker_pids:
            message = (
                f"no node of the Ray cluster is left: {self._nodes.why_refused(worker.node_id)}"
            )
            raise EndOfEngineError(message)
        self._workers.append(self._make_worker())

    def _feed(self) -> None:
        """Give cohorts to workers that are ready; there may never be room for the others."""
        for worker in self._workers:
            if worker.is_ready and worker.cohort is None and (cohort := self._waiting.next()):
                worker.take(cohort)
                worker.call = worker.actor.exchange.remote([cohort])

    def _replace(self, worker: _Worker, error: Exception) -> list[Event]:
        """Ask Ray for another worker in place of one that is lost, and queue its cohort first."""
        self._workers.remove(worker)
        _kill(worker)
        if not worker.is_ready:
            self._failed_starts += 1
            if self._failed_starts > MAX_RESTARTS * self.n_workers:  # they may fall together
                raise EndOfEngineError(_why_no_start(error))
        self._workers.append(self._make_worker())
        if worker.cohort is None:
            return []
        return [*self._waiting.died(worker.cohort, worker.pending)]


def _connect(address: str | None, code: str | None) -> None:
    """Join a cluster, or start one on this machine that nobody else can reach."""
    given = address or os.environ.get(ADDRESS)
    if given:
        _check_answers(given)
    environment = {"working_dir": code} if code else {}
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(
            address=given,
            runtime_env=environment,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            namespace="dropout-search",
        )
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise BadInputError(
            where=WHERE,
            got=f"{given or 'a cluster on this machine'} ({first_line(error)})",
            expected="the address of a Ray cluster of this version of Ray and Python",
        ) from None


def _check_answers(address: str) -> None:
    """Refuse an address where nothing answers at once: Ray itself would wait for minutes."""
    if address in ("auto", "local"):
        return
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()) or "://" in host:
        expected = "host:port of a Ray head (6379 by default), not of its dashboard or client"
        raise BadInputError(where=WHERE, got=address, expected=expected)
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        got = f"{address} ({getattr(error, 'strerror', None) or error})"
        raise BadInputError(where=WHERE, got=got, expected="a Ray head that answers") from None


def _kill(worker: _Worker) -> None:
    with contextlib.suppress(RayError, ValueError):  # it is dead already, or Ray has ended
        ray.kill(worker.actor)


def _why_no_start(error: Exception) -> str:
    cause = error.cause if isinstance(error, RayTaskError) else error
    return f"no worker starts on the Ray cluster: {first_line(cause or error)}"


def _shown(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{resources.get(name, 0):g} {name}s" for name in ("CPU", "GPU"))
