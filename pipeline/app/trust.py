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
from pipeline.errors import BadInputError, without_password
from pipeline.learning.custom.sources import is_installed, source_files

FLAG = "--trust-code if you trust it"


@dataclass(frozen=True, kw_only=True)
class OwnCode:
    """A class that a study names, and the files that importing it runs first."""

    key: str
    path: str
    files: Sequence[Path]


def trusted_file() -> Path:
    """Where it is remembered which studies with code of their own this user has run."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "dropout-search" / "trusted.jsonl"


def own_code(
    config: StudyConfig | TrialConfig, folders: Sequence[Path] = (), *, where: str
) -> list[OwnCode]:
    """Find the code that a study's class paths name; nothing of it is run.

    Args:
        config: The study, or a trial of it.
        folders: Where it is looked for beside the working folder and Python's own places.
        where: What an error names.

    Raises:
        BadInputError: A class path leads into Python's own library.
    """
    paths = {"model.class_path": config.model.class_path, "data.class_path": config.data.class_path}
    searched = [Path.cwd(), *folders]
    return [
        OwnCode(key=key, path=path, files=source_files(path, searched, where=where, key=key))
        for key, path in paths.items()
        if path is not None
    ]


def check_study(config: StudyConfig, workspace: Workspace, file: str) -> list[OwnCode]:
    """Refuse to run a study whose file, or whose code, belongs to another user of the machine.

    To run a file of one's own is to trust it, as with ``python FILE``.

    Args:
        config: The study.
        workspace: Where it is run.
        file: The study file; its folder is searched too.

    Returns:
        The code that may be imported.

    Raises:
        BadInputError: Naming the file and its owner; nothing of it was imported.
    """
    code = own_code(config, [Path(file).parent], where=file)
    if workspace.trusts_code or _is_remembered(config.name, code, workspace):
        return code
    for one in code:
        for path in (Path(file), *one.files):
            owner = _stranger(path)
            if owner is not None:
                got = f"{one.path}, where {path} belongs to another user (uid {owner})"
                expected = f"files of your own, or {FLAG}"
                raise BadInputError(where=file, key=one.key, got=got, expected=expected)
    return code


def check_trial(config: TrialConfig, workspace: Workspace, *, where: str) -> list[OwnCode]:
    """Refuse a recorded trial whose code this user has not run in its study.

    Args:
        config: The record's.
        workspace: Where the record was read.
        where: What an error names.

    Returns:
        The code that may be imported.

    Raises:
        BadInputError: Naming the class and its file; nothing of it was imported.
    """
    code = own_code(config, where=where)
    if workspace.trusts_code or _is_remembered(config.study, code, workspace):
        return code
    for one in code:
        if one.files:  # else nothing can be imported, and the import says where it looked
            got = f"{one.path} ({one.files[-1]}), code that you have not run in this study"
            raise BadInputError(where=where, key=one.key, got=got, expected=FLAG)
    return code


def remember(study: str, code: Sequence[OwnCode], workspace: Workspace) -> None:
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


def _is_remembered(study: str, code: Sequence[OwnCode], workspace: Workspace) -> bool:
    return _claims(study, code, workspace) <= _remembered()


def _remembered() -> set[str]:
    try:
        return set(trusted_file().read_text(encoding="utf-8").splitlines())
    except (OSError, RuntimeError, ValueError):
        return set()


def _claims(study: str, code: Sequence[OwnCode], workspace: Workspace) -> set[str]:
    """What is remembered: which study, in which ledger, with which class of which files."""
    said = {"study": study, "ledger": without_password(workspace.ledger_uri)}
    return {
        json.dumps(said | {"class": one.path, "files": list(map(str, one.files))}) for one in code
    }


def _stranger(path: Path) -> int | None:
    """The owner of a file, unless it is this user, root, or whoever installed Python."""
    if is_installed(path):
        return None
    try:
        owner = path.stat().st_uid
    except OSError:
        return None  # what cannot be read is told where it is read
    return None if owner in (0, os.geteuid()) else owner
