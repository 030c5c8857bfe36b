"""A ``python`` for the tests that starts at once, with all imports behind it.

Half of the time of the tests would else go into imports: torch, Lightning and MLflow take five
seconds in each process that a study starts. The processes stay real: they have their own memory,
files and signals, and are killed and waited for as any other.
"""

import os
import select
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

PYTHON = sys.executable
HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@contextmanager
def warm_python(folder: Path) -> Iterator[str]:
    """Give the command for ``python``; the process that others are forked from starts when asked.

    Args:
        folder: Where the command is made, and the socket that it speaks to.
    """
    address, command = folder / "socket", folder / "python"
    client = [PYTHON, "-S", "-E", HERE / "client.py", ROOT, PYTHON, address]
    words = " ".join(shlex.quote(str(word)) for word in client)
    command.write_text(f'#!/bin/sh\nexec {words} "$0" "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen(64)
    until, writer = os.pipe()
    server = Thread(target=_serve, args=(listener, until))
    server.start()
    try:
        yield str(command)
    finally:
        os.close(writer)
        server.join()


def _serve(listener: socket.socket, until: int) -> None:
    """Wait for the first process that is asked for, then start the server and wait for its end."""
    asked, _, _ = select.select([listener.fileno(), until], [], [])
    if listener.fileno() in asked:
        words = [PYTHON, "-P", str(HERE / "server.py"), str(listener.fileno())]
        with subprocess.Popen(words, stdin=until, pass_fds=[listener.fileno()], process_group=0):
            listener.close()
    listener.close()
    os.close(until)
