"""The generalization gap: how it depends on each parameter and on the epoch, and what that says.

The gap of a trial is that of its best epoch: ``val_loss`` minus the training loss with dropout off.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pipeline.analysis.intervals import bounded
from pipeline.config import VAL_LOSS
from pipeline.trial import Curve, Effect, EpochScores, TrialRow, TrialState
from pipeline.trial.dependence import Dependence
from pipeline.trial.effects import shown

STEADY: Final = 0.8
"""A gap falls or grows along a parameter where its ends make so large a part of its span."""
HALF: Final = 0.5
"""A rate underfits where the training loss makes so large a part of what it costs."""


class AtBest(NamedTuple):
    """What complete trials scored at their best epochs, by number.

    Attributes:
        gaps: ``generalization_gap``.
        losses: ``train_loss_no_dropout``.
    """

    gaps: Mapping[int, float]
    losses: Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochGap:
    """The mean gap of the trials after an epoch, with its 95 % interval."""

    epoch: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How the gap depends on each parameter and on the epoch.

    Attributes:
        dependences: Of each parameter, rates first.
        epochs: Of the same trials at each, those that reached the last of them.
        sentences: What can be told of it, in words.
    """

    dependences: tuple[Dependence, ...]
    epochs: tuple[EpochGap, ...]
    sentences: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The gap as JSON holds it."""
        return {
            "words": list(self.sentences),
            "parameters": {one.parameter: one.as_json() for one in self.dependences},
            "epochs": [
                {"epoch": one.epoch, "mean": one.mean, "low": one.low, "high": one.high}
                for one in self.epochs
            ],
        }


def at_best(rows: Sequence[TrialRow], curves: Mapping[int, Curve]) -> AtBest:
    """What complete trials scored at their best epochs, where both scores are finite."""
    gaps, losses = {}, {}
    for row in rows:
        best = best_epoch_of(row, curves)
        if row.state is TrialState.COMPLETE and best and math.isfinite(best.generalization_gap):
            gaps[row.number] = best.generalization_gap
            losses[row.number] = best.train_loss_no_dropout
    return AtBest(gaps=gaps, losses=losses)


def best_epoch_of(row: TrialRow, curves: Mapping[int, Curve]) -> EpochScores | None:
    """The scores of a trial at its best epoch; ``None`` where its curve does not have it."""
    return next((one for one in curves.get(row.number, ()) if one.epoch == row.best_epoch), None)


def by_epoch(curves: Sequence[Curve]) -> tuple[EpochGap, ...]:
    """The mean gap by epoch, up to the last one that half of the trials reached.

    Only those trials count that reached it, at every epoch: else a mean would change with who is
    left. Empty where fewer than three trials have a finite gap at each epoch.
    """
    lengths = sorted(map(len, curves))
    last = lengths[len(lengths) // 2] if lengths else 0
    gaps = [
        [scores.generalization_gap for scores in curve[:last]]
        for curve in curves
        if len(curve) >= last
    ]
    finite = [one for one in gaps if all(map(math.isfinite, one))]
    if len(finite) < 3:  # noqa: PLR2004 - an interval of two says nothing
        return ()
    return tuple(
        EpochGap(epoch=epoch, mean=mean, low=low, high=high)
        for epoch, values in enumerate(zip(*finite, strict=True), start=1)
        for mean, low, high in [bounded(values)]
    )


def describe(
    gaps: Sequence[Dependence],
    losses: Sequence[Dependence],
    epochs: tuple[EpochGap, ...],
    effects: Sequence[Effect],
) -> Gap:
    """Say what the gap does, as far as it can be told.

    Args:
        gaps: Of each parameter, rises told from its first value.
        losses: The training loss without dropout, rises told from the effect's best value.
        epochs: From ``by_epoch``.
        effects: Of the value.
    """
    by_name = {one.parameter: one for one in losses}
    order = {effect.parameter: index for index, effect in enumerate(effects)}
    ordered = sorted(gaps, key=lambda one: order.get(one.parameter, len(order)))
    titles = {effect.parameter: effect for effect in effects}
    said = [
        _trend(one, titles[one.parameter])
        for one in ordered
        if one.is_ordered and one.parameter in titles
    ]
    unfit = [underfit(one, by_name[one.parameter]) for one in effects if one.parameter in by_name]
    sentences = (*said, _over_epochs(epochs), *unfit)
    return Gap(dependences=tuple(ordered), epochs=epochs, sentences=tuple(filter(None, sentences)))


def _trend(gap: Dependence, effect: Effect) -> str | None:
    """Whether the gap falls or grows along a parameter; ``None``: not to be told."""
    change, span = gap.rises[-1], max(gap.means) - min(gap.means)
    if not gap.is_told(-1) or abs(change) < STEADY * span:
        return None
    what = f"the dropout of {effect.title}" if effect.is_rate else effect.parameter
    verb = "falls" if change < 0 else "grows"
    ends = f"{shown(gap.values[0])} to {shown(gap.values[-1])}"
    levels = f"{gap.means[0]:.2g} to {gap.means[-1]:.2g}"
    return f"the gap {verb} from {levels} as {what} goes from {ends}"


def _over_epochs(epochs: Sequence[EpochGap]) -> str | None:
    """Whether the gap grows as trials go on; ``None``: the intervals of both ends meet."""
    if not epochs or not (epochs[0].high < epochs[-1].low or epochs[-1].high < epochs[0].low):
        return None
    first, last = epochs[0], epochs[-1]
    verb = "grows" if last.mean > first.mean else "falls"
    return (
        f"the gap {verb} from {first.mean:.2g} after epoch {first.epoch} "
        f"to {last.mean:.2g} after epoch {last.epoch}"
    )


def underfit(effect: Effect, losses: Dependence) -> str | None:
    """From where on a rate costs because the training itself suffers; ``None``: not to be told.

    Values above those that are as good as the best are told to be worse. They underfit where the
    training loss without dropout is told to be higher, too, and makes most of what they cost.

    Args:
        effect: Of a rate on ``val_loss``.
        losses: Of its training loss, at the same values, rises told from the best one.
    """
    if not effect.is_rate or effect.objective != VAL_LOSS or effect.verdict != "wants":
        return None
    good = max(index for index, is_it in enumerate(effect.is_as_good) if is_it)
    cost = effect.averaged or effect.losses
    is_unfit = [
        losses.is_told(index) and losses.rises[index] >= HALF * cost[index] > 0
        for index in range(good + 1, len(effect.values))
    ]
    if not is_unfit or not all(is_unfit):
        return None
    rise = f"{losses.rises[-1]:.2g} at {shown(effect.values[-1])}"
    return (
        f"above {shown(effect.values[good])} {effect.title} underfits: the training loss "
        f"without dropout rises, too (by {rise})"
    )
