"""Hold a trial that was trained again against its record: identical, close or different."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from pipeline.analysis.differences import (
    Kept,
    ScoreChange,
    changes_after_seed,
    changes_before_seed,
    damages,
    end_changes,
    score_changes,
    seed_changes,
    split_changes,
    weights_changes,
)
from pipeline.trial import TrialOutcome, TrialRecord

RELATIVE_TOLERANCE = 0.01
ABSOLUTE_TOLERANCE = 1e-3
"""*close* means each score within 1 % or 0.001 of the recorded one."""


class Verdict(StrEnum):
    """What a comparison says of the bits that were trained."""

    IDENTICAL = "identical"
    CLOSE = "close"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A verdict with its reason.

    Attributes:
        verdict: On curve, weights and end, and on whether the ledger is as it was written. A
            changed source that changes no bit leaves a trial identical.
        differences: All that is not as recorded, causes first: data, code, package, Python, seed,
            thread count, precision, device, processor, the ledger's own damage; then what follows:
            split, the first score in which the curves part, epochs, end, weights.
        epochs_identical: How many epochs from the first on are the same to the bit.
    """

    verdict: Verdict
    differences: tuple[str, ...]
    epochs_compared: int
    epochs_identical: int
    weights_recorded: str | None
    weights_again: str | None

    @property
    def first_difference(self) -> str | None:
        """What differs first, whatever the verdict; ``None`` where nothing does."""
        return next(iter(self.differences), None)


def compare(record: TrialRecord, kept: Kept, again: TrialOutcome) -> Comparison:
    """Compare epoch by epoch and by the weights.

    Args:
        record: The trial's record.
        kept: What else the ledger holds of it.
        again: The same trial, trained again.
    """
    then, now = record.facts, again.facts
    seeds, damaged = list(seed_changes(record)), list(damages(record, kept))
    scores = list(score_changes(kept.curve, again.curve))
    ends = list(end_changes(record, kept, again))
    weights = list(weights_changes(record, again))
    n_compared = min(len(kept.curve), len(again.curve))
    return Comparison(
        verdict=_verdict(
            is_broken=bool(seeds or damaged or ends), scores=scores, has_other_weights=bool(weights)
        ),
        differences=tuple(
            chain(
                changes_before_seed(then, now),
                seeds,
                changes_after_seed(then, now),
                damaged,
                split_changes(then, now),
                map(str, scores[:1]),
                ends,
                weights,
            )
        ),
        epochs_compared=n_compared,
        epochs_identical=scores[0].epoch - 1 if scores else n_compared,
        weights_recorded=record.weights_sha256,
        weights_again=again.weights_sha256,
    )


def _verdict(*, is_broken: bool, scores: Sequence[ScoreChange], has_other_weights: bool) -> Verdict:
    if is_broken or not all(map(_is_near, scores)):
        return Verdict.DIFFERENT
    return Verdict.CLOSE if scores or has_other_weights else Verdict.IDENTICAL


def _is_near(change: ScoreChange) -> bool:
    old, new = change.recorded, change.now
    return math.isclose(old, new, rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE)
