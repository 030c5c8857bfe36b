"""Whose code a class path names: the user's own is imported, a stranger's only when told to.

What was run is remembered in the user's own folder, as Jupyter and direnv do, and not in the home:
a home from somebody else would bring its own list along.
"""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.app.workspace import Workspace
from pipeline.config import StudyConfig, TrialConfig
from pipeline.config.sections import objects_of_sections
from pipeline.errors import BadInputError, without_password
from pipeline.learning.custom.sources import is_installed, source_files

TO_TRUST = "--trust-code imports it if you trust it"


@dataclass(frozen=True, kw_only=True)
class CustomCode:
    """A class that a study names, and the files that importing it runs first."""

    key: str
    path: str
    files: Sequence[Path]


def find_code(
    config: StudyConfig | TrialConfig, folders: Sequence[Path] = (), *, where: str
) -> list[CustomCode]:
    """Find the code that a study's class paths name; nothing of it is run.

    Args:
        config: The study, or a trial of it.
        folders: Searched after the working folder and Python's search path.
        where: What an error names.

    Raises:
        BadInputError: A class path leads into Python's own library.
    """
    paths = {"model.class_path": config.model.class_path, "data.class_path": config.data.class_path}
    for number, callback in enumerate(config.training.callbacks):
        paths[f"training.trainer.callbacks.{number}.class_path"] = callback.class_path
    paths |= dict(objects_of_sections(config.model, config.data))
    searched = [Path.cwd(), *folders]
    return [
        CustomCode(key=key, path=path, files=source_files(path, searched, where=where, key=key))
        for key, path in paths.items()
        if path is not None
    ]


def check_study(config: StudyConfig, workspace: Workspace, file: str) -> list[CustomCode]:
    """Refuse to run a study whose file or code belongs to another user of the machine.

    To run a file of one's own is to trust it, as with ``python FILE``.

    Args:
        config: The study.
        workspace: Where it is run.
        file: The study file; its folder is searched too.

    Returns:
        The code that may be imported, to be remembered once the study is found right.

    Raises:
        BadInputError: Naming the file and its owner; nothing of it was imported.
    """
    code = find_code(config, [Path(file).parent], where=file)
    if not _is_trusted(config.name, code, workspace):
        for one in code:
            for path in (Path(file), *one.files):
                _check_owner(path, one, file)
    return code


def check_trial(config: TrialConfig, workspace: Workspace, *, where: str) -> list[CustomCode]:
    """Refuse a recorded trial whose code this user has not run in its study.

    With ``--trust-code`` the code is remembered.

    Args:
        config: The record's.
        workspace: Where the record was read.
        where: What an error names.

    Returns:
        The code that may be imported.

    Raises:
        BadInputError: Naming the class and its file; nothing of it was imported.
    """
    code = find_code(config, where=where)
    if workspace.trusts_code:
        remember(config.study, code, workspace)
    elif not _is_trusted(config.study, code, workspace):
        for one in code:
            if one.files:  # else nothing can be imported, and the import says where it looked
                problem = (
                    f"{one.path} ({one.files[-1]}) is code that you have not run in this study"
                )
                raise BadInputError(where=where, key=one.key, problem=f"{problem}; {TO_TRUST}")
    return code


def remember(study: str, code: Sequence[CustomCode], workspace: Workspace) -> None:
    """Note that this user runs a study with this code: its records may be trained again.

    Where the user's folder cannot be written, ``--trust-code`` has to be typed then.
    """
    new = _claims(study, code, workspace) - _remembered()
    if new:
        with suppress(OSError, RuntimeError):
            path = trusted_file()
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.writelines(f"{claim}\n" for claim in sorted(new))


def trusted_file() -> Path:
    """Where it is remembered which studies with custom code this user has run."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "dropout-search" / "trusted.jsonl"


def _is_trusted(study: str, code: Sequence[CustomCode], workspace: Workspace) -> bool:
    return workspace.trusts_code or _claims(study, code, workspace) <= _remembered()


def _remembered() -> set[str]:
    try:
        return set(trusted_file().read_text(encoding="utf-8").splitlines())
    except (OSError, RuntimeError, ValueError):
        return set()


def _claims(study: str, code: Sequence[CustomCode], workspace: Workspace) -> set[str]:
    """What is remembered: which study, in which ledger, with which class of which files."""
    claim = {"study": study, "ledger": without_password(workspace.ledger_uri)}
    return {
        json.dumps(claim | {"class": one.path, "files": list(map(str, one.files))}) for one in code
    }


def _check_owner(path: Path, code: CustomCode, file: str) -> None:
    """Refuse a file unless it belongs to this user, root, or whoever installed Python."""
    if is_installed(path):
        return
    try:
        owner = path.stat().st_uid
    except OSError:
        return  # a file that cannot be read is refused where it is read
    if owner not in (0, os.geteuid()):
        problem = f"{code.path} cannot be imported: {path} belongs to another user (uid {owner})"
        raise BadInputError(where=file, key=code.key, problem=f"{problem}; {TO_TRUST}")
