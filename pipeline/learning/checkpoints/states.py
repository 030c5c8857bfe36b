"""Save trials' states now and then, and load them for the same trials alone."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from pipeline.config import Objective
from pipeline.learning.checkpoints.codec import DamagedError, decode, encode
from pipeline.learning.checkpoints.files import CheckpointFolder
from pipeline.trial import Assignment, EpochScores, Facts, FoldScores, TrialKey

CHECKPOINT_SECONDS: Final = 30.0
"""A trial is saved at the end of an epoch once so long has passed: short trials never are."""
COST_FACTOR: Final = 50
"""... and so many times what the last save took: saving takes 2 % of the time at most."""
FORMAT: Final = 1
NOT_ARITHMETIC: Final = {
    *("stack_index", "stack_size", "alone_because"),
    *("project_version", "project_commit", "project_clean"),
}
"""Facts that a trial's bits do not depend on; its sources say more than a commit."""

State = dict[str, Any]


class Checkpoints:
    """Writes and reads the checkpoints of what a worker trains.

    Args:
        folder: ``None``: nothing is saved and nothing is found.
    """

    def __init__(self, folder: CheckpointFolder | None) -> None:
        self._folder = folder
        self._due = time.perf_counter() + CHECKPOINT_SECONDS

    @property
    def is_due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self._folder is not None and time.perf_counter() >= self._due

    def save(self, fingerprint: str, number: int, take: Callable[[], State]) -> bool:
        """Write a trial's state; a failure to do so fails no trial.

        Args:
            fingerprint: What the state belongs to.
            number: The trial's.
            take: Returns the state.

        Returns:
            Whether it was written.
        """
        if self._folder is None:
            return False
        try:
            content = encode({"fingerprint": fingerprint, "state": take()})
        except Exception:  # noqa: BLE001 - a state that cannot be written, memory exhausted: go on
            return False
        return self._folder.write(number, content)

    def restart_clock(self, spent_seconds: float) -> None:
        """Start the clock again, after a save that took so long."""
        self._due = time.perf_counter() + max(CHECKPOINT_SECONDS, COST_FACTOR * spent_seconds)

    def has(self, number: int) -> bool:
        """Whether there is a checkpoint of a trial, of whatever use."""
        return self._folder is not None and self._folder.file(number).exists()

    def load(self, fingerprint: str, number: int) -> State | None:
        """Read a trial's state; a damaged or foreign checkpoint is removed, and is none."""
        content = self._folder.read(number) if self._folder else None
        if content is None:
            return None
        try:
            found = decode(content)
            if found["fingerprint"] == fingerprint:
                state: State = found["state"]
                return state
        except (DamagedError, TypeError, KeyError):
            pass  # of no use, as one of another trial is
        self.remove(number)
        return None

    def remove(self, number: int) -> None:
        """Remove a trial's checkpoint."""
        if self._folder is not None:
            self._folder.remove(number)


def fingerprint_of(assignment: Assignment, facts: Facts, cohort: Sequence[TrialKey]) -> str:
    """Digest all that a trial's bits depend on: a state is loaded only where all of it is equal.

    Args:
        assignment: The trial, its epochs and its stopping rules.
        facts: Data, split, sources, packages, processor, threads, device, precision.
        cohort: The trials that are trained together. They count where they may change bits:
            everywhere but on a CPU in float32.
    """
    is_alone = facts.device == "cpu" and facts.precision == "32-true"
    content = {
        "format": FORMAT,
        "trial": assignment.config.model_dump(mode="json"),
        "epochs": assignment.epochs,
        "patience": assignment.patience,
        "cutoffs": assignment.cutoffs and asdict(assignment.cutoffs),
        "is_refit": assignment.is_refit,
        "facts": facts.model_dump(mode="json", exclude=NOT_ARITHMETIC),
        "cohort": [] if is_alone else list(cohort),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def curve_state(curve: Sequence[EpochScores]) -> list[Mapping[str, Any]]:
    """A curve as plain values; its trial knows the objective."""
    plain = [asdict(scores) | {"folds": [tuple(one) for one in scores.folds]} for scores in curve]
    return [{name: one[name] for name in one if name != "objective"} for one in plain]


def curve_of(state: Sequence[Mapping[str, Any]], objective: Objective) -> list[EpochScores]:
    """A curve from plain values."""
    return [
        EpochScores(
            **{**scores, "folds": tuple(FoldScores(*one) for one in scores["folds"])},
            objective=objective,
        )
        for scores in state
    ]
