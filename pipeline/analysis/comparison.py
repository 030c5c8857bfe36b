"""Hold a trial that was trained again against its record: identical, close or different."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.trial import EpochScores, Facts, TrialOutcome, TrialRecord, TrialState, curve_sha256

RELATIVE_TOLERANCE = 0.01
ABSOLUTE_TOLERANCE = 1e-3
"""*close* means each score within 1 % or 0.001 of the recorded one."""


class Verdict(StrEnum):
    """What a comparison says."""

    IDENTICAL = "identical"
    CLOSE = "close"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A verdict with its reason.

    Attributes:
        first_difference: What differs first, in the order data, code, package, seed, thread
            count, processor, and then the first score; ``None`` where nothing differs.
    """

    verdict: Verdict
    first_difference: str | None
    epochs_compared: int
    weights_recorded: str | None
    weights_again: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the ledger holds of a trial beside its record.

    Attributes:
        curve: From the ledger's metric history, by epoch.
        weights_sha256: Of the weights file as it lies in the ledger.
    """

    curve: tuple[EpochScores, ...]
    weights_sha256: str | None


def compare(record: TrialRecord, kept: Kept, again: TrialOutcome) -> Comparison:
    """Compare epoch by epoch and by the weights.

    Args:
        record: The trial's record.
        kept: Its curve and weights in the ledger.
        again: The same trial, trained again.
    """
    tampered = next(_tampering(record, kept), None)
    scores = list(_score_differences(kept.curve, again.curve))
    ends = list(_end_differences(record, again))
    reason: str | None = None
    if tampered or scores or ends or again.weights_sha256 != record.weights_sha256:
        reasons = [
            *_fact_differences(record, again.facts),
            *([tampered] if tampered else []),
            *(text for text, _ in scores),
            *ends,
            f"weights: SHA-256 {record.weights_sha256} recorded, {again.weights_sha256} now",
        ]
        reason = reasons[0]
    near = all(is_near for _, is_near in scores) and not tampered and not ends
    verdict = Verdict.CLOSE if near else Verdict.DIFFERENT
    return Comparison(
        verdict=Verdict.IDENTICAL if reason is None else verdict,
        first_difference=reason,
        epochs_compared=min(len(kept.curve), len(again.curve)),
        weights_recorded=record.weights_sha256,
        weights_again=again.weights_sha256,
    )


def _tampering(record: TrialRecord, kept: Kept) -> Iterator[str]:
    """What in the ledger is not what the record says was written there."""
    if record.seeds != record.trial.seeds:
        yield f"seed: {record.seeds} recorded, {record.trial.seeds} follow from the trial"
    if kept.weights_sha256 != record.weights_sha256:
        yield (
            f"weights: the file in the ledger has SHA-256 {kept.weights_sha256}, "
            f"the record says {record.weights_sha256}"
        )
    if len(kept.curve) != record.epochs_run:
        yield f"curve: {len(kept.curve)} epochs in the ledger, the record says {record.epochs_run}"
    elif curve_sha256(kept.curve) != record.curves_sha256 and record.state is not TrialState.FAIL:
        yield "curve: the ledger's points are not those that the record was made from"


def _score_differences(
    recorded: Sequence[EpochScores], again: Sequence[EpochScores]
) -> Iterator[tuple[str, bool]]:
    """Each score that is not equal to the bit, with whether it is close."""
    for before, now in zip(recorded, again, strict=False):
        for name, old in before.measured.items():
            if name == "generalization_gap":
                continue  # a difference of two scores that are compared: near 0 it is all noise
            new = now.measured[name]
            if old != new and not (math.isnan(old) and math.isnan(new)):
                text = f"epoch {before.epoch} {name}: {old!r} recorded, {new!r} now"
                yield text, _is_near(old, new)
    if len(recorded) != len(again):
        yield f"epochs: {len(recorded)} recorded, {len(again)} now", False


def _end_differences(record: TrialRecord, again: TrialOutcome) -> Iterator[str]:
    """How a failure differs; complete and pruned trials are trained alike as far as they went."""
    has_failed = record.state is TrialState.FAIL, again.state is TrialState.FAIL
    if has_failed[0] != has_failed[1]:
        why = record.cause if has_failed[0] else again.cause
        yield f"state: {record.state.name} recorded, {again.state.name} now ({why})"
    elif has_failed[0] and record.cause != again.cause:
        yield f"cause: {record.cause!r} recorded, {again.cause!r} now"


def _is_near(old: float, new: float) -> bool:
    return math.isclose(old, new, rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE)


def _fact_differences(record: TrialRecord, now: Facts | None) -> Iterator[str]:
    """What differs between then and now, the likeliest cause first."""
    then = record.facts
    if then is None or now is None:
        return
    if then.data_sha256 != now.data_sha256:
        yield f"data: SHA-256 {then.data_sha256} recorded, {now.data_sha256} now"
    if then.split_sha256 != now.split_sha256:
        yield f"data: split {then.split_sha256} recorded, {now.split_sha256} now"
    yield from _changed("code", then.sources, now.sources)
    yield from _changed("package", _packages(then), _packages(now))
    if record.seeds != record.trial.seeds:
        yield f"seed: {record.seeds} recorded, {record.trial.seeds} now"
    for word, name in (
        ("thread count", "threads"),
        ("processor", "processor"),
        ("device", "device"),
        ("precision", "precision"),
    ):
        old, new = getattr(then, name), getattr(now, name)
        if old != new:
            yield f"{word}: {old} recorded, {new} now"


def _packages(facts: Facts) -> dict[str, str]:
    return facts.packages | {"python": facts.python}


def _changed(word: str, then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in [*then, *(now.keys() - then.keys())]:
        old, new = then.get(name, "absent"), now.get(name, "absent")
        if old != new:
            yield f"{word}: {name} {old} recorded, {new} now"
