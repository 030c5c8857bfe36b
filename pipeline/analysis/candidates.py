"""Which settings of a study are trained again on new seeds, and what came of each."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, zip_longest
from typing import Any

from pipeline.analysis.intervals import Interval, interval
from pipeline.config import NO_DROPOUT, Scalar, ShownNumber, label_of
from pipeline.trial import SealedScores, TrialRow, TrialState, rank, shared_scores
from pipeline.trial.effects import RATE


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
class Dropped:
    """Why a candidate was not trained on all seeds.

    Attributes:
        after: So many seeds.
        by: Who had the best mean then.
        difference: By how much its mean was worse than that one's.
    """

    after: int
    by: ShownNumber
    difference: float

    def as_json(self) -> dict[str, Any]:
        """The reason as the command line's JSON holds it."""
        return {"after": self.after, "by": self.by, "difference": self.difference}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A setting that is trained again.

    Attributes:
        number: The trial's.
        params: Its setting.
        repeats: By ``repeat``; candidates that are not dropped have the same.
        is_baseline: Whether the others are compared with it. It is never dropped.
        is_search_best: Whether the search ranked it first.
        search_value: What the search had measured of it; ``None`` where it has no value.
        dropped: ``None`` where it was not.
    """

    number: ShownNumber
    params: Mapping[str, Scalar]
    repeats: tuple[Repeat, ...] = ()
    is_baseline: bool = False
    is_search_best: bool = False
    search_value: float | None = None
    dropped: Dropped | None = None

    @property
    def label(self) -> str:
        """What a sentence calls it."""
        return label_of(self.number)

    @property
    def title(self) -> str:
        """What a table calls it: ``7``, or ``0 (baseline)``."""
        is_named = self.is_baseline and self.number != NO_DROPOUT
        return f"{self.number}{' (baseline)' * is_named}"

    @property
    def is_whole(self) -> bool:
        """Whether no repeat failed; only then can it win: a mean over survivors flatters."""
        return all(repeat.value is not None for repeat in self.repeats)

    @property
    def is_in_race(self) -> bool:
        """Whether it can still win."""
        return self.is_whole and self.dropped is None

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
            "is_baseline": self.is_baseline,
            "is_search_best": self.is_search_best,
            "seeds": len(self.repeats),
            **self.value.as_json(),
            "search_value": self.search_value,
            "test": self.test_loss.as_json(),
            "test_accuracy": accuracy and accuracy.as_json(),
            "metrics": {name: found.as_json() for name, found in self.test_metrics.items()},
            "dropped": self.dropped and self.dropped.as_json(),
            "failures": [
                {"repeat": repeat, "cause": cause} for repeat, cause in self.failures.items()
            ],
        }


def _over_all(values: Sequence[float | None]) -> Interval:
    known = [value for value in values if value is not None]
    return interval(known) if len(known) == len(values) else Interval(mean=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is trained again.

    Attributes:
        trials: One of each setting, the search's best first; none where no trial is complete.
        baseline: What the others are compared with: one of the trials, ``NO_DROPOUT`` where no
            trial has that setting, or ``None`` where the study has no dropout to leave out.
    """

    trials: tuple[TrialRow, ...] = ()
    baseline: ShownNumber | None = None


def choose_candidates(
    rows: Sequence[TrialRow], *, top: int, n_fixed: int, predicted: Sequence[int] = ()
) -> Choice:
    """Choose what is worth training again: the best few, what the person asked for, a baseline.

    The best few are by turns those of the best value, as ``rank`` orders them, and those of the
    best predicted mean: a value may be a lucky seed, and a prediction may be a wrong model.

    Args:
        rows: The study's table.
        top: So many settings of complete trials.
        n_fixed: How many settings the study file named; they are candidates whatever their
            value, unless they failed or are not finished. The first one is the baseline; without
            one it is the best setting whose rates are all 0.
        predicted: The numbers of complete trials by their predicted means, the best first;
            one that the table does not have is left out.
    """
    ranked = distinct(one.trial for one in rank(rows))
    if not ranked:
        return Choice()
    by_number = {row.number: row for row in rows}
    by_setting = {_setting(row): row for row in ranked}
    settings = [_setting(by_number[number]) for number in predicted if number in by_number]
    modelled = [by_setting[setting] for setting in settings if setting in by_setting]
    turns = chain.from_iterable(zip_longest(ranked, modelled))
    best = distinct(row for row in turns if row is not None)[:top]
    trained = (TrialState.COMPLETE, TrialState.PRUNED)
    named = [row for row in rows if row.number < n_fixed and row.state in trained]
    plain = named or [row for row in ranked if _drops_nothing(row)]
    trials = distinct([*best, *named, *plain[:1]])
    if plain:
        baseline = next(row.number for row in trials if _setting(row) == _setting(plain[0]))
        return Choice(trials=trials, baseline=baseline)
    has_dropout = any(_rates(row.params) for row in ranked)
    return Choice(trials=trials, baseline=NO_DROPOUT if has_dropout else None)


def without_dropout(params: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """A setting with every rate 0."""
    return dict(params) | dict.fromkeys(_rates(params), 0.0)


def distinct(rows: Iterable[TrialRow]) -> tuple[TrialRow, ...]:
    """The first trial of each setting."""
    chosen: dict[Hashable, TrialRow] = {}
    for row in rows:
        chosen.setdefault(_setting(row), row)
    return tuple(chosen.values())


def _setting(row: TrialRow) -> Hashable:
    return frozenset(row.params.items())


def _rates(params: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The probabilities to drop among parameters."""
    return {
        name: value
        for name, value in params.items()
        if RATE.fullmatch(name) and type(value) in (int, float)
    }


def _drops_nothing(row: TrialRow) -> bool:
    """Whether a setting has rates, and all are 0; of no layers there is nothing to drop."""
    rates = _rates(row.params)
    return bool(rates) and not any(rates.values())
