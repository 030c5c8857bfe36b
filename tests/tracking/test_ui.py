"""MLflow's page is served on this machine alone, and gone afterwards."""

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import psutil
import pytest

from pipeline.errors import BadInputError, WorkFailedError
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.reader import read_trial
from pipeline.tracking.report import read_report_source, write_report
from pipeline.tracking.ui import serve, server_command, server_environment
from pipeline.trial import RunTime, StudyState, TimeSpent, TrialRecord
from tests.listening import is_reachable, listening
from tests.tracking.builders import config, curve, outcome, row, scores, study

SPENT = RunTime(began="now", n_workers=1, seconds={"total": 1.0}, start_up={}, machinery={})


@pytest.fixture(scope="module")
def address(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page, served for this module's tests."""
    home = tmp_path_factory.mktemp("served")
    shutil.copy(template / "mlflow.db", home / "mlflow.db")
    with serve(home, 0) as served:
        assert len(servers(home)) >= 2  # the server and its worker
        yield served
    assert servers(home) == set()


def test_page_listens_on_one_port_of_this_machine_alone(address: str) -> None:
    """As the table of docs/cluster.md says."""
    found = listening(psutil.Process())
    assert {f"{host}:{port}" for host, port in found} == {urlsplit(address).netloc}
    assert not any(is_reachable(host) for host, _ in found)


def test_serve_yields_the_page_in_machine_learning_mode(address: str) -> None:
    server, _, page = address.partition("#")
    assert page == "/experiments?workflowType=machine_learning"
    with urlopen(server) as answer:
        assert b"MLflow" in answer.read()


def test_serve_refuses_another_host_s_name(address: str) -> None:
    asked = Request(address.partition("#")[0], headers={"Host": "evil.example"})
    with pytest.raises(HTTPError, match="403"):
        urlopen(asked)


def test_a_ledger_works_through_a_server(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    uri = address.partition("/#")[0]
    ledger = MlflowLedger(uri, Path("/nowhere"), seconds_buffered=0)
    ledger.open(study("remote"))
    ledger.start(config(0, "remote"))
    ledger.report(scores(0, 1))
    ledger.flush()
    ledger.finish(config(0, "remote"), outcome(0))
    ledger.close(StudyState(rows=[row(0)], is_done=True, spent=SPENT))
    trial = read_trial(uri, "remote", "best")
    assert trial.record == TrialRecord.of(config(0, "remote"), outcome(0))
    assert trial.curve == curve(0)
    assert trial.weights == outcome(0).weights
    run_id = write_report(uri, "remote", b"<html>", {"history.png": b"PNG"})
    source = read_report_source(uri, "remote")
    assert (source.run_id, source.curves, source.faults) == (run_id, {0: curve(0)}, ())
    assert source.time == TimeSpent(runs=(SPENT,))
    assert capfd.readouterr() == ("", "")


def test_serve_ends_a_server_that_does_not_answer(home: Path) -> None:
    late = pytest.raises(WorkFailedError, match="did not answer")
    with late, serve(home, 0, timeout_seconds=0.5):
        pass
    assert servers(home) == set()


def servers(home: Path) -> set[str]:
    """Every process that serves a home: its words or its environment name the store."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            said = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
            if f"{home}/mlflow.db".encode() in said:
                found.add(path.name)
    return found


def test_serve_refuses_a_port_that_is_taken(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(BadInputError, match=rf"--port: got {port} \(Address already"),
            serve(home, port),
        ):
            pass


def test_serve_refuses_a_port_that_is_none(home: Path) -> None:
    with pytest.raises(BadInputError, match="--port: got 70000"), serve(home, 70_000):
        pass


def test_serve_refuses_a_home_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"got no mlflow\.db"), serve(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_server_starts_no_jobs_and_listens_here_alone(tmp_path: Path) -> None:
    words = server_command(tmp_path, 5001)
    options = dict(zip(words[4::2], words[5::2], strict=True))
    assert options["--host"] == "127.0.0.1"
    assert options["--allowed-hosts"] == "127.0.0.1:5001,localhost:5001"
    assert server_environment()["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert json.dumps(words)
