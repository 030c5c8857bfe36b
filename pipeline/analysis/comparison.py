"""Hold a trial that was trained again against its record: identical, close or different."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from pipeline.trial import (
    EpochScores,
    Facts,
    RecordedTrial,
    TrialOutcome,
    TrialRecord,
    TrialState,
    curve_sha256,
    sha256_of,
)

RELATIVE_TOLERANCE = 0.01
ABSOLUTE_TOLERANCE = 1e-3
"""*close* means each score within 1 % or 0.001 of the recorded one."""
CIRCUMSTANCES = {
    "thread count": "threads",
    "precision": "precision",
    "device": "device",
    "processor": "processor",
}
"""Single facts by their names in a message, in the order of the differences."""


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


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """A score that is not the same to the bit; one that is not finite is none, as in MLflow."""

    epoch: int
    name: str
    recorded: float
    now: float

    def __str__(self) -> str:
        """In words."""
        return f"epoch {self.epoch} {self.name}: {self.recorded!r} recorded, {self.now!r} now"


def compare(original: RecordedTrial, again: TrialOutcome) -> Comparison:
    """Compare epoch by epoch and by the weights.

    Args:
        original: The trial as the ledger holds it.
        again: The same trial, trained again.
    """
    record = original.record
    then, now = record.facts, again.facts
    seeds, damaged = list(seed_changes(record)), list(damages(original))
    scores = list(score_changes(original.curve, again.curve))
    ends = list(end_changes(original, again))
    weights = list(weights_changes(record, again))
    n_compared = min(len(original.curve), len(again.curve))
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


def changes_before_seed(then: Facts | None, now: Facts | None) -> Iterator[str]:
    """Data, code, package and Python, where they are not what they were."""
    if then is None or now is None:
        return
    if then.data_sha256 != now.data_sha256:
        yield f"data: SHA-256 {then.data_sha256} recorded, {now.data_sha256} now"
    sources = sorted({*then.sources, *now.sources}, key=_likeliest_first)
    yield from _changed("code", sources, then.sources, now.sources)
    packages = [*then.packages, *(now.packages.keys() - then.packages.keys())]
    yield from _changed("package", packages, then.packages, now.packages)
    if then.python != now.python:
        yield f"Python: {then.python} recorded, {now.python} now"


def seed_changes(record: TrialRecord) -> Iterator[str]:
    """Seeds that do not follow from the study's seed and the trial's number."""
    expected = record.trial.seeds
    for purpose in [*expected, *(record.seeds.keys() - expected.keys())]:
        old, new = record.seeds.get(purpose, "none"), expected.get(purpose, "none")
        if old != new:
            yield f"seed: {purpose} {old} recorded, {new} now"


def changes_after_seed(then: Facts | None, now: Facts | None) -> Iterator[str]:
    """Thread count, precision, device and processor, where they are not what they were."""
    for word, name in CIRCUMSTANCES.items():
        old, new = getattr(then, name, None), getattr(now, name, None)
        if then and now and old != new:
            yield f"{word}: {old} recorded, {new} now"


def damages(original: RecordedTrial) -> Iterator[str]:
    """What in the ledger is not what was written there when the trial ended."""
    record, file = original.record, original.record_sha256
    written = original.tags.get("record_sha256")
    if written != file:
        yield f"record: record.json has SHA-256 {file}, its run's tag says {written}"
    state = original.tags.get("trial_state", record.state.name)
    if state != record.state.name:
        yield f"state: the run's tag says {state}, the record says {record.state.name}"
    n_epochs, has_failed = len(original.curve), record.state is TrialState.FAIL
    if n_epochs != record.epochs_run:
        yield f"curve: {n_epochs} epochs in the ledger, the record says {record.epochs_run}"
    elif not has_failed and curve_sha256(original.curve) != record.curves_sha256:
        yield "curve: the ledger's points are not those that the record was made from"
    recorded = record.weights_sha256
    weights = sha256_of(original.weights)
    if weights != recorded and not original.lacks_weights:
        yield f"weights: the file in the ledger has SHA-256 {weights}, the record says {recorded}"
    tag = original.tags.get("weights_sha256", recorded)
    if tag != recorded:
        yield f"weights: the run's tag says SHA-256 {tag}, the record says {recorded}"


def split_changes(then: Facts | None, now: Facts | None) -> Iterator[str]:
    """The split, after its causes: it follows from data, code, seed and the data section."""
    if then and now and then.split_sha256 != now.split_sha256:
        yield f"split: SHA-256 {then.split_sha256} recorded, {now.split_sha256} now"


def score_changes(
    recorded: Sequence[EpochScores], again: Sequence[EpochScores]
) -> Iterator[ScoreChange]:
    """Each score that is not the same to the bit, by epoch."""
    for before, now in zip(recorded, again, strict=False):
        for name, old in before.measured.items():
            if name == "generalization_gap":
                continue  # a difference of two scores that are compared: near 0 it is all noise
            new = now.measured.get(name, math.nan)
            if old != new and (math.isfinite(old) or math.isfinite(new)):
                yield ScoreChange(before.epoch, name, old, new)


def end_changes(original: RecordedTrial, again: TrialOutcome) -> Iterator[str]:
    """How far it came and how it failed; complete and pruned ones are trained alike that far."""
    record = original.record
    if len(original.curve) != len(again.curve):
        yield f"epochs: {len(original.curve)} recorded, {len(again.curve)} now"
    has_failed = record.state is TrialState.FAIL, again.state is TrialState.FAIL
    if has_failed[0] != has_failed[1]:
        why = record.cause if has_failed[0] else again.cause
        yield f"state: {record.state.name} recorded, {again.state.name} now ({why})"
    elif has_failed[0] and record.cause != again.cause:
        yield f"cause: {record.cause!r} recorded, {again.cause!r} now"


def weights_changes(record: TrialRecord, again: TrialOutcome) -> Iterator[str]:
    """The weights, where they are not the same to the bit."""
    old, new = record.weights_sha256, again.weights_sha256
    if old != new:
        yield f"weights: SHA-256 {old} recorded, {new} now"


def _likeliest_first(source: str) -> tuple[bool, bool, str]:
    """The user's own files, then the project's that train, then those that do not."""
    is_ours = source.startswith("pipeline/")
    return is_ours, not source.startswith(("pipeline/learning/", "pipeline/config/")), source


def _changed(
    word: str, names: Sequence[str], then: Mapping[str, str], now: Mapping[str, str]
) -> Iterator[str]:
    for name in names:
        old, new = then.get(name, "absent"), now.get(name, "absent")
        if old != new:
            yield f"{word}: {name} {old} recorded, {new} now"
