"""What can be off between two ledgers, and what would repair it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Kind(StrEnum):
    """What can be off."""

    RUNNING_WITHOUT_DRIVER = "running-without-driver"
    TRIAL_WITHOUT_RUN = "trial-without-run"
    RUN_WITHOUT_TRIAL = "run-without-trial"
    DOUBLE_RUNS = "double-runs"
    MISSING_STEPS = "missing-steps"
    DOUBLE_STEPS = "double-steps"
    CURVE_DIFFERS = "curve-differs"
    MISSING_ARTIFACTS = "missing-artifacts"
    DAMAGED_RECORD = "damaged-record"
    DAMAGED_WEIGHTS = "damaged-weights"
    STATE_DIFFERS = "state-differs"
    STUDY_RUN_DIFFERS = "study-run-differs"
    STUDY_WITHOUT_STORE = "study-without-store"
    MOVED_HOME = "moved-home"


class Action(StrEnum):
    """What repairs it."""

    WRITE = "write the trial's run again"
    RESTORE = "undelete the trial's run, else write it again"
    RELEASE = "let the trial wait to be trained"
    DELETE = "delete the run"
    END = "end the run"
    CLOSE = "open and close the study's run"
    MOVE = "look for artifacts below the home"
    NONE = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is off.

    Attributes:
        trial: The trial's number; ``None`` where the study or a run of no trial is meant.
        what: One sentence.
        action: What would repair it.
        how: What was done about it, or why nothing was; empty while nothing was tried.
        is_fixed: Whether it was gone when the ledgers were read again.
    """

    kind: Kind
    study: str
    trial: int | None = None
    run_id: str | None = None
    what: str
    action: Action = Action.WRITE
    how: str = ""
    is_fixed: bool = False

    @property
    def key(self) -> tuple[str, int | None, str | None]:
        """What it is known by when the ledgers are read again: a trial may get another run."""
        names_run = self.trial is None or self.action is Action.DELETE
        return self.kind, self.trial, self.run_id if names_run else None

    def as_json(self) -> dict[str, Any]:
        """The finding as ``doctor --json`` prints it."""
        return {
            "kind": self.kind.value,
            "study": self.study,
            "trial": self.trial,
            "run_id": self.run_id,
            "what": self.what,
            "fixed": self.is_fixed,
            "how": self.how,
        }


class Mismatch(NamedTuple):
    """What is off with one run."""

    kind: Kind
    what: str
    action: Action = Action.WRITE
