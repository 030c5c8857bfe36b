"""Where the embedded store lies below a home; nothing here imports MLflow."""

from pathlib import Path

from pipeline.errors import BadInputError

SQLITE = "sqlite:///"


def tracking_uri(home: Path) -> str:
    """MLflow's address of the home's embedded store, ``sqlite:///HOME/mlflow.db``.

    Raises:
        BadInputError: The home's path holds a ``?``, where a database address ends.
    """
    path = home.resolve() / "mlflow.db"
    if "?" in str(path):
        raise BadInputError(where="--home", got=repr(str(home)), expected="a path without '?'")
    return f"{SQLITE}{path}"


def artifact_root(home: Path) -> Path:
    """The folder below which the embedded store keeps each study's artifacts."""
    return home.resolve() / "artifacts"


def database_of(uri: str) -> Path | None:
    """The file of an embedded store; ``None`` where the address is another one."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None
