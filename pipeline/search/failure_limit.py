"""Failures that end a study with an error: five equal ones in a row, or no complete trial."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from pipeline.trial import TrialRow, TrialState

FAILURE_LIMIT: Final = 5
"""So many trials in a row that failed for the same cause stop the study."""

WHAT_TO_DO: Final = (
    "mend the cause and run the same command with --retry-failed to train failed trials again"
)

VARIABLE = re.compile(r"0x[0-9a-f]+|[-+]?\d+(\.\d+)?(e[-+]?\d+)?|\b(nan|inf)\b", re.IGNORECASE)


class Finished(Protocol):
    """A trial that has ended, in any record of it."""

    @property
    def number(self) -> int:
        """The trial's number."""

    @property
    def state(self) -> TrialState:
        """How it ended."""

    @property
    def cause(self) -> str | None:
        """Why it ended so."""


@dataclass(frozen=True, slots=True)
class RepeatedFailure:
    """Trials with numbers in a row that all failed for one cause.

    Attributes:
        cause: That of the first.
    """

    first: int
    last: int
    cause: str

    def message(self, study: str) -> str:
        """The error that stops the study, with what to do."""
        n_failed = self.last - self.first + 1
        return (
            f"study {study!r} stopped: trials {self.first} to {self.last}, {n_failed} in a row, "
            f"failed for one cause: {self.cause}\n"
            f"{WHAT_TO_DO}; without it the study goes on with the trials after them"
        )


def find_repeated_failure(trials: Iterable[Finished]) -> RepeatedFailure | None:
    """Find the first trials that failed in a row for one cause.

    Args:
        trials: In the order of their numbers; a number that is left out ends a row.
    """
    row: list[Finished] = []
    for trial in trials:
        if row and not _goes_on(row[-1], trial):
            row = []
        if trial.state is TrialState.FAIL:
            row.append(trial)
        if len(row) == FAILURE_LIMIT:
            return RepeatedFailure(row[0].number, trial.number, row[0].cause or "unknown")
    return None


def describe_failed_study(study: str, rows: Sequence[TrialRow]) -> str | None:
    """Say why a study has no complete trial; ``None`` where it has one, or where none failed."""
    failed = [row for row in rows if row.state is TrialState.FAIL]
    if not failed or any(row.state is TrialState.COMPLETE for row in rows):
        return None
    return (
        f"study {study!r} has no complete trial: {len(failed)} of {len(rows)} failed, "
        f"trial {failed[0].number} for this cause: {failed[0].cause or 'unknown'}\n{WHAT_TO_DO}"
    )


def alike(cause: str | None) -> str:
    """A cause without what differs from trial to trial: numbers and addresses.

    >>> alike("diverged: train_loss nan, val_loss 2.31 at epoch 3")
    'diverged: train_loss …, val_loss … at epoch …'
    """
    return VARIABLE.sub("…", cause or "")


def _goes_on(before: Finished, trial: Finished) -> bool:
    is_next = trial.number == before.number + 1
    return is_next and trial.state is TrialState.FAIL and alike(trial.cause) == alike(before.cause)
