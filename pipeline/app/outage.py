"""A storage that is away for a while is waited for, and the study goes on as after a death."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from pipeline.app.workspace import Workspace
from pipeline.errors import StorageAwayError
from pipeline.trial import Tell

T = TypeVar("T")
SECONDS_BETWEEN_TRIES: Final = 1.0


def patiently(run: Callable[[], T], workspace: Workspace, tell: Tell) -> T:
    """Run a study; where Optuna's storage is away, wait for it, and begin again when it is back.

    To begin again is what the same command does after a death: what is stored counts, and what
    was being trained is trained again, from its checkpoint where there is one.

    Args:
        run: Runs the study, or goes on with it.
        workspace: Where its storage is, and how long that is waited for.
        tell: Called with one line when a wait begins or ends.

    Raises:
        StorageAwayError: The storage stayed away.
    """
    while True:
        try:
            return run()
        except StorageAwayError as error:
            tell(f"{error}: waiting for it, {workspace.patience_seconds:g} s at most")
            if not _is_back(workspace):
                raise
            tell("Optuna's storage answers again: the study goes on")


def _is_back(workspace: Workspace) -> bool:
    """Wait until the storage answers, at most so long as an MLflow server is waited for."""
    from pipeline.search.storage.opening import answers

    deadline = time.monotonic() + workspace.patience_seconds
    while time.monotonic() < deadline:
        if answers(workspace.storage, workspace.journal):
            return True
        time.sleep(SECONDS_BETWEEN_TRIES)
    return False
