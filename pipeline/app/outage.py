"""A storage that is away for a while is waited for, and the study goes on as after a death."""

import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec

from pipeline.app.result import StudyResult
from pipeline.app.workspace import Workspace
from pipeline.errors import StorageAwayError
from pipeline.trial import Tell, ignore

if TYPE_CHECKING:
    from pipeline.app.study import Study

P = ParamSpec("P")
Run = Callable[Concatenate["Study", P], StudyResult]
SECONDS_BETWEEN_TRIES: Final = 1.0


def waiting_for_storage(run: Run[P]) -> Run[P]:
    """Let a method that runs a study wait for Optuna's storage, and begin again where it is back.

    To begin again is what the same command does after a death: what is stored counts, and what
    was being trained is trained again, from its checkpoint where there is one.
    """

    @wraps(run)
    def run_patiently(study: "Study", /, *args: P.args, **kwargs: P.kwargs) -> StudyResult:
        while True:
            try:
                return run(study, *args, **kwargs)
            except StorageAwayError as error:
                tell: Tell = kwargs.get("tell", ignore)  # type: ignore[assignment]
                tell(f"{error}: waiting for it, {study.workspace.patience_seconds:g} s at most")
                if not _is_back(study.workspace):
                    raise
                tell("Optuna's storage answers again: the study goes on")

    return run_patiently


def _is_back(workspace: Workspace) -> bool:
    """Wait until the storage answers, at most so long as an MLflow server is waited for."""
    from pipeline.search.storage import answers

    deadline = time.monotonic() + workspace.patience_seconds
    while time.monotonic() < deadline:
        if answers(workspace.storage, workspace.journal):
            return True
        time.sleep(SECONDS_BETWEEN_TRIES)
    return False
