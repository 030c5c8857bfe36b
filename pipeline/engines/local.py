"""The local engine: warm worker processes on this machine."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from pipeline.engines.dispatch import MAX_RESTARTS
from pipeline.engines.pool import Pool, Worker
from pipeline.errors import EndOfEngineError
from pipeline.trial import Event

KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(2**32), "MALLOC_MMAP_THRESHOLD_": str(2**32)}
"""Make glibc retain freed memory: allocating it again takes 4 % of a step."""
LEAVE_CUDA = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
"""Whoever asks torch for GPUs before a fork must not initialise CUDA, or no worker could."""
VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Names the GPUs that a process sees; it is read when CUDA is initialised."""


@dataclass(eq=False, kw_only=True)
class _Worker(Worker):
    connection: Connection
    gpu: str | None


class LocalEngine(Pool[_Worker]):
    """Trains cohorts in ``n_workers`` processes forked from one that has done the imports.

    A worker killed from outside is started again and its cohort trained again, which by promise 1
    changes nothing; epochs that were sent before are sent a second time. See ``Dispatch`` for
    trials whose workers die again.

    Args:
        fit: ``module:function`` of what a worker does with a cohort.
        n_workers: Processes.
        gpus: Of each worker the one GPU that it sees, as ``CUDA_VISIBLE_DEVICES`` names it; none:
            all see what this process does. A worker that dies is replaced on its GPU.
    """

    def __init__(self, fit: str, *, n_workers: int, gpus: Sequence[str] = ()) -> None:
        super().__init__(n_workers)
        self._fit = fit
        self._gpus: Sequence[str | None] = gpus or [None] * n_workers
        self._context: Any = None
        self._failed_starts = 0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the engine
        self._fork_server, self._line = self._start_fork_server()

    def open(self, context: Any) -> None:
        """Start the workers, each with the context that ``fit`` gets as its second argument."""
        self._context = context
        for gpu in self._gpus:
            self._start_worker(gpu)

    @property
    def fork_server_pid(self) -> int:
        """The process id of the fork server."""
        return self._fork_server.pid

    def events(self, timeout_seconds: float) -> Sequence[Event]:
        """Wait for news, at most so long.

        Raises:
            EndOfEngineError: No worker can be started.
        """
        by_connection = {worker.connection: worker for worker in self._workers}
        events: list[Event] = []
        for connection in wait(list(by_connection), timeout_seconds):
            worker = by_connection[connection]  # type: ignore[index]
            try:
                self._receive(worker, events)
            except (EOFError, OSError):
                events.extend(self._replace(worker))
        self._feed()
        return events

    def close(self) -> None:
        """Close the connections: workers exit immediately, the fork server reaps them."""
        self._waiting.clear()
        for worker in self._workers:
            worker.connection.close()
        self._workers.clear()
        self._line.close()
        if not self._has_forked:
            self._fork_server.kill()  # its imports may take seconds
        self._fork_server.wait()
        self._log.close()

    def _receive(self, worker: _Worker, events: list[Event]) -> None:
        """Append the worker's messages, also those that it sent before it died."""
        while worker.connection.poll():
            message = worker.connection.recv()
            if isinstance(message, int):
                worker.pid, self._failed_starts, self._has_forked = message, 0, True
                continue
            events.append(message)
            self._waiting.note(message)
            worker.note(message)
            if worker.cohort is None:
                self._feed()

    def _feed(self) -> None:
        for worker in self._workers:
            if worker.cohort is None and (cohort := self._waiting.next()):
                worker.take(cohort)
                with contextlib.suppress(OSError):  # a dead worker is noticed when it is read
                    worker.connection.send(cohort)

    def _replace(self, worker: _Worker) -> list[Event]:
        """Replace a dead worker, and put its cohort first in the queue."""
        self._workers.remove(worker)
        worker.connection.close()
        if not worker.is_ready:
            self._failed_starts += 1
            if self._failed_starts > MAX_RESTARTS * self.n_workers:  # they may fall together
                raise EndOfEngineError(self._why_no_start())
        self._start_worker(worker.gpu)
        if worker.cohort is None:
            return []
        if not worker.is_ready:
            self._waiting.put_back(worker.cohort)
            return []
        return [*self._waiting.died(worker.cohort, worker.pending)]

    def _start_worker(self, gpu: str | None) -> None:
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self._line, [b"+"], [theirs.fileno()])
        except OSError:
            self._restart_fork_server()
            socket.send_fds(self._line, [b"+"], [theirs.fileno()])
        theirs.close()
        connection = Connection(ours.detach())
        self._workers.append(_Worker(connection=connection, gpu=gpu))
        with contextlib.suppress(OSError):  # a dead worker is noticed when it is read
            connection.send({} if gpu is None else {VISIBLE: gpu})
            connection.send(self._context)

    def _start_fork_server(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        # -P: the working folder is searched only where it is searched here.
        words = ["-P", "-m", "pipeline.engines.fork_server", self._fit, str(theirs.fileno())]
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109 - a text
        process = subprocess.Popen(
            [sys.executable, *words],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=KEEP_MEMORY | LEAVE_CUDA | os.environ | {"PYTHONPATH": path},
        )
        theirs.close()
        self._has_forked = False
        return process, ours

    def _restart_fork_server(self) -> None:
        self._line.close()
        self._fork_server.kill()
        self._fork_server.wait()
        self._fork_server, self._line = self._start_fork_server()

    def _why_no_start(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else "it ended without an error message"
        return f"no worker starts: {reason}"
