"""Who wins when the best few are trained again on new seeds, by how much, and who is as good."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.analysis.candidates import Candidate, Dropped
from pipeline.analysis.intervals import Interval, interval_of_best
from pipeline.analysis.race import LAST_ERROR, beaten
from pipeline.config import NO_DROPOUT, VAL_LOSS, Objective, ShownNumber, label_of, number_of
from pipeline.errors import counted

MOST_SHOWN: Final = 2
"""Of a user's own scores on the test part a table shows so many; all are in the JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The answer of a confirmation.

    Attributes:
        candidates: The best mean first; those that were dropped come after the others, those with a
            failed repeat last.
        winner: The number of the best mean; ``None`` where every candidate failed.
        tied: Numbers that cannot be told apart from the winner, the winner first.
        objective: Which score the values are.
    """

    candidates: tuple[Candidate, ...]
    winner: ShownNumber | None
    tied: tuple[ShownNumber, ...]
    objective: Objective = VAL_LOSS

    def value_of(self, candidate: Candidate) -> Interval:
        """A candidate's mean over seeds; the winner's interval knows that it was chosen."""
        if candidate.number != self.winner:
            return candidate.value
        return interval_of_best(candidate.values, len(self.tied), self.objective)

    def too_good(self, candidate: Candidate) -> Interval | None:
        """By how much the search's value of a candidate is better than its mean over new seeds.

        Of many values the best is one of a lucky seed: the winner's curse. ``None`` where the
        search has no value of it.
        """
        if candidate.search_value is None:
            return None
        worse = self.value_of(candidate) - candidate.search_value
        return -worse if self.objective.is_maximized else worse

    @property
    def is_widened(self) -> bool:
        """Whether the winner's interval is wider than that of its values alone."""
        return any(self.value_of(one) != one.value for one in self.candidates)

    @property
    def baseline(self) -> Candidate | None:
        """What the others are compared with."""
        return next((one for one in self.candidates if one.is_baseline), None)

    @property
    def gain(self) -> Interval | None:
        """By how much the winner is better than the baseline, paired by seeds.

        ``None`` where there is no baseline, it failed, or it wins itself.
        """
        baseline = self.baseline
        if self.winner is None or baseline is None or not baseline.is_in_race:
            return None
        n_rivals = sum(number != baseline.number for number in self.tied)
        winner = self.candidates[0]
        return _gain(winner, baseline, n_rivals, self.objective) if winner != baseline else None

    @property
    def beats_baseline(self) -> bool:
        """Whether the winner is better than the baseline beyond doubt."""
        return self.gain is not None and not self.gain.contains_zero

    @property
    def sentence(self) -> str:
        """Who wins, or who cannot be told apart."""
        if self.winner is None:
            n_seeds = max((len(one.repeats) for one in self.candidates), default=0)
            return f"no candidate was trained on all of {counted(n_seeds, 'seed')}"
        seeds = counted(len(self.candidates[0].repeats), "seed")
        if len(self.candidates) == 1:
            return f"{label_of(self.winner)} was the only candidate"
        if len(self.tied) == 1:
            return f"{label_of(self.winner)} wins"
        best = "the baseline" if self.winner == NO_DROPOUT else self.winner
        mean = f"{best} has the {self.objective.best_word} mean"
        return f"{_listed(self.tied)} cannot be told apart at {seeds}; {mean}"

    @property
    def sentences(self) -> tuple[str, ...]:
        """The answer in words: winner, baseline, the search's own value, and who was dropped."""
        said = (self.sentence, self._on_baseline, self._on_search, *self._on_dropped)
        return tuple(sentence for sentence in said if sentence)

    @property
    def _on_baseline(self) -> str | None:
        baseline = self.baseline
        if self.winner is None or baseline is None or len(self.candidates) == 1:
            return None
        what = label_of(baseline.number)
        if baseline.number == NO_DROPOUT:
            what = "the search's best setting without its dropout"
        if baseline.number == self.winner:
            return f"no candidate has a better mean than the baseline ({what})"
        if self.gain is None:
            return f"the baseline ({what}) failed: nothing can be compared with it"
        verb = "beats" if self.beats_baseline else "cannot be told from"
        by = f"{self.objective.metric} {self.objective.better_word} by {self.gain}"
        return f"{label_of(self.winner)} {verb} the baseline ({what}): {by}"

    @property
    def _on_search(self) -> str | None:
        best = next((one for one in self.candidates if one.is_search_best), None)
        too_good = None if best is None else self.too_good(best)
        if best is None or too_good is None or too_good.mean is None:
            return None
        said = f"the search gave {best.label} {self.objective.metric} {best.search_value:.4f}"
        if too_good.contains_zero:
            return f"{said}; by how much that was too good, {too_good}, may be chance"
        if too_good.mean < 0:
            return f"{said}; its mean over new seeds is better by {-too_good}"
        return f"{said}, which was too good by {too_good}"

    @property
    def _on_dropped(self) -> list[str]:
        """A sentence for each time that some were dropped."""
        n_seeds = len(self.candidates[0].repeats) if self.candidates else 0
        dropped = {one.number: one.dropped for one in self.candidates if one.dropped}
        return [
            _dropped_together({n: one for n, one in dropped.items() if one.after == after}, n_seeds)
            for after in sorted({one.after for one in dropped.values()})
        ]

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
        baseline = self.baseline
        return {
            "candidates": [self._candidate_json(candidate) for candidate in self.candidates],
            "tied": list(self.tied),
            "winner": self.winner,
            "baseline": baseline and baseline.number,
            "gain": self.gain and self.gain.as_json(),
            "beats_baseline": self.beats_baseline,
            "why": list(self.sentences),
        }

    def _candidate_json(self, candidate: Candidate) -> dict[str, Any]:
        too_good = self.too_good(candidate)
        return (
            candidate.as_json()
            | self.value_of(candidate).as_json()
            | {"too_good": too_good and too_good.as_json()}
        )


def judge(candidates: Sequence[Candidate], objective: Objective = VAL_LOSS) -> Confirmation:
    """Rank candidates by their mean and find the winner and its equals.

    Whichever candidate is truly the best is the winner or among its equals in 95 of 100
    confirmations, those included that dropped it on the way: see ``race`` and ``beaten``. The
    baseline is an equal where the interval of the winner's gain on it contains 0.

    Args:
        candidates: From ``race``: those that were not dropped have the same seeds.
        objective: Says which mean is the best.
    """
    ranked = tuple(sorted(candidates, key=lambda one: _rank(one, objective)))
    racing = [one for one in ranked if one.is_in_race]
    if not racing:
        return Confirmation(candidates=ranked, winner=None, tied=(), objective=objective)
    best, lost = racing[0], beaten(ranked, error=LAST_ERROR, objective=objective)
    rivals = [one for one in racing if one.number not in lost and not one.is_baseline]

    def is_equal(one: Candidate) -> bool:
        if one.is_baseline:
            return _gain(best, one, len(rivals), objective).contains_zero
        return one in rivals

    tied = tuple(one.number for one in racing if one is best or is_equal(one))
    return Confirmation(candidates=ranked, winner=best.number, tied=tied, objective=objective)


def _rank(candidate: Candidate, objective: Objective) -> tuple[bool, bool, float, int]:
    """Orders candidates by their mean, of equals the first trial; what failed comes last."""
    mean = candidate.value.mean
    loss = math.inf if mean is None else objective.loss(mean)
    number = number_of(candidate.number)
    return not candidate.is_whole, candidate.dropped is not None, loss, number


def _dropped_together(dropped: Mapping[ShownNumber, Dropped], n_seeds: int) -> str:
    """Say why some were dropped at one time: by whom all of them were beaten."""
    first = next(iter(dropped.values()))
    worse = min(one.difference for one in dropped.values())
    were, least = ("were", "at least ") if len(dropped) > 1 else ("was", "")
    return (
        f"{_listed(list(dropped))} {were} dropped after {first.after} of {n_seeds} seeds: worse "
        f"than {label_of(first.by)} by {least}{worse:.4f}, beyond chance"
    )


def _gain(winner: Candidate, other: Candidate, n_rivals: int, objective: Objective) -> Interval:
    """By how much the winner, one of several that may have been it, is better than another."""
    losses = [
        objective.loss(a) - objective.loss(b)
        for a, b in zip(winner.values, other.values, strict=True)
    ]
    return -interval_of_best(losses, n_rivals)


def _listed(numbers: Sequence[ShownNumber]) -> str:
    """``trials 7, 12 and 9``, or ``trial 7 and the baseline``."""
    trials = [str(number) for number in numbers if number != NO_DROPOUT]
    names = ["trial" + "s" * (len(trials) > 1) + f" {trials[0]}", *trials[1:]]
    if NO_DROPOUT in numbers:
        names.append("the baseline")
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
