"""A study whose stores are PostgreSQL's: Optuna's own, and MLflow's behind its server."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.app.browse import list_studies, show_study
from pipeline.app.doctor import examine
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError, StorageAwayError
from pipeline.search.storage.opening import open_storage
from tests.app.postgres import Postgres, needs_postgres, postgres
from tests.app.servers import Server
from tests.app.studies import study_in
from tests.long_form import TORTURE
from tests.looking_on import AtOutcome

pytestmark = [pytest.mark.slow, needs_postgres]
AWAY_SECONDS = 30.0 if TORTURE else 3.0


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """PostgreSQL with a database for each ledger."""
    with postgres("optuna", "mlflow", "other", "empty", "old", "older") as started:
        yield started


def rows_of(workspace: Workspace) -> list[object]:
    return [
        (row.number, row.state, row.params, row.scores, row.weights_sha256, row.cause)
        for row in show_study(workspace, "small").trials
    ]


@pytest.mark.timeout(600)
def test_postgresql_stops_in_mid_study_and_is_back_and_nothing_is_lost_or_doubled(
    server: Postgres, home: Path, tmp_path: Path
) -> None:

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
        result = study.run(workers=2, progress=(progress := AtOutcome({4: leave})))
        assert result.counts["failed"] == 0
        assert any("waiting for it" in line for line in progress.told), progress.told
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
            study.run(workers=2, progress=AtOutcome({1: server.stop}))
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


TABLES = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"


def run_in(folder: Path, storage: str, tracking_uri: str | None = None) -> None:
    """Run the small study in a home that is new, and see that nothing is written there."""
    workspace = Workspace(home=folder / "new", storage=storage, tracking_uri=tracking_uri)
    try:
        replace(study_in(folder / "unused"), workspace=workspace).run(workers=1)
    finally:
        assert not (folder / "new").exists()


def test_reader_of_an_empty_database_makes_no_tables(server: Postgres, tmp_path: Path) -> None:
    assert open_storage(server.address("empty"), tmp_path / "unused", to_write=False) is None
    assert server.query(TABLES, "empty") == "0"


def test_user_who_may_not_make_tables_is_refused(server: Postgres, tmp_path: Path) -> None:
    server.query("CREATE ROLE reader LOGIN")
    with pytest.raises(BadInputError, match=r"--storage: .*permission denied .* may write"):
        run_in(tmp_path, server.address("empty", user="reader"))
    assert server.query(TABLES, "empty") == "0"


def test_user_who_may_only_read_optunas_tables_lists_studies_and_runs_none(
    server: Postgres, tmp_path: Path
) -> None:
    open_storage(server.address("old"), tmp_path / "unused", to_write=True)
    server.query("CREATE ROLE onlooker LOGIN")
    server.query("GRANT SELECT ON ALL TABLES IN SCHEMA public TO onlooker", "old")
    address = server.address("old", user="onlooker")
    assert list_studies(Workspace(home=tmp_path, storage=address)) == []
    with pytest.raises(BadInputError, match=r"--storage: .*permission denied .* may write"):
        run_in(tmp_path, address)


def test_tables_of_another_optuna_are_refused_and_stay_as_they_are(
    server: Postgres, tmp_path: Path
) -> None:
    open_storage(server.address("old"), tmp_path / "unused", to_write=True)
    server.query("UPDATE alembic_version SET version_num = 'v3.0.0.a'", "old")
    server.query("DROP TABLE IF EXISTS trial_heartbeats", "old")
    before = server.query(TABLES, "old")
    with pytest.raises(BadInputError, match=r"\(tables of version v3\.0\.0\.a\), expected"):
        run_in(tmp_path, server.address("old"))
    assert server.query(TABLES, "old") == before


def test_tables_of_an_older_mlflow_are_refused_and_not_migrated(
    server: Postgres, tmp_path: Path
) -> None:
    server.query("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)", "older")
    server.query("INSERT INTO alembic_version VALUES ('cc1f77228345')", "older")
    with pytest.raises(BadInputError, match=r"got tables of version 'cc1f77228345', expected '"):
        run_in(tmp_path, server.address("empty"), server.address("older"))
    assert server.query(TABLES, "older") == "1"
    assert server.query(TABLES, "empty") == "0"
