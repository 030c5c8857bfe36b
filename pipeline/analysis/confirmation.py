"""Who wins when the best few are trained again on new seeds, and who cannot be told apart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from statistics import fmean, stdev
from typing import Any, Final

from pipeline.config import VAL_LOSS, Objective, Scalar
from pipeline.errors import counted
from pipeline.trial import SealedScores, TrialRow, TrialState, rank, shared_scores

CONFIDENCE: Final = 0.95
MOST_SHOWN: Final = 2
"""Of a user's own scores on the test part a table shows so many; all are in the JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean with the bounds of its 95 % interval.

    Attributes:
        mean: ``None`` where a value is missing or not finite.
        low: ``None`` where fewer than two values leave the spread unknown.
        high: As ``low``.
    """

    mean: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """``0.1858 [0.1790, 0.1926]``, as far as it is known."""
        if self.mean is None:
            return ""
        bounds = "" if self.low is None else f" [{self.low:.4f}, {self.high:.4f}]"
        return f"{self.mean:.4f}{bounds}"

    def as_json(self) -> dict[str, float | None]:
        """The interval as the command line's JSON holds it."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A candidate trained on one set of new seeds.

    Attributes:
        repeat: Which set, from 1.
        value: The best score over the epochs; ``None`` where the training failed.
        cause: Why it failed.
        test_loss: Of the best epoch's weights; ``None`` where they were not scored.
        test_accuracy: ``None`` also where the model has none.
        test_metrics: What a user's module logged there beside these, by its own names.
    """

    repeat: int
    value: float | None
    cause: str | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None
    test_metrics: Mapping[str, float] = field(default_factory=dict)

    def with_test(self, scores: SealedScores | None) -> "Repeat":
        """Add its scores on the test part, where it was scored."""
        if scores is None:
            return self
        loss, accuracy, metrics = scores
        return replace(self, test_loss=loss, test_accuracy=accuracy, test_metrics=metrics)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trial that was trained again.

    Attributes:
        number: The trial's.
        params: Its setting.
        repeats: By ``repeat``; each candidate has the same.
    """

    number: int
    params: Mapping[str, Scalar]
    repeats: tuple[Repeat, ...]

    @property
    def is_whole(self) -> bool:
        """Whether no repeat failed; only then can it win: a mean over survivors flatters."""
        return all(repeat.value is not None for repeat in self.repeats)

    @property
    def values(self) -> list[float]:
        """The values by seeds; those of failed repeats are left out."""
        return [repeat.value for repeat in self.repeats if repeat.value is not None]

    @property
    def value(self) -> Interval:
        """The mean over seeds; unknown where a repeat failed."""
        return interval(self.values) if self.is_whole else Interval(mean=None)

    @property
    def test_loss(self) -> Interval:
        """The mean test loss over seeds."""
        return _over_all([repeat.test_loss for repeat in self.repeats])

    @property
    def test_accuracy(self) -> Interval | None:
        """The mean test accuracy over seeds; ``None`` where there is none."""
        found = _over_all([repeat.test_accuracy for repeat in self.repeats])
        return None if found.mean is None else found

    @property
    def test_metrics(self) -> dict[str, Interval]:
        """The means over seeds of what a user's module logged on the test part, by its names."""
        found = shared_scores([repeat.test_metrics for repeat in self.repeats])
        return {name: interval(values) for name, values in found.items()}

    @property
    def failures(self) -> dict[int, str]:
        """Why repeats failed, by repeat."""
        return {
            repeat.repeat: repeat.cause or "unknown"
            for repeat in self.repeats
            if repeat.value is None
        }

    def with_test(self, scores: Mapping[int, SealedScores]) -> "Candidate":
        """Add the scores of its repeats on the test part, by repeat."""
        repeats = (repeat.with_test(scores.get(repeat.repeat)) for repeat in self.repeats)
        return replace(self, repeats=tuple(repeats))

    def as_json(self) -> dict[str, Any]:
        """The candidate as the command line's JSON holds it."""
        accuracy = self.test_accuracy
        return {
            "number": self.number,
            "params": dict(self.params),
            **self.value.as_json(),
            "test": self.test_loss.as_json(),
            "test_accuracy": accuracy and accuracy.as_json(),
            "metrics": {name: found.as_json() for name, found in self.test_metrics.items()},
            "failures": [
                {"repeat": repeat, "cause": cause} for repeat, cause in self.failures.items()
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The answer of a confirmation.

    Attributes:
        candidates: The best mean first; those with a failed repeat last.
        winner: The number of the best mean; ``None`` where every candidate failed.
        tied: Numbers that cannot be told apart from the winner, the winner first.
        objective: Which score the values are.
    """

    candidates: tuple[Candidate, ...]
    winner: int | None
    tied: tuple[int, ...]
    objective: Objective = VAL_LOSS

    @property
    def sentence(self) -> str:
        """The answer in words."""
        n_seeds = len(self.candidates[0].repeats) if self.candidates else 0
        seeds = counted(n_seeds, "seed")
        if self.winner is None:
            return f"no candidate was trained on all of {seeds}"
        if len(self.candidates) == 1:
            return f"trial {self.winner} was the only candidate"
        if len(self.tied) == 1:
            return f"trial {self.winner} wins"
        *most, last = self.tied
        tied = f"{', '.join(map(str, most))} and {last}"
        best = f"{self.winner} has the {self.objective.best_word} mean"
        return f"trials {tied} cannot be told apart at {seeds}; {best}"

    @property
    def has_test_accuracy(self) -> bool:
        """Whether a candidate has one."""
        return any(one.test_accuracy for one in self.candidates)

    @property
    def has_test_loss(self) -> bool:
        """Whether there is one to show, or nothing else: a user's module may log none."""
        is_there = any(one.test_loss.mean is not None for one in self.candidates)
        return is_there or not any(one.test_metrics for one in self.candidates)

    @property
    def shown_metrics(self) -> list[str]:
        """The first names of what a user's module logged on the test part: a table has room."""
        return list(self.candidates[0].test_metrics)[:MOST_SHOWN] if self.candidates else []

    def as_json(self) -> dict[str, Any]:
        """The answer as the command line's JSON holds it."""
        return {
            "candidates": [candidate.as_json() for candidate in self.candidates],
            "tied": list(self.tied),
            "winner": self.winner,
        }


def choose_candidates(rows: Sequence[TrialRow], *, top: int, n_fixed: int) -> list[TrialRow]:
    """Choose what is worth training again: the best few, and what the person asked for.

    Args:
        rows: The study's table.
        top: So many settings of the best complete trials, as ``rank`` orders them.
        n_fixed: How many settings the study file named; they are candidates whatever their
            value, unless they failed or are not finished.

    Returns:
        One trial of each setting, the best first; none where no trial is complete.
    """
    best = _distinct([ranked.trial for ranked in rank(rows)])[:top]
    if not best:
        return []
    trained = (TrialState.COMPLETE, TrialState.PRUNED)
    named = [row for row in rows if row.number < n_fixed and row.state in trained]
    return _distinct([*best, *named])


def _distinct(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """The first trial of each setting."""
    chosen: list[TrialRow] = []
    for row in rows:
        if all(row.params != other.params for other in chosen):
            chosen.append(row)
    return chosen


def judge(candidates: Sequence[Candidate], objective: Objective = VAL_LOSS) -> Confirmation:
    """Rank candidates by their mean and find the winner and its equals.

    Each candidate is compared with the winner at 95 %, without a correction for the
    number of comparisons: too few rather than too many are called tied.

    Args:
        candidates: Trained on the same seeds.
        objective: Says which mean is the best.
    """

    def rank_of(candidate: Candidate) -> tuple[float, int]:
        mean = candidate.value.mean
        return (math.inf if mean is None else objective.loss(mean), candidate.number)

    ranked = sorted(candidates, key=rank_of)
    whole = list(takewhile(lambda candidate: candidate.is_whole, ranked))
    if not whole:
        return Confirmation(candidates=tuple(ranked), winner=None, tied=(), objective=objective)
    best, *others = whole
    equals = [one for one in others if cannot_be_told_apart(one.values, best.values)]
    return Confirmation(
        candidates=tuple(ranked),
        winner=best.number,
        tied=tuple(one.number for one in (best, *equals)),
        objective=objective,
    )


def interval(values: Sequence[float]) -> Interval:
    """Estimate a mean by Student's t.

    The bounds are m ∓ t·s/√n, where m is the mean and s the standard deviation of the n values,
    and t the 0.975 quantile of Student's distribution with n - 1 degrees of freedom (Student,
    "The Probable Error of a Mean", Biometrika 6, 1908).

    >>> interval([1.0])
    Interval(mean=1.0, low=None, high=None)

    Args:
        values: Independent of one another.
    """
    if not values or not all(map(math.isfinite, values)):
        return Interval(mean=None)
    mean = fmean(values)
    if len(values) == 1:
        return Interval(mean=mean)
    half = _quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Interval(mean=mean, low=mean - half, high=mean + half)


def cannot_be_told_apart(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether the 95 % interval of the paired differences contains 0.

    Of one pair nothing is known, so the two cannot be told apart.

    Args:
        first: A candidate's values, by seeds.
        second: Another's, on the same seeds in the same order.
    """
    found = interval([a - b for a, b in zip(first, second, strict=True)])
    return found.low is None or found.high is None or found.low <= 0 <= found.high


def _quantile(degrees: int) -> float:
    # Half of scipy.stats' import time, and no command but this one pays it.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))


def _over_all(values: Sequence[float | None]) -> Interval:
    known = [value for value in values if value is not None]
    return interval(known) if len(known) == len(values) else Interval(mean=None)
