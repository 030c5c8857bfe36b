"""Two hosts and a switch on this machine: network namespaces, a Ray head in one, a node in another.

The node has a host's name, ``/tmp`` and ``/dev/shm`` of its own, so it sees neither the driver's
home nor its memory. Linux only, by root: ``ip`` of iproute2 and ``unshare`` of util-linux.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from tests.warm.python import PYTHON

SECONDS: Final = 60.0
HOSTS: Final = {"head": "10.83.0.1", "node": "10.83.0.2"}
PORT: Final = 6379
START: Final = "from ray.scripts.scripts import main; main()"
OWN: Final = (
    'hostname node && mount -t tmpfs none /tmp && mount -t tmpfs none /dev/shm && exec "$@"'
)


@dataclass
class Hosts:
    """Namespaces and what runs in them.

    Attributes:
        prefix: Of the namespaces' names, of this process alone.
        folder: Of the head's session; the node's lies in its own ``/tmp``.
        address: Of the Ray head.
        settings: Environment variables of Ray's.
    """

    prefix: str
    folder: Path
    address: str = f"{HOSTS['head']}:{PORT}"
    settings: dict[str, str] = field(default_factory=dict)
    token: str = field(default_factory=lambda: secrets.token_hex(32))
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list, init=False)

    @property
    def environment(self) -> dict[str, str]:
        """What the cluster's processes and its drivers have in common: a token, and settings."""
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        return os.environ | token | self.settings

    def within(self, host: str, *words: str | Path) -> list[str]:
        """The line that runs a command on a host."""
        return ["ip", "netns", "exec", f"{self.prefix}{host}", *map(str, words)]

    def make(self) -> None:
        """Make the namespaces, and a cable from each host to the switch."""
        for name in ("switch", *HOSTS):
            _ip("netns", "add", f"{self.prefix}{name}")
            self._in(name, "link", "set", "lo", "up")
        self._in("switch", "link", "add", "bridge", "type", "bridge")
        self._in("switch", "link", "set", "bridge", "up")
        for host, address in HOSTS.items():
            peer = ("peer", "name", "eth0", "netns", f"{self.prefix}{host}")
            self._in("switch", "link", "add", host, "type", "veth", *peer)
            self._in("switch", "link", "set", host, "master", "bridge", "up")
            self._in(host, "address", "add", f"{address}/24", "dev", "eth0")
            self._in(host, "link", "set", "eth0", "up")

    def start_ray(self, host: str, *, cpus: int) -> subprocess.Popen[bytes]:
        """Start the head, or a node that joins it; it ends with its ``ray start``."""
        line = [PYTHON, "-c", START, "start", "--node-ip-address", HOSTS[host], "--block"]
        line += ["--num-cpus", str(cpus), "--object-store-memory", str(100 * 2**20)]
        if host == "head":
            line += ["--head", "--port", str(PORT), "--temp-dir", str(self.folder)]
            line += ["--include-dashboard", "false"]
        else:
            line = ["unshare", "--mount", "--uts", "sh", "-c", OWN, "sh", *line]
            line += ["--address", self.address]
        log = self.folder / f"{host}-{len(self._started)}.log"
        with log.open("wb") as said:
            process = subprocess.Popen(
                self.within(host, *line),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=self.environment,
            )
        self._started.append(process)
        _wait_for(process, log)
        return process

    def cut(self) -> None:
        """Pull the node's cable out of the switch: the head sees nothing but silence."""
        self._in("switch", "link", "set", "node", "down")

    def join(self) -> None:
        """Put the cable back."""
        self._in("switch", "link", "set", "node", "up")

    def remove(self) -> None:
        """Kill all that runs in the namespaces, and remove them with their cables."""
        for name in ("node", "head", "switch"):
            while pids := _pids(f"{self.prefix}{name}"):
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", f"{self.prefix}{name}")
        for process in self._started:
            process.wait(SECONDS)

    def _in(self, name: str, *words: str) -> None:
        _ip("-n", f"{self.prefix}{name}", *words)


@contextmanager
def hosts(**settings: str) -> Iterator[Hosts]:
    """Make the hosts, or skip the test and say why; nothing of them is left in any case."""
    if not (shutil.which("ip") and shutil.which("unshare")):
        pytest.skip("no network namespaces: iproute2 or util-linux is not installed")
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="hosts", ignore_cleanup_errors=True))
        made = Hosts(f"study{os.getpid()}-", Path(folder), settings=settings)
        stack.callback(made.remove)
        try:
            made.make()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces: {error.stderr.decode().strip()}")
        yield made


def _wait_for(process: subprocess.Popen[bytes], log: Path) -> None:
    """``ray start`` says this when it is done."""
    deadline = time.monotonic() + SECONDS
    while b"Ray runtime started" not in log.read_bytes():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def _ip(*words: str) -> None:
    subprocess.run([str(shutil.which("ip")), *words], check=True, capture_output=True)


def _pids(namespace: str) -> list[int]:
    line = ["ip", "netns", "pids", namespace]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return [int(pid) for pid in done.stdout.split()]
