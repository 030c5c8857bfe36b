"""What ``deploy/compose.yaml`` starts, started on this machine without containers.

The command lines, scripts, settings and secrets are those of the files; what a container gives
(names of hosts, folders, the port) is replaced by what is there.
"""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.postgres import Postgres, postgres
from tests.app.servers import Server
from tests.app.studies import ROOT

DEPLOY = ROOT / "deploy"
needs_auth = pytest.mark.skipif(
    find_spec("flask_wtf") is None, reason="MLflow's users are not installed (mlflow[auth])"
)


def compose() -> Any:
    """The compose file."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Deployment:
    """Both servers with their passwords.

    Attributes:
        postgres: With the databases ``optuna``, ``mlflow`` and ``mlflow_users``.
        mlflow: Answers to ``127.0.0.1`` alone.
        secrets: The folder with a file for each secret.
    """

    postgres: Postgres
    mlflow: Server
    secrets: Path

    def secret(self, name: str) -> str:
        """A secret."""
        return (self.secrets / name).read_text()

    @property
    def passwords(self) -> dict[str, str]:
        """Every secret by its name."""
        return {path.name: path.read_text() for path in self.secrets.iterdir()}

    @property
    def storage(self) -> str:
        """Optuna's address, without a password: it is in the environment."""
        return f"postgresql+psycopg://optuna@127.0.0.1:{self.postgres.port}/optuna"

    @property
    def environment(self) -> dict[str, str]:
        """What a driver's environment holds."""
        return {
            "MLFLOW_TRACKING_URI": self.mlflow.address,
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": self.secret("mlflow_admin_password"),
            "PGPASSWORD": self.secret("optuna_password"),
        }


class DeployedMlflow(Server):
    """MLflow's server, started by the command of the compose file."""

    def __init__(self, home: Path, secrets: Path, database_port: int) -> None:
        super().__init__(home)
        self._secrets, self._database_port = secrets, database_port

    @property
    def command(self) -> list[str]:
        """The service's command, by the image's entry point."""
        words = [self._here(word) for word in compose()["services"]["mlflow"]["command"]]
        assert words[0] == "mlflow"
        return [str(DEPLOY / "mlflow/entrypoint.sh"), sys.executable, "-m", *words]

    @property
    def environment(self) -> dict[str, str]:
        """The service's environment."""
        settings = self.home / "basic_auth.ini"
        settings.write_text(self._here((DEPLOY / "mlflow/basic_auth.ini").read_text()))
        given: dict[str, str] = compose()["services"]["mlflow"]["environment"]
        here = {"MLFLOW_AUTH_CONFIG_PATH": str(settings), "SECRETS": str(self._secrets)}
        return os.environ | given | here

    def _here(self, text: str) -> str:
        """Replace what a container gives."""
        host = self.address.removeprefix("http://")
        port = host.partition(":")[2]
        for old, new in {
            r"\$\{MLFLOW_HOST:[^}]*\}": host,
            r"@postgres:5432/": f"@127.0.0.1:{self._database_port}/",
            r"--host=0\.0\.0\.0": "--host=127.0.0.1",
            r"--port=5000": f"--port={port}",
            r"destination=/artifacts": f"destination={self.home / 'artifacts'}",
        }.items():
            text = re.sub(old, new, text)
        return text


def make_secrets(folder: Path) -> Path:
    """A file for each secret of the compose file, with a word that occurs nowhere else."""
    folder.mkdir()
    for name, one in compose()["secrets"].items():
        assert one == {"file": f"./secrets/{name}"}
        (folder / name).write_text(secrets.token_hex(16))
    return folder


@contextmanager
def deployment(folder: Path) -> Iterator[Deployment]:
    """Start both servers; they end in any case."""
    made = make_secrets(folder / "secrets")
    service = compose()["services"]["postgres"]
    password = (made / "postgres_password").read_text()
    with postgres(password=password, options=service["command"][1:]) as database:
        address = {"PGHOST": "127.0.0.1", "PGPORT": str(database.port), "PGPASSWORD": password}
        done = subprocess.run(
            [DEPLOY / "postgres/databases.sh"],
            env=os.environ | address | {"SECRETS": str(made)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        with DeployedMlflow(folder / "mlflow", made, database.port) as server:
            yield Deployment(database, server, made)
