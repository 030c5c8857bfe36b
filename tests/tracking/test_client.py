"""MLflow is reached quietly and by one process at a time, or refused within seconds."""

import resource
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import BadInputError, WorkFailedError, without_password
from pipeline.tracking.client import connect
from pipeline.tracking.store import artifact_root, tracking_uri
from tests.long_form import long_form
from tests.tracking.builders import study

LEDGER = """
import sys
from pathlib import Path
from pipeline.config import check_study
from pipeline.tracking.store import artifact_root, tracking_uri
from pipeline.tracking.ledger import MlflowLedger
home = Path(sys.argv[1])
ledger = MlflowLedger(tracking_uri(home), artifact_root(home))
ledger.open(check_study(eval(sys.argv[2]), "test"))
"""


def python(*words: str) -> subprocess.Popen[str]:
    """Start Python with warnings as errors."""
    command = [sys.executable, "-W", "error", "-c", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@long_form
def test_several_drivers_may_start_at_once_on_a_new_home(tmp_path: Path) -> None:
    home = tmp_path / "a home % of #1 ü"
    drivers = [python(LEDGER, str(home), repr(study().document)) for _ in range(3)]
    said = [driver.communicate()[0] for driver in drivers]
    assert said == ["", "", ""]
    client = connect(tracking_uri(home))
    assert len(client.search_runs(["1"])) == 1
    kept_by_sqlite = {"mlflow.db-shm", "mlflow.db-wal"}
    found = {path.name for path in home.iterdir()} - kept_by_sqlite
    assert found == {"artifacts", "mlflow.db", "mlflow.db.lock"}


def test_the_package_is_imported_without_mlflow() -> None:
    code = "import sys, pipeline.tracking.store; print('mlflow' in sys.modules)"
    assert python(code).communicate()[0] == "False\n"


def test_a_store_left_half_made_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db.unfinished").write_bytes(b"torn")
    (tmp_path / "mlflow.db.unfinished-journal").write_bytes(b"torn")
    connect(tracking_uri(tmp_path), artifact_root(tmp_path))
    assert not list(tmp_path.glob("*.unfinished*"))


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


UNUSABLE = {
    "server down": f"http://127.0.0.1:{closed_port()}",
    "no such host": "http://mlflow.invalid:5000",
    "database down": f"postgresql://user:secret@127.0.0.1:{closed_port()}/db",
    "no port": "http://127.0.0.1:99999",
}


@pytest.mark.parametrize("uri", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_address_is_refused_within_seconds(uri: str, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(BadInputError, match="expected the address of a running MLflow") as caught:
        connect(uri, tmp_path)
    assert time.monotonic() - began < 8
    assert caught.value.where == without_password(uri)
    assert "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["gopher://mlflow", "file:///nowhere/mlruns", "banana"])
def test_an_address_of_another_kind_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="expected an address that begins with") as caught:
        connect(uri, tmp_path)
    assert f"got {uri}, expected" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_says_nothing_is_refused_within_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(BadInputError, match="expected the address of a running MLflow"):
            connect(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert time.monotonic() - began < 8


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"not a database" * 100)
    with pytest.raises(BadInputError, match=r"mlflow.db: got file is not a database"):
        connect(tracking_uri(tmp_path), artifact_root(tmp_path))


def cut(content: bytes) -> bytes:
    """The first half."""
    return content[: len(content) // 2]


def scratch(content: bytes) -> bytes:
    """Other bytes in the middle."""
    third = len(content) // 3
    return content[:third] + bytes(third) + content[2 * third :]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(cut, "database disk image is malformed", id="cut"),
        pytest.param(scratch, "database disk image is malformed", id="scratched"),
        pytest.param(lambda _: b"", "an empty file", id="emptied"),
    ],
)
def test_a_damaged_store_is_refused_and_stays_as_it_is(
    home: Path, damage: Callable[[bytes], bytes], said: str
) -> None:
    database = home / "mlflow.db"
    database.write_bytes(damage(database.read_bytes()))
    before = database.read_bytes()
    with pytest.raises(BadInputError, match=f"mlflow.db: got {said}, expected a SQLite database"):
        connect(tracking_uri(home), artifact_root(home))
    assert database.read_bytes() == before


@pytest.mark.parametrize("n_bytes", [0, 100_000, 900_000])
def test_a_store_for_which_there_is_no_room_is_made_when_there_is(
    tmp_path: Path, n_bytes: int
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        with pytest.raises(WorkFailedError, match=r"mlflow.db cannot be made: disk I/O error"):
            connect(tracking_uri(tmp_path), artifact_root(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "mlflow.db").exists()
    connect(tracking_uri(tmp_path), artifact_root(tmp_path))


def test_a_home_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "home"
    with pytest.raises(BadInputError, match="got Not a directory"):
        connect(tracking_uri(home), artifact_root(home))


def test_a_store_of_another_mlflow_is_refused(home: Path) -> None:
    with sqlite3.connect(home / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'cc1f77228345'")
    connection.close()
    with pytest.raises(BadInputError, match="out-of-date database schema"):
        connect(tracking_uri(home), artifact_root(home))


def test_a_home_whose_name_ends_an_address_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"expected a path without '\?'"):
        tracking_uri(Path("/tmp/why?"))


def test_an_address_is_shown_without_its_password() -> None:
    assert without_password("postgresql://user:secret@host/db") == "postgresql://…@host/db"
    assert without_password("sqlite:////a@b/mlflow.db") == "sqlite:////a@b/mlflow.db"


def test_server_of_something_else_is_refused_as_no_mlflow() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            with pytest.raises(BadInputError, match=r"not MLflow's .HTTP status 501"):
                connect(f"http://127.0.0.1:{other.server_port}")
        finally:
            other.shutdown()
            thread.join()
