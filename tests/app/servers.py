"""A real MLflow server that is killed, stopped and started again on one port and one store."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from pipeline.tracking.ui import HOST, server_command, server_environment


class Server:
    """MLflow's own server on the store of a home.

    Args:
        home: Holds ``mlflow.db`` and the artifacts; the server makes what is missing.
        store: An SQLAlchemy URL in place of ``mlflow.db``.
    """

    def __init__(self, home: Path, store: str | None = None) -> None:
        """Choose a free port; nothing is started yet."""
        self._store = ["--backend-store-uri", store] if store else []
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self._port = int(probe.getsockname()[1])
        self.home = home
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"http://{HOST}:{self._port}"

    def __enter__(self) -> Self:
        """Start it."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it, if it lives."""
        self.kill()

    @property
    def command(self) -> list[str]:
        """Its command line."""
        return [*server_command(self.home, self._port), *self._store]  # the last one counts

    @property
    def environment(self) -> dict[str, str]:
        """Its environment."""
        return server_environment()

    def start(self) -> None:
        """Start it and wait for its first answer."""
        with (self.home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while not self._listens():
            assert self._process.poll() is None, (self.home / "server.log").read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it with all its processes, in the middle of whatever it does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Let it hang: it takes connections and says nothing."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on where it was stopped, with all that it was asked meanwhile."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self._port)) == 0
