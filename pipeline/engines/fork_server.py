"""The process that workers are forked from, so that imports are done once for all of them.

Started as ``python -m pipeline.engines.fork_server FIT DESCRIPTOR``: it imports what ``FIT`` needs,
then forks one worker for each descriptor that the driver sends over its socket. Unlike
``multiprocessing``'s fork server it never imports the user's main module, so a study can be run
from a script or a notebook without a ``__main__`` guard.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection

from pipeline.engines.worker import Fit, resolve_fit, serve

SECONDS_TO_END = 2.0


def main(reference: str, descriptor: int) -> None:
    """Fork workers on request until the driver goes away, then reap them."""
    for theirs in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C and a closed terminal are the driver's
        signal.signal(theirs, signal.SIG_IGN)
    driver = socket.socket(fileno=descriptor)
    fit = _import(reference, driver)
    gc.freeze()  # shared pages stay shared: the collector does not touch what is frozen
    workers: set[int] = set()
    while True:
        readable, _, _ = select.select([driver], [], [], 1.0)
        workers -= _reaped(workers)
        if not readable:
            continue
        message, descriptors, _, _ = socket.recv_fds(driver, 1, 1)
        if not message:
            break
        workers.add(_fork(driver, descriptors[0], fit))
    _end(workers)
    sys.stderr.flush()
    os._exit(0)  # unloading torch's modules would delay the driver by 0.2 s


def _import(reference: str, driver: socket.socket) -> Fit:
    """Import (seconds), but no longer than the driver lives; no thread may be left when forking."""
    is_done = threading.Event()

    def end_with_driver() -> None:
        poller = select.poll()
        poller.register(driver, 0)  # a hang-up is always reported, and nothing else is asked for
        while not is_done.wait(0.2):
            if poller.poll(0):
                os._exit(1)

    watch = threading.Thread(target=end_with_driver, daemon=True)
    watch.start()
    try:
        return resolve_fit(reference)
    finally:
        is_done.set()
        watch.join()


def _fork(driver: socket.socket, descriptor: int, fit: Fit) -> int:
    pid = os.fork()
    if pid:
        os.close(descriptor)
        return pid
    driver.close()
    try:
        serve(Connection(descriptor), fit)
    except BaseException:  # noqa: BLE001 - the last line of the log is the driver's answer
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)  # the copy of the fork server's interpreter has nothing to clean up


def _reaped(workers: set[int]) -> set[int]:
    ended = set()
    for pid in workers:
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                continue
        ended.add(pid)
    return ended


def _end(workers: set[int]) -> None:
    """Wait for the workers, which exit with the driver's connections; kill those that do not."""
    deadline = time.monotonic() + SECONDS_TO_END
    while workers and time.monotonic() < deadline:
        workers -= _reaped(workers)
        time.sleep(0.01)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
