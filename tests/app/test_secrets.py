"""No secret of the environment is written or told."""

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from pipeline.cli import main
from pipeline.errors import BadInputError, WorkFailedError, without_password
from pipeline.learning.failures import describe_failure
from tests.app.studies import command
from tests.config.documents import SMALLEST, changed

CANARY = "tweety-3f9c"
SECRETS = {
    name: f"{CANARY}-{name}"
    for name in (
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "HF_TOKEN"),
        *("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"),
        *("GITHUB_TOKEN", "DATABASE_URL", "PGPASSWORD", "SOME_API_KEY"),
    )
}


def test_nothing_that_a_study_leaves_behind_holds_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(changed({"search.trials": 1, "training.epochs": 1}, SMALLEST)))
    home = tmp_path / "home"
    told = b""
    for words in (["run", file], ["reproduce", "small"]):
        done = subprocess.run(
            command(*words, "--home", home),
            env=os.environ | SECRETS,
            capture_output=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told += done.stdout + done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"record.json", "mlflow.db", "optuna.journal"} <= {path.name for path in files}
    for path in files:
        assert CANARY.encode() not in path.read_bytes(), path
    assert CANARY.encode() not in told


class _Refusing(BaseHTTPRequestHandler):
    """A server that is no MLflow; what it is asked for says how it answers."""

    status, body = 500, b"no"

    def do_GET(self) -> None:
        """Answer the client's first question."""
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_GET  # noqa: N815 - the base class's name

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture(params=[(500, b"no"), (401, b"{}"), (200, b"<html>"), (404, b"")], ids=str)
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of such a server, with a user and a password."""
    handler = type("Answer", (_Refusing,), {"status": request.param[0], "body": request.param[1]})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = Thread(target=http.serve_forever)
        thread.start()
        yield f"http://me:{CANARY}@127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def told_by(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """Run a command that is refused, and give all that it printed."""
    monkeypatch.setattr(sys, "argv", ["pipeline", *words])
    with pytest.raises(SystemExit, match=r"^[12]$"):
        main()
    printed = capsys.readouterr()
    return printed.out + printed.err


def test_an_error_of_a_server_does_not_tell_the_password(
    server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    for words in (["reproduce", "nosuch"], ["ui"]):
        told = told_by(words, monkeypatch, capsys)
        assert "error: " in told
        assert CANARY not in told
        assert "127.0.0.1" in told, "the address is named all the same"


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://me:{CANARY}@127.0.0.1:1/db",
        f"postgresql://me:a/{CANARY}@127.0.0.1:1/db",
        f"postgresql://me:{CANARY}@x@127.0.0.1:1/db",
        f"postgresql://127.0.0.1:1/db?password={CANARY}",
        f"mysql+pymysql://me:{CANARY}@127.0.0.1:1/db",
        f"sqlite:////nowhere/at/all/x.db?password={CANARY}",
        f"banana://me:{CANARY}@host",
    ],
)
@pytest.mark.parametrize("variable", [True, False], ids=["MLFLOW_TRACKING_URI", "--storage"])
def test_an_address_that_leads_nowhere_is_told_without_its_password(
    address: str,
    variable: bool,  # noqa: FBT001 - pytest passes arguments by name
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if variable:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        words = ["reproduce", "nosuch"]
    else:
        words = ["list", "--storage", address]
    told = told_by(words, monkeypatch, capsys)
    assert "error: " in told
    assert CANARY not in told


def test_errors_and_causes_are_told_without_passwords() -> None:
    address = f"postgresql://me:{CANARY}@host/db"
    for told in (
        str(WorkFailedError(f"no answer from {address}")),
        str(BadInputError(where=address, got=address, expected="an address")),
        describe_failure(RuntimeError(f"cannot read {address}")),
    ):
        assert CANARY not in told
        assert "postgresql://…@host/db" in told


@pytest.mark.parametrize(
    "text",
    ["http://host:5000/path", "sqlite:////a@b/mlflow.db", "me@example.org", "a token of 5 letters"],
)
def test_what_is_no_password_is_told_as_it_is(text: str) -> None:
    assert without_password(text) == text
