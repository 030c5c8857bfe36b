"""A home's store names no place outside the home: where artifacts lie is ours to say, not its.

MLflow keeps the whole address of every artifact folder. A store that was moved names the old one;
one from somebody else may name any folder of this machine, or a server that would be sent the
user's password. So the addresses are made again from what they must be.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from pipeline.config.frozen import Name
from pipeline.errors import BadInputError
from pipeline.tracking import home as homes
from pipeline.tracking.schema import check_readable

STUDIES: Final = """
SELECT DISTINCT experiments.experiment_id, experiments.name
FROM experiments JOIN runs USING (experiment_id) JOIN tags USING (run_uuid)
WHERE tags.key IN ('study_run', 'trial_number')
"""
MOVED: Final = """
SELECT EXISTS (
    SELECT 1 FROM experiments WHERE experiment_id = :id AND artifact_location <> :folder
    UNION ALL SELECT 1 FROM runs
    WHERE experiment_id = :id AND artifact_uri <> :folder || '/' || run_uuid || '/artifacts'
)
"""
MOVE: Final = (
    "UPDATE experiments SET artifact_location = :folder WHERE experiment_id = :id",
    """UPDATE runs SET artifact_uri = :folder || '/' || run_uuid || '/artifacts'
    WHERE experiment_id = :id""",
)


def keep_inside(home: Path) -> None:
    """Let each study's artifacts be in ``HOME/artifacts/NAME``, whatever the home's store says.

    Args:
        home: Its store need not exist.

    Raises:
        BadInputError: The store is none, or it names a study as none can be named.
    """
    database = home.resolve() / "mlflow.db"
    if not database.exists():
        return
    check_readable(database)
    try:
        with closing(sqlite3.connect(database, timeout=20)) as store, store:
            for experiment_id, name in store.execute(STUDIES).fetchall():
                places = {"id": experiment_id, "folder": _folder(home, name, database).as_uri()}
                if store.execute(MOVED, places).fetchone() == (1,):
                    for statement in MOVE:
                        store.execute(statement, places)
    except sqlite3.Error as error:
        expected = "a store that MLflow made"
        raise BadInputError(where=str(database), got=str(error), expected=expected) from None


def _folder(home: Path, name: str, database: Path) -> Path:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        expected = "the name of a study, which is made of letters, digits, '.', '_' and '-'"
        raise BadInputError(
            where=str(database), key="experiments.name", got=repr(name[:100]), expected=expected
        ) from None
    return homes.artifact_root(home).resolve() / name


def check_inside(location: str, artifact_root: Path, *, name: str, where: str) -> None:
    """Refuse to write a study into an experiment that somebody else made.

    Args:
        location: Where the experiment keeps artifacts.
        artifact_root: The home's folder for them.
        name: The study's.
        where: What an error names.

    Raises:
        BadInputError: They would lie outside the home.
    """
    root = f"{artifact_root.resolve().as_uri()}/"
    if not location.startswith(root) or ".." in location.removeprefix(root).split("/"):
        got = f"an experiment whose artifacts are in {location}"
        raise BadInputError(where=where, key=name, got=got, expected=f"a folder below {root}")
