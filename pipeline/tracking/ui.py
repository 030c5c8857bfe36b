"""MLflow's own pages on a home, served to this machine alone for as long as they are wanted."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from mlflow.entities import Experiment, Run
from mlflow.tracking import MlflowClient

from pipeline.errors import BadInputError, WorkFailedError
from pipeline.tracking import runs, views
from pipeline.tracking.client import connect, explained
from pipeline.tracking.reader import row_of
from pipeline.tracking.store import artifact_root, database_of, tracking_uri
from pipeline.trial import rank

HOST = "127.0.0.1"
TRIALS_IN_ORDER = f"{views.MACHINE_LEARNING}&orderByKey=attributes.start_time&orderByAsc=true"
PAGE = f"#/experiments?{views.MACHINE_LEARNING}"
"""The list of experiments; MLflow 3 opens in its GenAI mode unless its router is told otherwise."""

COMPARE = "compare"
RUNS = "runs"
OF_STUDY = "study"
"""What pages show, beside the saved views."""
COMPARED = 5
"""So many settings stand side by side on a wide screen."""


def server_command(home: Path, port: int) -> list[str]:
    """The command that serves a home; one worker, since a second makes each call slower."""
    options = {
        "--backend-store-uri": tracking_uri(home),
        "--artifacts-destination": artifact_root(home).as_uri(),
        "--host": HOST,
        "--port": str(port),
        "--workers": "1",
        "--allowed-hosts": f"{HOST}:{port},localhost:{port}",
    }
    words = [word for option in options.items() for word in option]
    return [sys.executable, "-m", "mlflow", "server", *words]


def server_environment() -> dict[str, str]:
    """The environment of this process, without the jobs (ten processes) that MLflow would start."""
    return os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
    }


@contextmanager
def serve(home: Path, port: int = 5000, *, timeout_seconds: float = 60) -> Iterator[str]:
    """Serve a home's page while the context lasts, and yield the address to open.

    Args:
        home: The folder with ``mlflow.db``.
        port: 0 takes any free one.
        timeout_seconds: How long the server may take to answer first.

    Raises:
        BadInputError: The home has no store, or the port is taken.
        WorkFailedError: The server ended or did not answer in time.
    """
    _check_home(home)
    port = _free_port(port)
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            server_command(home, port),
            env=server_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(server, f"http://{HOST}:{port}", log, timeout_seconds)
            yield f"http://{HOST}:{port}/{PAGE}"
        finally:
            _end(server)


def _check_home(home: Path) -> None:
    database = database_of(tracking_uri(home))
    if database is None or not database.exists():
        expected = "a home with a study in it (`pipeline run FILE` makes one)"
        raise BadInputError(where=str(home), got="no mlflow.db", expected=expected)


def _free_port(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            got = f"{port} ({getattr(error, 'strerror', None) or 'no port'})"
            raise BadInputError(where="--port", got=got, expected="a free port") from None
        return int(probe.getsockname()[1])


def _wait(
    server: subprocess.Popen[bytes], address: str, log: IO[bytes], timeout_seconds: float
) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not _answers(address):
        if server.poll() is not None:
            message = f"MLflow's server ended at once: {_last_line(log)}"
            raise WorkFailedError(message)
        if time.monotonic() > deadline:
            message = f"MLflow's server did not answer on {address} in {timeout_seconds:g} seconds"
            raise WorkFailedError(message)
        time.sleep(0.1)


def _answers(address: str) -> bool:
    """Ask without a proxy, which could not reach 127.0.0.1 of this machine."""
    try:
        with build_opener(ProxyHandler({})).open(f"{address}/health", timeout=2) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (URLError, OSError):
        return False


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and the processes that it started: they share its group."""
    for kind, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        if not _signal(server, kind):
            break
        try:
            server.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    server.wait()


def _signal(server: subprocess.Popen[bytes], kind: signal.Signals) -> bool:
    try:
        os.killpg(server.pid, kind)
    except ProcessLookupError:
        return False
    return True


@explained
def study_pages(home: Path, address: str) -> dict[str, dict[str, str]]:
    """The pages of each study by what they show, the latest study first.

    MLflow's list of experiments links to its page for language models, so links are made here.

    Args:
        home: The home that is served.
        address: Any page of the server.
    """
    client = connect(tracking_uri(home), artifact_root(home))
    root = address.partition("#")[0]
    pages: dict[str, dict[str, str]] = {}
    for experiment in client.search_experiments(order_by=["creation_time DESC"]):
        if study_run := runs.study_run(client, experiment.experiment_id):
            found = _pages(client, experiment, study_run)
            pages[str(experiment.name)] = {what: f"{root}{page}" for what, page in found}
    return pages


def _pages(
    client: MlflowClient, experiment: Experiment, study_run: Run
) -> Iterator[tuple[str, str]]:
    experiment_id = experiment.experiment_id
    if not views.has_views(experiment):
        yield RUNS, f"#/experiments/{experiment_id}/runs?{TRIALS_IN_ORDER}"
        yield OF_STUDY, views.page_of_run(experiment_id, study_run.info.run_id)
        return
    yield views.LEADERBOARD, views.page_of(experiment_id, views.LEADERBOARD)
    yield views.CURVES, views.page_of(experiment_id, views.CURVES)
    rows = [row_of(number, run) for number, run in runs.trial_runs(client, study_run)]
    best = [one.trial.run_id for one in rank(rows)[:COMPARED] if one.trial.run_id]
    if len(best) > 1:
        yield COMPARE, views.page_to_compare(experiment_id, best)
    yield views.TRIALS, views.page_of(experiment_id, views.TRIALS)
    yield OF_STUDY, views.page_of_run(experiment_id, study_run.info.run_id)
