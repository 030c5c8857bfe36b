"""Why an address is refused as MLflow's, told by what is behind it."""

import re
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException
from mlflow.version import VERSION
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

from pipeline.errors import BadInputError, first_line, without_password

STATUS: Final = re.compile(r"failed with error code (\d{3})")
"""How MLflow's client words an answer that is an error."""
NOT_JSON: Final = "was not in a valid JSON format"
"""How it words an answer that MLflow's server does not give."""
NOT_MLFLOW: Final = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
)
"""How other servers answer a call of MLflow's."""
FOREIGN_NAME: Final = "Invalid Host header"
"""How MLflow's server answers who calls it by a name that it does not have."""
USER: Final = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of one of the server's users"
SERVER: Final = "the address of a running MLflow server or of its database"


def unreachable(uri: str, reason: str, expected: str = SERVER) -> BadInputError:
    """The error of an address behind which MLflow cannot be used."""
    return BadInputError(where=without_password(uri), got=reason, expected=expected)


def refusal(uri: str, error: Exception) -> BadInputError:
    """The error of a first call that failed."""
    message = first_line(error)
    found = STATUS.search(message)
    status = int(found[1]) if found else _status(error)
    if status == HTTPStatus.UNAUTHORIZED:
        return unreachable(uri, "no user of it, or a wrong password (HTTP status 401)", USER)
    if FOREIGN_NAME in message:
        got = f"a server that does not answer to {urlsplit(uri).netloc.rpartition('@')[2]!r}"
        return unreachable(uri, got, "a name that `mlflow server --allowed-hosts` has")
    if NOT_JSON in message or (found and status in NOT_MLFLOW):
        how = f"HTTP status {status}" if found else "no JSON"
        return unreachable(uri, f"an answer that is not MLflow's ({how})")
    return unreachable(uri, message)


def _status(error: Exception) -> int:
    if not isinstance(error, MlflowException):
        return 0
    return int(error.get_http_status_code())  # type: ignore[no-untyped-call]


def check_tables(uri: str) -> None:
    """Refuse a database of another version: MLflow would change its tables on opening it.

    An empty one is made MLflow's.

    Raises:
        BadInputError: Naming both versions.
    """
    from mlflow.store.db.utils import _get_latest_schema_revision

    engine = create_engine(uri, poolclass=NullPool)
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    expected = _get_latest_schema_revision()  # type: ignore[no-untyped-call]
    if found != expected:
        raise unreachable(
            uri,
            f"tables of version {found!r}",
            f"{expected!r}, which MLflow {VERSION} makes (`mlflow db upgrade`, after a backup)",
        )
