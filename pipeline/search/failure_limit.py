"""Trials that fail one after the other for one cause: what stops a study before more is spent."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from pipeline.trial import TrialState

FAILURE_LIMIT: Final = 5
"""So many trials in a row that failed for one cause stop the study."""

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
        cause: As the first of them told it.
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
            "mend the cause and run the same command to go on with the trials after them; "
            "trials that failed stay failed (a new `name` begins anew)"
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


def alike(cause: str | None) -> str:
    """A cause without what differs from trial to trial: numbers and addresses.

    >>> alike("diverged: train_loss nan, val_loss 2.31 at epoch 3")
    'diverged: train_loss …, val_loss … at epoch …'
    """
    return VARIABLE.sub("…", cause or "")


def _goes_on(before: Finished, trial: Finished) -> bool:
    is_next = trial.number == before.number + 1
    return is_next and trial.state is TrialState.FAIL and alike(trial.cause) == alike(before.cause)
