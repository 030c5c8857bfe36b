"""What a database server holds, asked before Optuna opens it.

To open a database is to write to it: Optuna makes its tables where they are missing, also beside
those of another program. So that is looked up first, and a reader makes none.
"""

from typing import Final

from optuna.storages import BaseStorage, RDBStorage
from optuna.version import __version__ as optuna_version
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from pipeline.errors import BadInputError, first_line, without_password

WHERE: Final = "--storage"
OF_OPTUNA: Final = "version_info"
"""Optuna's own table; ``alembic_version`` alone is any program's, MLflow's among them."""
EXPECTED: Final = f"a database URL within reach, with tables of Optuna {optuna_version} or none"
TRIED: Final = {
    True: "INSERT INTO studies (study_name) SELECT study_name FROM studies WHERE 1 = 0",
    False: "CREATE TABLE pipeline_tried (number INTEGER)",
}
"""Statements that need the right to write, by whether Optuna's tables are there; undone at once."""


def refused(address: str, reason: str, expected: str = EXPECTED) -> BadInputError:
    """The error of an address that cannot be used."""
    return BadInputError(
        where=WHERE, got=f"{without_password(address)} ({reason})", expected=expected
    )


def has_tables(address: str) -> bool:
    """Whether a database has Optuna's tables; one without them may be made Optuna's.

    Raises:
        BadInputError: It is the database of another program, or its tables could not be made.
    """
    engine = create_engine(address, poolclass=NullPool)
    tables = inspect(engine).get_table_names()
    if OF_OPTUNA in tables:
        return True
    if "alembic_version" in tables:
        reason = f"tables of another program: {', '.join(sorted(tables)[:3])}, …"
        raise refused(address, reason, "a database of Optuna's own; MLflow's is another one")
    _try_to_write(engine, is_made=False)
    return False


def check_version(storage: RDBStorage, address: str) -> None:
    """Refuse tables that another version of Optuna made, and close the connections to them.

    Raises:
        BadInputError: Naming both versions.
    """
    found, expected = storage.get_current_version(), storage.get_head_version()
    if found != expected:
        storage.engine.dispose()
        how = f"which Optuna {optuna_version} makes (`optuna storage upgrade`, after a backup)"
        raise refused(address, f"tables of version {found}", f"tables of version {expected}, {how}")


def check_writable(storage: BaseStorage | None) -> None:
    """Refuse a database to which a study could not be written.

    Raises:
        BadInputError: Its user may only read, or it is the copy of another server.
    """
    if isinstance(storage, RDBStorage):
        _try_to_write(storage.engine, is_made=True)


def _try_to_write(engine: Engine, *, is_made: bool) -> None:
    """Write nothing, and undo it; on PostgreSQL alone, where tables can be undone as well."""
    if engine.dialect.name != "postgresql":
        return
    with engine.connect() as connection:
        try:
            connection.execute(text(TRIED[is_made]))
        except SQLAlchemyError as error:
            address = engine.url.render_as_string(hide_password=True)
            expected = "a database to which its user may write"
            raise refused(address, first_line(error), expected) from None
        finally:
            connection.rollback()
