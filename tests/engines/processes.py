"""Which processes still live."""

import time
from collections.abc import Iterable
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether a process does anything yet; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def are_gone(pids: Iterable[int], *, within_seconds: float) -> bool:
    """Wait until all have ended, at most so long."""
    deadline = time.monotonic() + within_seconds
    waited_for = list(pids)
    while time.monotonic() < deadline:
        if not any(map(is_alive, waited_for)):
            return True
        time.sleep(0.01)
    return False
