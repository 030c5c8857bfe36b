"""A study on what `deploy/compose.yaml` starts: PostgreSQL, and an MLflow server with passwords."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import RDBStorage

from pipeline.app.browse import show_study
from pipeline.app.doctor import examine
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.search.storage import lease
from pipeline.search.storage.opening import open_storage
from tests.app.postgres import needs_postgres
from tests.app.studies import study_in
from tests.deploy.deployment import Deployment, needs_auth
from tests.looking_on import AtOutcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), needs_postgres, needs_auth]


def table_of(workspace: Workspace) -> list[Any]:
    """What promise 1 fixes, as Optuna's store has it."""
    return [
        (row.number, row.state, row.params, row.scores, row.weights_sha256, row.cause)
        for row in show_study(workspace, "small").trials
    ]


def test_commands_on_the_deployment_give_what_they_give_on_embedded_stores(
    deployed: Deployment, told: tuple[Path, str], home: Path
) -> None:
    here, printed = told
    workspace = Workspace(home=here, storage=deployed.storage, tracking_uri=deployed.mlflow.address)
    assert table_of(workspace) == table_of(Workspace(home=home, tracking_uri=None))
    assert examine(workspace).findings == []
    assert "identical" in printed
    assert (here / "report.html").stat().st_size > 1_000_000
    assert not (here / "mlflow.db").exists()
    assert not (here / "optuna.journal").exists()


def test_no_password_is_in_any_record_log_artifact_or_page(
    deployed: Deployment, told: tuple[Path, str], state: Path
) -> None:
    here, printed = told
    databases = "optuna", "mlflow", "mlflow_users"
    stores = "".join(deployed.postgres.dump(database) for database in databases)
    assert "trial-012" in stores, "they hold the study"
    folders = here, deployed.mlflow.home, state
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert {"record.json", "server.log", "report.html"} <= {path.name for path in files}
    log = (deployed.postgres.folder / "log").read_text()
    for name, password in deployed.passwords.items():
        assert not [path for path in files if password.encode() in path.read_bytes()], name
        assert password not in printed + stores + log, name


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "wrong password of MLflow": (
        {"MLFLOW_TRACKING_PASSWORD": "not-it"},
        r"no user of it, or a wrong password .* expected MLFLOW_TRACKING_USERNAME and",
    ),
    "no password of MLflow": (
        {"MLFLOW_TRACKING_USERNAME": "", "MLFLOW_TRACKING_PASSWORD": ""},
        r"no user of it, or a wrong password .* expected MLFLOW_TRACKING_USERNAME and",
    ),
    "wrong password of PostgreSQL": ({"PGPASSWORD": "not-it"}, "--storage: .*password authent"),
    "no password of PostgreSQL": ({"PGPASSWORD": ""}, "--storage: .*no password supplied"),
    "a name that the server does not have": (
        {"MLFLOW_TRACKING_URI": "http://localhost"},
        r"does not answer to 'localhost:\d+', expected a name that `mlflow server --allowed-hosts`",
    ),
}


@pytest.mark.parametrize("changes_and_reason", REFUSED.values(), ids=REFUSED)
def test_what_a_server_refuses_is_told_in_one_sentence_before_anything_is_written(
    deployed: Deployment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes_and_reason: tuple[dict[str, str], str],
) -> None:
    changes, reason = changes_and_reason
    address = deployed.mlflow.address
    for name, value in changes.items():
        if value:
            monkeypatch.setenv(name, value)
        else:
            monkeypatch.delenv(name)
    if "MLFLOW_TRACKING_URI" in changes:
        address = address.replace("127.0.0.1", "localhost")
    check_refused(deployed.storage, tmp_path, reason, tracking_uri=address, name="new")
    assert "not-it" not in deployed.postgres.dump("optuna")


def check_refused(
    storage: str, folder: Path, reason: str, *, tracking_uri: str | None = None, name: str = "small"
) -> None:
    """Hold a run to one sentence that says why, and to writing nothing into its home."""
    study = study_in(folder / "unused", name=name)
    workspace = Workspace(home=folder / "new", storage=storage, tracking_uri=tracking_uri)
    with pytest.raises(BadInputError, match=reason) as refused:
        replace(study, workspace=workspace).run(workers=1)
    assert "\n" not in str(refused.value)
    assert "not-it" not in str(refused.value)
    assert not (folder / "new").exists()


def as_mlflow(deployed: Deployment, monkeypatch: pytest.MonkeyPatch, database: str) -> str:
    """The address of a database for the user ``mlflow``, whose password is in the environment."""
    monkeypatch.setenv("PGPASSWORD", deployed.secret("mlflow_password"))
    return f"postgresql+psycopg://mlflow@127.0.0.1:{deployed.postgres.port}/{database}"


def test_databases_are_closed_to_each_others_users(
    deployed: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_refused(
        as_mlflow(deployed, monkeypatch, "optuna"), tmp_path, "permission denied for database"
    )


def test_database_of_mlflow_is_refused_as_optunas_and_gets_none_of_its_tables(
    deployed: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = as_mlflow(deployed, monkeypatch, "mlflow")
    check_refused(address, tmp_path, "tables of another program.* a database of Optuna's own")
    assert "CREATE TABLE public.studies" not in deployed.postgres.dump("mlflow")


def test_second_home_is_refused_by_name_and_goes_on_once_the_first_is_lost(
    deployed: Deployment, tmp_path: Path, home: Path
) -> None:
    """The lease of a driver that is gone with its machine runs out by the database's own clock."""
    first, second = tmp_path / "first", tmp_path / "second"
    study = study_in(first, name="held")
    storage = open_storage(deployed.storage, Path("unused"), to_write=True)
    assert storage is not None
    workspace = Workspace(
        home=first, storage=deployed.storage, tracking_uri=deployed.mlflow.address
    )
    here = replace(study, workspace=workspace)
    elsewhere = replace(study, workspace=replace(workspace, home=second))
    with pytest.raises(_LostError):
        here.run(workers=2, progress=AtOutcome({5: _lose}))
    assert isinstance(storage, RDBStorage)
    lease._take_lease(storage.engine, "held", lease._name(first))  # as it is left by one cut off
    with pytest.raises(WorkFailedError, match=r"'held' is being run by process \d+ on .+ free in"):
        elsewhere.run(workers=1)
    assert not second.exists()
    assert lease.EXPIRY_SECONDS == 60
    age = "UPDATE pipeline_holders SET renewed_at = now() - interval '60 s'"
    deployed.postgres.query(age, "optuna")
    result = elsewhere.run(workers=2)
    expected = table_of(Workspace(home=home, tracking_uri=None))
    found = show_study(elsewhere.workspace, "held").trials
    assert [(row.number, row.scores, row.weights_sha256) for row in found] == [
        (number, scores, weights) for number, _, _, scores, weights, _ in expected
    ]
    assert sum(result.counts.values()) == len(expected)
    assert examine(elsewhere.workspace).findings == []


class _LostError(Exception):
    """The driver's machine is lost."""


def _lose() -> None:
    raise _LostError
