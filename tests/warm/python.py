"""A ``python`` for the tests that starts at once, with all imports behind it.

Half of the time of the tests would else go into imports: torch, Lightning and MLflow take five
seconds in each process that a study starts. The processes stay real: they have their own memory,
files and signals, and are killed and waited for as any other.
"""

import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PYTHON = sys.executable
HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@contextmanager
def warm_python(folder: Path) -> Iterator[str]:
    """Start the process that others are forked from, and give the command for ``python``.

    Args:
        folder: Where the command is made, and the socket that it speaks to.
    """
    address, command = folder / "socket", folder / "python"
    client = [PYTHON, "-S", "-E", HERE / "client.py", ROOT, PYTHON, address]
    words = " ".join(shlex.quote(str(word)) for word in client)
    command.write_text(f'#!/bin/sh\nexec {words} "$0" "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(64)
        server = subprocess.Popen(
            [PYTHON, "-P", HERE / "server.py", str(listener.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    try:
        yield str(command)
    finally:
        assert server.stdin is not None
        server.stdin.close()
        server.wait()
