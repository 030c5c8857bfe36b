"""A study whose stores are PostgreSQL's: Optuna's own, and MLflow's behind its server."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.app.browse import show_study
from pipeline.app.doctor import examine
from pipeline.app.reproduce import reproduce
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError, StorageAwayError
from pipeline.trial import TrialOutcome
from tests.app.postgres import Postgres, needs_postgres, postgres
from tests.app.servers import Server
from tests.app.studies import study_in
from tests.long_form import TORTURE

pytestmark = [pytest.mark.slow, needs_postgres]
AWAY_SECONDS = 30.0 if TORTURE else 3.0


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """PostgreSQL with a database for each ledger."""
    with postgres("optuna", "mlflow", "other") as started:
        yield started


def at_outcome(number: int, do: Callable[[], None]) -> Callable[[object], None]:
    """Do something once so many trials have ended."""
    ended: list[object] = []

    def watch(event: object) -> None:
        if isinstance(event, TrialOutcome):
            ended.append(event)
            if len(ended) == number:
                do()

    return watch


def rows_of(workspace: Workspace) -> list[object]:
    return [
        (row.number, row.state, row.params, row.scores, row.weights_sha256, row.cause)
        for row in show_study(workspace, "small").trials
    ]


@pytest.mark.timeout(600)
def test_postgresql_stops_in_mid_study_and_is_back_and_nothing_is_lost_or_doubled(
    server: Postgres, home: Path, tmp_path: Path
) -> None:
    told: list[str] = []

    def leave() -> None:
        server.stop()
        threading.Timer(AWAY_SECONDS, server.start).start()

    with Server(tmp_path / "server", store=server.address("mlflow")) as mlflow:
        workspace = Workspace(
            home=tmp_path / "home",
            storage=server.address("optuna"),
            tracking_uri=mlflow.address,
        )
        study = replace(study_in(tmp_path / "home"), workspace=workspace)
        result = study.run(workers=2, watch=at_outcome(4, leave), tell=told.append)
        assert result.counts["failed"] == 0
        assert any("waiting for it" in line for line in told), told
        assert examine(workspace).findings == []
        assert rows_of(workspace) == rows_of(Workspace(home=home, tracking_uri=None))
        again = reproduce(workspace, "small")
        assert again.comparison.verdict.value == "identical", again.comparison.first_difference
    assert server.query("SELECT count(*) FROM pipeline_holders", "optuna") == "0"


def test_a_database_that_stays_away_ends_the_study_with_one_sentence(
    server: Postgres, tmp_path: Path
) -> None:
    workspace = Workspace(
        home=tmp_path, storage=server.address("other"), tracking_uri=None, patience_seconds=1.0
    )
    study = replace(study_in(tmp_path), workspace=workspace)
    try:
        with pytest.raises(StorageAwayError, match=r"^Optuna's storage cannot .*: .*refused"):
            study.run(workers=2, watch=at_outcome(1, server.stop))
    finally:
        server.start()
    result = study.run(workers=2)
    assert sum(result.counts.values()) == 14
    assert examine(workspace).findings == []


@pytest.mark.parametrize(
    ("database", "user", "reason"),
    [("nowhere", "postgres", "database .nowhere. does not exist"), ("other", "nobody", "role")],
)
def test_what_postgresql_refuses_is_refused_before_anything_is_written(
    server: Postgres, tmp_path: Path, database: str, user: str, reason: str
) -> None:
    address = server.address(database, user=user, password="not-told")  # noqa: S106 - for a test
    study = study_in(tmp_path / "home")
    study = replace(study, workspace=Workspace(home=tmp_path / "new", storage=address))
    with pytest.raises(BadInputError, match=f"--storage: .*{reason}") as refused:
        study.run(workers=1)
    assert "not-told" not in str(refused.value)
    assert not (tmp_path / "new").exists()
