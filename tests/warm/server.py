"""The process from which Python processes of the tests are forked, its imports behind it.

Started as ``python -P tests/warm/server.py DESCRIPTOR`` by ``tests.warm.python`` with a socket that
listens. A connection asks for one process: its words, folder and environment, and the files that it
inherits; what answers is its exit status. The server ends when its standard input closes, and all
its children with it.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import resource
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
from typing import Any, NoReturn

PATH = list(sys.path)
"""Where modules are found, after the working folder and ``PYTHONPATH``."""
NOT_IMPORTED = (
    *("pipeline.cli", "pipeline.__main__", "pipeline.engines.fork_server"),
    "pipeline.learning.gpus",
)
"""What notes the time when it is imported, or is run as a script."""
LIBRARIES = ("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.db.utils", "sklearn.datasets")


def import_all() -> None:
    """Import the project but for its command line, and with it what takes seconds to import."""
    import pipeline

    found = pkgutil.walk_packages(pipeline.__path__, "pipeline.")
    for name in [*LIBRARIES, *(module.name for module in found)]:
        if not name.startswith(NOT_IMPORTED):
            importlib.import_module(name)


class Server:
    """Forks on request, and tells each client how its process ended."""

    def __init__(self, listener: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = listener
        self._children: dict[int, tuple[int, socket.socket]] = {}
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._selector.register(0, selectors.EVENT_READ, self._end)

    def serve(self) -> NoReturn:
        """Serve until standard input closes."""
        while True:
            for key, _ in self._selector.select():
                key.data(key.fd)

    def _accept(self, _: int) -> None:
        client, _address = self._listener.accept()
        received = receive(client)
        if received is None:
            client.close()
            return
        request, descriptors = received
        pid = os.fork()
        if pid == 0:
            self._forget()
            client.close()
            become(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = (pid, client)
        self._selector.register(pidfd, selectors.EVENT_READ, self._reap)
        self._selector.register(client, selectors.EVENT_READ, lambda _: self._kill(pidfd))
        send(client, pid)

    def _kill(self, pidfd: int) -> None:
        """Kill the process of a client that was killed."""
        if pidfd in self._children:
            pid, client = self._children[pidfd]
            self._selector.unregister(client)
            os.kill(pid, signal.SIGKILL)

    def _reap(self, pidfd: int) -> None:
        pid, client = self._children.pop(pidfd)
        _, status = os.waitpid(pid, 0)
        self._selector.unregister(pidfd)
        with contextlib.suppress(KeyError):  # it was killed
            self._selector.unregister(client)
        send(client, status)
        client.close()
        os.close(pidfd)

    def _end(self, _: int) -> None:
        for pid, _client in self._children.values():
            os.kill(pid, signal.SIGKILL)
        os._exit(0)

    def _forget(self) -> None:
        """Close in a child what is the server's."""
        self._selector.close()
        self._listener.close()
        for pidfd, (_, client) in self._children.items():
            os.close(pidfd)
            client.close()


def receive(client: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """A request, which ends with a line break, and the files that came with it.

    ``None`` where the client was killed before it had said all.
    """
    more, descriptors, _, _ = socket.recv_fds(client, 65_536, 250)
    content = more
    while more and not content.endswith(b"\n"):
        more = client.recv(65_536)
        content += more
    if not more:
        for descriptor in descriptors:
            os.close(descriptor)
        return None
    return json.loads(content), list(descriptors)


def send(client: socket.socket, number: int) -> None:
    """Tell a client a number, unless it was killed."""
    with contextlib.suppress(OSError):
        client.sendall(number.to_bytes(4, "big"))


def become(request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Be the process that was asked for: ``python -m MODULE ARGUMENTS``."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["leads_session"]:
        os.setsid()
    inherit(dict(zip(request["descriptors"], descriptors, strict=True)))
    os.chdir(request["folder"])
    os.umask(request["umask"])
    resource.setrlimit(resource.RLIMIT_FSIZE, request["largest_file"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:] = [*request["path"], *PATH]
    sys.executable = request["executable"]
    _, module, *arguments = request["words"]
    sys.argv = ["-m", *arguments]
    end(run(module))


def run(module: str) -> int:
    """Run a module as a script, and give the code that Python would exit with."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as left:
        if isinstance(left.code, str):
            sys.stderr.write(f"{left.code}\n")
            return 1
        return left.code or 0
    except BaseException:  # noqa: BLE001 - as Python does at the end of a script
        traceback.print_exc()
        return 1
    return 0


def end(code: int) -> NoReturn:
    """Leave as Python does, but for taking torch's modules apart, which takes half a second."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def inherit(numbers: dict[int, int]) -> None:
    """Put files under the numbers that they have in the client, and Python's streams on them."""
    above = 10 + max(*numbers.values(), *numbers)
    spare = {theirs: fcntl.fcntl(ours, fcntl.F_DUPFD, above) for theirs, ours in numbers.items()}
    for ours in numbers.values():
        os.close(ours)
    for theirs, ours in spare.items():
        os.dup2(ours, theirs)
        os.close(ours)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process lives
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115


if __name__ == "__main__":
    import_all()
    gc.collect()
    gc.freeze()  # shared pages stay shared: the collector does not touch what is frozen
    Server(socket.socket(fileno=int(sys.argv[1]))).serve()
