"""Optuna's storage: the home's journal or a database, and the studies in it.

A study in which failed trials are tried again is written anew, since Optuna lets no finished trial
be opened again: as a copy under a name that no study can have, from which the study itself is then
written. Once the copy is whole it is what counts, so that a death at any point loses nothing
(docs/decisions/0019-holder-lease-and-attempts.md).
"""

import os
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from pipeline.errors import (
    BadInputError,
    StorageAwayError,
    WorkFailedError,
    first_line,
    wrap_errors,
)
from pipeline.locks import locked
from pipeline.search.storage.database import check_version, has_tables, refused
from pipeline.search.storage.journal import open_journal

COPY: Final = "~copy"
"""Ends the name of a study's copy; no study has such a name."""
IS_WHOLE: Final = "is_whole"
"""A copy's attribute: the copy is complete, and the study may be deleted and written from it."""

AWAY: Final = ("08", "57P")
"""Begin the SQLSTATE of a lost connection, and of a server that shuts down or starts up."""

Replace = Callable[[FrozenTrial], FrozenTrial]
Keep = Callable[[], None]

optuna.logging.set_verbosity(optuna.logging.ERROR)


def _reason(error: BaseException) -> str:
    """Optuna wraps its database's errors."""
    return first_line(error.__cause__ or error)


def _is_away(error: BaseException) -> bool:
    """Whether a database behind a network does not answer, has been shut down, or starts up.

    The SQLSTATE says so (PostgreSQL's Appendix A); where nobody answers there is none.
    """
    original = getattr(error, "orig", None)
    if original is None:
        return error.__cause__ is not None and _is_away(error.__cause__)
    state = getattr(original, "sqlstate", None) or AWAY[0]
    is_local = type(original).__module__.startswith("sqlite3")
    return isinstance(error, OperationalError) and not is_local and state.startswith(AWAY)


def _kind(error: BaseException) -> type[WorkFailedError]:
    return StorageAwayError if _is_away(error) else WorkFailedError


# Of a trial or a value that it does not expect, Optuna raises what Python has.
ERRORS = (OptunaError, SQLAlchemyError, ValueError, KeyError, RuntimeError)
explained = wrap_errors("Optuna's storage", *ERRORS, reason=_reason, kind=_kind)
"""Turn the storage's errors into one sentence, a ``WorkFailedError``."""


def open_storage(address: str | None, journal: Path, *, to_write: bool) -> BaseStorage | None:
    """Open Optuna's storage, or nothing where a reader finds none.

    Args:
        address: An SQLAlchemy URL, or ``None`` for the embedded journal.
        journal: Where the embedded journal lies.
        to_write: Whether it is made where it is missing.

    Raises:
        BadInputError: The address is of no database that can be opened.
    """
    if address is None:
        if not to_write and not journal.exists():
            return None
        try:
            return open_journal(journal, to_write=to_write)
        except Exception as error:  # noqa: BLE001 - a damaged line raises whatever it leads to
            got = f"a file that cannot be read ({error})"
            raise BadInputError(where=str(journal), got=got, expected="Optuna's journal") from None
    # Optuna's own limit of 5 seconds is short where several processes write.
    engine_kwargs = {"connect_args": {"timeout": 60}} if address.startswith("sqlite") else {}
    try:
        if not to_write and _is_missing_file(address):
            _check_folder(address)
            return None
        with _alone(address):
            is_made = not _is_file(address) and has_tables(address)
            if not (is_made or to_write or _is_file(address)):
                return None
            storage = RDBStorage(
                address,
                engine_kwargs=engine_kwargs,
                # Optuna would leave its connections open where it refuses another version, ...
                skip_compatibility_check=True,
                # ... and make the tables that it lacks first.
                skip_table_creation=is_made,
            )
            weakref.finalize(storage, storage.engine.dispose)  # a server sees connections closed
            check_version(storage, address)
            return storage
    except BadInputError:
        raise
    except Exception as error:  # noqa: BLE001 - each database driver raises its own
        raise refused(address, first_line(error)) from None


def answers(address: str | None, journal: Path) -> bool:
    """Whether a storage can be opened; nothing of it is made."""
    try:
        open_storage(address, journal, to_write=False)
    except BadInputError:
        return False
    return True


def _alone(address: str) -> AbstractContextManager[None]:
    """Let one process at a time make the tables of a SQLite file; two would spoil it for each."""
    database = make_url(address).database or ""
    if not _is_file(address) or not os.access(Path(database).parent, os.W_OK):
        return nullcontext()
    return locked(Path(f"{database}.lock"))


def _is_file(address: str) -> bool:
    url = make_url(address)
    return url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")


def _is_missing_file(address: str) -> bool:
    return _is_file(address) and not Path(str(make_url(address).database)).exists()


def _check_folder(address: str) -> None:
    """Refuse a file that could not be made, before anything else is."""
    folder = Path(str(make_url(address).database)).absolute().parent
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise refused(address, f"no folder {folder} to write to")


def study_names(storage: BaseStorage) -> list[str]:
    """List the studies of a storage, oldest first."""
    found = [study.study_name for study in storage.get_all_studies()]
    whole = [name for name in found if not name.endswith(COPY)]
    copied = [name.removesuffix(COPY) for name in found if _is_whole(storage, name)]
    return [*whole, *(name for name in copied if name not in whole)]


def stored_name(storage: BaseStorage, name: str) -> str | None:
    """The name under which a study is read; ``None``: the storage does not have it.

    While it is written anew, that is its copy.
    """
    found = [study.study_name for study in storage.get_all_studies()]
    if f"{name}{COPY}" in found and _is_whole(storage, f"{name}{COPY}"):
        return f"{name}{COPY}"
    return name if name in found else None


def replace_trials(
    storage: BaseStorage,
    name: str,
    replace: Replace,
    *,
    attributes: dict[str, object],
    keep: Keep,
) -> None:
    """Rewrite a study with some trials replaced; all keep their numbers.

    Args:
        storage: Where the study lies.
        name: The study's name.
        replace: Returns the trial to write for each trial: another, or itself.
        attributes: User attributes of the study that change.
        keep: Checks that this process still holds the study.
    """
    _copy(storage, name, f"{name}{COPY}", replace, attributes)
    keep()
    storage.set_study_user_attr(
        storage.get_study_id_from_name(f"{name}{COPY}"), IS_WHOLE, value=True
    )
    finish_replacement(storage, name, keep)


def finish_replacement(storage: BaseStorage, name: str, keep: Keep) -> None:
    """Complete a ``replace_trials`` of a killed process, or undo it."""
    found = [study.study_name for study in storage.get_all_studies()]
    copy = f"{name}{COPY}"
    if copy not in found:
        return
    if _is_whole(storage, copy):
        if name in found:
            keep()
            storage.delete_study(storage.get_study_id_from_name(name))
        _copy(storage, copy, name, lambda trial: trial, {})
    keep()
    storage.delete_study(storage.get_study_id_from_name(copy))


def _is_whole(storage: BaseStorage, name: str) -> bool:
    """Whether a study is a copy that counts."""
    if not name.endswith(COPY):
        return False
    return IS_WHOLE in storage.get_study_user_attrs(storage.get_study_id_from_name(name))


def _copy(
    storage: BaseStorage, name: str, to: str, replace: Replace, attributes: dict[str, object]
) -> None:
    """Copy a study as ``optuna.copy_study`` does."""
    old = storage.get_study_id_from_name(name)
    new = storage.create_new_study(storage.get_study_directions(old), to)
    for key, value in storage.get_study_system_attrs(old).items():
        storage.set_study_system_attr(new, key, value)
    for key, value in (storage.get_study_user_attrs(old) | attributes).items():
        if key != IS_WHOLE:
            storage.set_study_user_attr(new, key, value)
    for trial in storage.get_all_trials(old, deepcopy=False):
        storage.create_new_trial(new, replace(trial))
