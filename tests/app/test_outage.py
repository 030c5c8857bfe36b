"""A real MLflow server that dies, hangs and comes back while a study runs."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.app.doctor import examine
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.errors import WorkFailedError
from tests.app.servers import Server
from tests.app.studies import check_ledgers_agree, study_in, table
from tests.long_form import TORTURE
from tests.looking_on import AtOutcome

pytestmark = pytest.mark.slow

N_TRIALS = 14
OUTAGE_SECONDS = 60.0 if TORTURE else 2.0


@pytest.fixture(autouse=True)
def _answers_are_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    if not TORTURE:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")


def study_behind(server: Server, home: Path, *, patience_seconds: float) -> Study:
    """The small study, its Optuna store in a home and its MLflow behind the server."""
    workspace = Workspace(home=home, tracking_uri=server.address, patience_seconds=patience_seconds)
    return replace(study_in(home), workspace=workspace)


def back_after_a_while(leave: Callable[[], None], come_back: Callable[[], None]) -> None:
    """Let a server leave, and come back while the study waits for it."""
    leave()
    threading.Timer(OUTAGE_SECONDS, come_back).start()


@pytest.mark.timeout(900)
def test_server_that_stays_away_ends_the_study_and_one_that_comes_back_is_waited_for(
    home: Path, tmp_path: Path
) -> None:
    with Server(tmp_path) as server:
        hasty = study_behind(server, tmp_path, patience_seconds=1.0)
        with pytest.raises(
            WorkFailedError,
            match=rf"^MLflow at {server.address} has not answered since .*: run the same command",
        ):
            hasty.run(workers=2, progress=(progress := AtOutcome({3: server.kill})))
        assert [line.split()[3] for line in progress.told] == ["does"]
        server.start()
        patient = study_behind(server, tmp_path, patience_seconds=120.0)
        outages = {2: lambda: back_after_a_while(server.stop, server.go_on)}
        if TORTURE:  # a server takes ten seconds to start
            outages[5] = lambda: back_after_a_while(server.kill, server.start)
        result = patient.run(workers=2, progress=(progress := AtOutcome(outages)))
        expected = ["does", "answers"] * len(outages)
        assert [line.split()[3] for line in progress.told] == expected
        assert result.counts["failed"] == 0
        assert sum(result.counts.values()) == N_TRIALS
        assert examine(patient.workspace).findings == []
    assert table(tmp_path) == table(home)
    check_ledgers_agree(tmp_path, N_TRIALS)
