"""Stands for ``python`` in the tests: the process is forked from one that has the imports.

That is done for ``-m MODULE`` with a module of this working copy; all else is run by Python itself.
It is started for each process, so it imports little.
"""

import json
import os
import resource
import signal
import socket
import sys

ROOT, PYTHON, ADDRESS = sys.argv[1:4]
EXECUTABLE, *WORDS = sys.argv[4:]
MODULES = ("pipeline", "tests", "benchmarks")
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Fork the process and end as it ends, or become Python."""
    is_safe = WORDS[:1] == ["-P"]
    words = WORDS[is_safe:]
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    path = path if is_safe else [os.getcwd(), *path]  # noqa: PTH109 - a text
    if is_of_the_project(words) and not any(map(holds_something_else, path)):
        end_as(ask(words, path))
    os.execv(PYTHON, [PYTHON, *WORDS])  # noqa: S606 - these are the words for Python


def is_of_the_project(words: list[str]) -> bool:
    """Whether a module of the project is to be run."""
    return words[:1] == ["-m"] and words[1].partition(".")[0] in MODULES


def holds_something_else(folder: str) -> bool:
    """Whether a folder has another copy of the project, or changes Python itself."""
    names = [] if os.path.realpath(folder) == ROOT else ["pipeline", "sitecustomize.py"]
    return any(os.path.exists(f"{folder}/{name}") for name in names)  # noqa: PTH110 - imports less


def ask(words: list[str], path: list[str]) -> int:
    """Have the process forked, hand signals on to it, and wait for its status."""
    inherited = inherited_files()
    os.umask(umask := os.umask(0))
    request = {
        "words": words,
        "path": path,
        "folder": os.getcwd(),  # noqa: PTH109 - a text
        "umask": umask,
        "largest_file": resource.getrlimit(resource.RLIMIT_FSIZE),
        "environment": dict(os.environ),
        "executable": EXECUTABLE,
        "descriptors": inherited,
        "leads_session": os.getsid(0) == os.getpid(),
    }
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(ADDRESS)
        content = json.dumps(request).encode() + b"\n"
        n_sent = socket.send_fds(server, [content], inherited)
        server.sendall(content[n_sent:])
        pid = int.from_bytes(server.recv(4), "big")
        for sent in FORWARDED:
            signal.signal(sent, lambda number, _: os.kill(pid, number))
        for number in inherited:  # who reads their other ends waits for the process alone
            os.close(number)
        return int.from_bytes(server.recv(4), "big")


def inherited_files() -> list[int]:
    """The descriptors that this process was given."""
    opened = []
    for number in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - imports less
        try:
            os.fstat(number)
        except OSError:  # of the listing itself
            continue
        opened.append(number)
    return opened


def end_as(status: int) -> None:
    """Exit with a code, or die of a signal."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number in FORWARDED:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


main()
