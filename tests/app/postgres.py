"""A real PostgreSQL on this machine, from the system's package."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SECONDS = 60.0


def program(name: str) -> str | None:
    """Where one of PostgreSQL's programs is: Debian keeps most out of the search path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


needs_postgres = pytest.mark.skipif(
    program("initdb") is None, reason="PostgreSQL is not installed (apt-get install postgresql)"
)


@dataclass
class Postgres:
    """A server that can be stopped, also at once, and started again.

    Attributes:
        folder: Of the data and the socket.
        port: On 127.0.0.1.
        password: Of the user ``postgres``; empty: nobody is asked for one.
        options: More words of the server's command line.
    """

    folder: Path
    port: int
    password: str = ""
    options: Sequence[str] = ()
    _server: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def address(self, database: str, *, user: str = "postgres", password: str = "") -> str:
        """An SQLAlchemy URL."""
        return f"postgresql+psycopg://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        words = ["-D", "data", "-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.folder)]
        quick = ["-c", "fsync=off", "-c", "shared_buffers=16MB"]
        line = [str(program("postgres")), *words, *quick, *self.options]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                line, cwd=self.folder, stdout=log, stderr=log, user=_user()
            )
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.1)

    def stop(self, kind: signal.Signals = signal.SIGQUIT) -> None:
        """Stop it; by default at once, as ``pg_ctl stop -m immediate`` does."""
        if self._server is not None:
            self._server.send_signal(kind)
            self._server.wait(SECONDS)
            self._server = None

    def dump(self, database: str) -> str:
        """All that a database holds."""
        host = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        environment = os.environ | {"PGPASSWORD": self.password}
        line = [str(program("pg_dump")), *host, "--inserts", database]
        return subprocess.run(
            line, env=environment, capture_output=True, text=True, check=True
        ).stdout

    def query(self, sql: str, database: str = "postgres") -> str:
        """What ``psql`` prints of a statement."""
        host = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database]
        line = [str(program("psql")), *host, "-XAtc", sql]
        environment = os.environ | {"PGPASSWORD": self.password}
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _answers(self) -> bool:
        line = [str(program("pg_isready")), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(line, check=False).returncode == 0


def _user() -> str | None:
    """PostgreSQL refuses to be run by root; its package makes a user of its own."""
    return "postgres" if os.geteuid() == 0 else None


@contextmanager
def postgres(
    *databases: str, password: str = "", options: Sequence[str] = ()
) -> Iterator[Postgres]:
    """Make and start a server with these databases; it ends and goes in any case.

    Args:
        databases: Their names.
        password: Of the user ``postgres``; with one, every user is asked for a password.
        options: More words of the server's command line.
    """
    folder = Path(tempfile.mkdtemp(prefix="postgres"))
    try:
        if user := _user():
            shutil.chown(folder, user)
        line = [str(program("initdb")), "-D", "data", "-U", "postgres", "-N"]
        line += ["-A", "scram-sha-256", "--pwfile=password"] if password else ["-A", "trust"]
        (folder / "password").write_text(password)
        subprocess.run(line, cwd=folder, check=True, capture_output=True, user=_user())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            server = Postgres(folder, probe.getsockname()[1], password, options)
        server.start()
        try:
            for database in databases:
                server.query(f"CREATE DATABASE {database}")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
