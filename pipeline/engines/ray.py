"""The Ray engine: workers on the nodes of a cluster, which Ray places and watches."""

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")  # read when Ray is imported; else
# its driver prints what became of lost workers to stdout, where a result may be awaited.
import ray
from ray.exceptions import RayError, RayTaskError

from pipeline.config import Resources
from pipeline.engines.dispatch import MAX_RESTARTS
from pipeline.engines.pool import Pool, Worker
from pipeline.engines.ray_worker import RayWorker, differing, installation
from pipeline.errors import BadInputError, EndOfEngineError, WorkFailedError, first_line
from pipeline.trial import Event

ADDRESS: Final = "RAY_ADDRESS"
CONNECT_SECONDS: Final = 5.0
PLACE_SECONDS: Final = 300.0
"""A cluster that grows by itself has a node for the first worker by then."""
WHERE: Final = "--ray-address"


@dataclass(eq=False, kw_only=True)
class _Worker(Worker):
    """An actor, and the call of it that has no answer yet."""

    actor: Any
    call: Any = None


class RayEngine(Pool[_Worker]):
    """Trains cohorts in ``n_workers`` actors on the nodes of a Ray cluster.

    An actor that is lost, with its node or alone, is asked for again, and Ray places it where
    there is room; its cohort is trained again, which by promise 1 changes nothing. Nodes may come
    and go: a worker for which there is no room waits for it.

    Args:
        fit: ``module:function`` of what a worker does with a cohort.
        n_workers: Actors; by default as many as the cluster has room for now, one at least.
        address: ``host:port`` of the head; by default ``RAY_ADDRESS``, or a cluster on this
            machine, or one that is started here and ends with the engine.
        resources: What a worker takes of a node.
        pack: Makes what travels to the nodes of the context that ``open`` is given.
        unpack: ``module:function`` that makes the context of it again.
        code: A folder that is brought to the nodes and searched for modules.

    Raises:
        BadInputError: Nothing answers at the address, or another version of Ray or Python does.
    """

    def __init__(
        self,
        fit: str,
        *,
        n_workers: int | None = None,
        address: str | None = None,
        resources: Resources | None = None,
        pack: Callable[[Any], Any],
        unpack: str,
        code: str | None = None,
    ) -> None:
        super().__init__(n_workers or 1)
        self._fit, self._pack, self._unpack = fit, pack, unpack
        self._resources = resources or Resources()
        self._packed: Any = None
        self._failed_starts = 0
        _connect(address, code)
        try:
            self.n_workers = n_workers or max(1, _room(self._resources, ray.cluster_resources()))
            self._workers = [self._make_worker() for _ in range(self.n_workers)]
            self._check_installation()
        except BaseException:
            self.close()
            raise

    def open(self, context: Any) -> None:
        """Send the workers what trials are trained on; they start as there is room."""
        self._packed = ray.put(self._pack(context))
        for worker in self._workers:
            self._open_worker(worker)

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
        remote = ray.remote(RayWorker)
        options = self._resources.of_ray | {"scheduling_strategy": "SPREAD", "max_restarts": 0}
        return _Worker(actor=remote.options(**options).remote(self._fit))

    def _open_worker(self, worker: _Worker) -> None:
        worker.call = worker.actor.open.remote(self._unpack, self._packed)

    def _check_installation(self) -> None:
        """Refuse a cluster that would give another table, before anything is written.

        Raises:
            BadInputError: Its first worker's node has other versions.
            WorkFailedError: No node has room for a worker.
        """
        calls = [worker.actor.installation.remote() for worker in self._workers]
        done, _ = ray.wait(calls, num_returns=1, timeout=PLACE_SECONDS)
        if not done:
            message = (
                f"no node of the Ray cluster had room for a worker ({self._resources}) within "
                f"{PLACE_SECONDS:g} seconds; it has {_shown(ray.cluster_resources())}"
            )
            raise WorkFailedError(message)
        try:
            there = ray.get(done[0])
        except RayError as error:
            raise EndOfEngineError(_why_no_start(error)) from None
        if differs := differing(installation(), there):
            raise BadInputError(
                where=WHERE,
                got=f"a node with {', '.join(differs)}",
                expected="nodes with what is installed here",
            )

    def _news_of(self, worker: _Worker) -> list[Event]:
        """Take what a worker's call has come to, and replace a worker that is lost."""
        call, worker.call = worker.call, None
        try:
            news = ray.get(call)
        except (RayError, EndOfEngineError) as error:
            return self._replace(worker, error)
        if not worker.is_ready:
            worker.pid, self._failed_starts = news, 0
            return []
        for event in news:
            self._waiting.note(event)
            worker.note(event)
        if worker.cohort is not None:
            worker.call = worker.actor.exchange.remote([])
        return [*news]

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
        fresh = self._make_worker()
        self._workers.append(fresh)
        self._open_worker(fresh)
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


def _room(wanted: Resources, there: Mapping[str, float]) -> int:
    """For how many workers a cluster has room."""
    needs = {"CPU": wanted.cpus, "GPU": wanted.gpus, "memory": wanted.memory or 0}
    return min(int(there.get(name, 0) / need) for name, need in needs.items() if need)


def _kill(worker: _Worker) -> None:
    with contextlib.suppress(RayError, ValueError):  # it is dead already, or Ray has ended
        ray.kill(worker.actor)


def _why_no_start(error: Exception) -> str:
    cause = error.cause if isinstance(error, RayTaskError) else error
    return f"no worker starts on the Ray cluster: {first_line(cause or error)}"


def _shown(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{resources.get(name, 0):g} {name}s" for name in ("CPU", "GPU"))
