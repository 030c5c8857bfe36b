"""The one door to MLflow: connect, or say within seconds why not."""

import os
import socket
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import BadInputError, first_line, without_password, wrap_errors
from pipeline.tracking.refusals import check_tables, refusal, unreachable
from pipeline.tracking.store import check_readable, database_of, ensure_schema

FIRST_CALL = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
"""MLflow itself would try for minutes before it says that there is no server."""
LATER_CALLS = FIRST_CALL | {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""The same for a server that has answered before; it may take longer over a large file."""
SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql")
DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


def connect(uri: str, artifact_root: Path | None = None) -> MlflowClient:
    """Reach MLflow and make one call, which may take a few seconds.

    Args:
        uri: ``sqlite:///…/mlflow.db``, a server or another database.
        artifact_root: Where an embedded store keeps artifacts; with it a missing store is made,
            without it a missing store is an error.

    Raises:
        BadInputError: Naming the address, when there is no MLflow behind it.
    """
    with _import_warnings_ignored():
        _check_before(uri, artifact_root)
        try:
            with environment(FIRST_CALL):
                client = MlflowClient(uri, registry_uri=uri)
                client.search_experiments(max_results=1)
        except Exception as error:  # noqa: BLE001 - MLflow passes on its drivers' own errors
            raise refusal(uri, error) from None
    return client


explained = wrap_errors("MLflow", MlflowException, SQLAlchemyError, sqlite3.Error, OSError)
"""Turn MLflow's errors into one sentence, a ``WorkFailedError``."""


def failing_fast() -> AbstractContextManager[None]:
    """Have a server's calls fail within seconds, unless the user's environment says otherwise."""
    return environment({name: os.environ.get(name, value) for name, value in LATER_CALLS.items()})


def is_away(error: BaseException | None) -> bool:
    """Whether MLflow's error means that a server does not answer, or cannot now."""
    if isinstance(error, MlflowException):
        status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
        return status >= HTTPStatus.INTERNAL_SERVER_ERROR
    answer = getattr(error, "response", None)  # of an artifact that was refused
    return answer is not None and answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR


def _check_before(uri: str, artifact_root: Path | None) -> None:
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme not in SCHEMES:
        raise BadInputError(
            where="MLFLOW_TRACKING_URI",
            got=without_password(uri),
            expected=f"an address that begins with one of {', '.join(SCHEMES)}",
        )
    database = database_of(uri)
    if database is None:
        _check_server(uri, is_database=not scheme.startswith("http"))
    elif artifact_root is None:
        check_readable(database)
    else:
        ensure_schema(database, artifact_root)


def _check_server(uri: str, *, is_database: bool) -> None:
    """MLflow tries for minutes to reach a database that is down or refuses; we know at once."""
    try:
        parts = urlsplit(uri)
        port = parts.port or DATABASE_PORTS.get(parts.scheme.partition("+")[0])
        if parts.hostname and port:
            socket.create_connection((parts.hostname, port), timeout=5).close()
        if is_database:
            check_tables(uri)
    except BadInputError:
        raise
    except Exception as error:  # noqa: BLE001 - each database driver raises its own
        raise unreachable(uri, first_line(error)) from None


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment, which MLflow reads at each call, and set them back."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _import_warnings_ignored() -> Iterator[None]:
    """MLflow 3.17 uses what SQLAlchemy 2.1 deprecates, while its tables are being imported.

    See ``noload`` in https://docs.sqlalchemy.org/en/21/changelog/changelog_21.html.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
