"""What each parameter does to the value: which of its values are as good as the best, and how sure.

The words follow from the numbers by the rules of ``Effect.sentence``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal

from pipeline.config import Objective, Scalar

if TYPE_CHECKING:
    from pipeline.trial.interaction import Interaction

Verdict = Literal["wants", "indifferent", "unknown"]
End = Literal["low", "high"]

NARROW: Final = 0.4
"""A part of the range that most of it can be told from."""
NORMAL: Final = 1.96
"""A 95 % interval reaches so many standard deviations to either side."""
NUMBERS: Final = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
]
RATE: Final = re.compile(r"((?P<place>input|block)_)?dropout(_(?P<layer>\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A parameter's effect, the others being as in the best settings.

    Attributes:
        parameter: Its name.
        values: Where the effect is told, ascending; of words, in the order of the study file.
        losses: By how much each is above the best of them, as the search compares values.
        sds: Standard deviation of each of these differences; 0 at the best.
        is_as_good: Of each, whether it cannot be told from the best.
        verdict: Where no value can be told from the best: ``indifferent`` if no difference can be
            more than a small one, else ``unknown``.
        most: No difference is above this one, as far as the model knows.
        at_end: Where the best value is an end of its range that could be wider.
        share: The parameter's part of the differences that all parameters make, in [0, 1].
        objective: The study's.
        averaged: As ``losses``, the others being as in all trained settings, in the mean.
        averaged_sds: Standard deviation of each of these differences.
        small: A difference below this one does not count.
        counts: What a number of it counts, in the singular: ``hidden layer``; ``None``: nothing.
        importance: By Optuna's evaluator, in [0, 1]; ``None`` where it does not tell.
    """

    parameter: str
    values: tuple[Scalar, ...]
    losses: tuple[float, ...]
    sds: tuple[float, ...]
    is_as_good: tuple[bool, ...]
    verdict: Verdict
    most: float
    at_end: End | None
    share: float
    objective: Objective
    averaged: tuple[float, ...] = ()
    averaged_sds: tuple[float, ...] = ()
    small: float = 0.0
    counts: str | None = None
    importance: float | None = None

    @property
    def best(self) -> Scalar:
        """The best value."""
        return self.values[self.losses.index(min(self.losses))]

    @property
    def as_good(self) -> tuple[Scalar, ...]:
        """The values that cannot be told from the best, the best included."""
        return tuple(
            value for value, is_it in zip(self.values, self.is_as_good, strict=True) if is_it
        )

    @property
    def is_narrow(self) -> bool:
        """Whether most of the range is told from the best."""
        return len(self.as_good) <= NARROW * len(self.values)

    @property
    def is_rate(self) -> bool:
        """Whether it is a probability to drop."""
        return bool(RATE.fullmatch(self.parameter))

    @property
    def title(self) -> str:
        """Who wants the value: ``layer 2``, ``the input``, or the parameter's name."""
        return title_of(self.parameter)

    @property
    def sentence(self) -> str:
        """What the effect comes to, in words."""
        match self.verdict:
            case "indifferent":
                most = f"less than {shown(self.most)} in {self.objective.metric}"
                return f"{self.title} is indifferent {self._between(self.values)} ({most})"
            case "unknown":
                most = f"by up to {shown(self.most)} in {self.objective.metric}"
                what = f"which {self._what} is better"
                return f"{self.title}: these trials do not tell {what} ({most})"
        return f"{self._wants}{self._worse}{self._widen}"

    @property
    def _what(self) -> str:
        return "dropout" if self.is_rate else "value"

    @property
    def stretches(self) -> list[tuple[Scalar, ...]]:
        """The values that cannot be told from the best: of a range, parted where one can."""
        if not isinstance(self.best, float):
            return [self.as_good]
        pairs = zip(self.values, self.is_as_good, strict=True)
        runs = groupby(pairs, key=itemgetter(1))
        return [tuple(value for value, _ in run) for is_good, run in runs if is_good]

    @property
    def _wants(self) -> str:
        good = self.as_good
        if self.is_rate:
            return f"{self.title} {self._rate_wanted}"
        if self.counts and good[0] != self.best:
            return f"{self.parameter}: {self._fewer(self.counts)}"
        if isinstance(self.best, int) and len(good) > 1:
            return f"{self.parameter}: {_listed(good)} cannot be told apart"
        return f"{self.parameter}: best {self._good}"

    @property
    def _rate_wanted(self) -> str:
        good, is_one_stretch = self.as_good, len(self.stretches) == 1
        if is_one_stretch and good[0] == 0 and not self.is_narrow:
            return f"takes any dropout up to {shown(good[-1])}"
        if is_one_stretch and self.best == 0:
            most = f", at most {shown(good[-1])}" if len(good) > 1 else ""
            return f"wants no dropout{most}"
        return f"wants dropout {self._good}"

    @property
    def _good(self) -> str:
        return " or ".join(map(_listed, self.stretches))

    def _fewer(self, what: str) -> str:
        """Whether the fewest layers that cannot be told from the best number are as good."""
        fewest, best = self.as_good[0], self.best
        index = self.values.index(fewest)
        is_bounded = self.losses[index] + NORMAL * self.sds[index] <= self.small
        relation = "as good as" if is_bounded else "no worse than"
        told = "" if is_bounded else ", as far as these trials tell"
        those = f"one {what} is" if fewest == 1 else f"{_number(fewest)} {what}s are"
        return f"{those} {relation} {_number(best)}{told}"

    @property
    def _worse(self) -> str:
        """By how much the worst value is worse than the best, of those that can be told from it."""
        told = [index for index, is_it in enumerate(self.is_as_good) if not is_it]
        index = max(told, key=lambda one: self.losses[one])
        lost = f"{self.objective.metric} {shown(self.losses[index])} {self.objective.worse_word}"
        return f"; at {shown(self.values[index])} it is worse ({lost} the best)"

    @property
    def _widen(self) -> str:
        if self.at_end is None:
            return ""
        way = "below" if self.at_end == "low" else "above"
        return f"; the best is at the edge: widen {self.parameter} {way} {shown(self.best)}"

    def _between(self, values: Sequence[Scalar]) -> str:
        if isinstance(values[0], str | bool):
            return f"among {', '.join(map(str, values))}"
        what = "dropout " * self.is_rate
        return f"between {what}{shown(values[0])} and {shown(values[-1])}"

    def as_json(self) -> dict[str, Any]:
        """The effect as the command line's JSON holds it."""
        good = self.as_good
        is_word = isinstance(self.best, str | bool)
        return {
            "best": list(good) if is_word else [good[0], good[-1]],
            "verdict": self.verdict,
            "at_end": self.at_end,
            "share": self.share,
            "importance": self.importance,
            "values": list(self.values),
            "above_best": list(self.losses),
            "sd": list(self.sds),
            "averaged": {"above_best": list(self.averaged), "sd": list(self.averaged_sds)},
        }


def title_of(parameter: str) -> str:
    """Who wants a parameter's value: see ``Effect.title``."""
    match = RATE.fullmatch(parameter)
    if match is None:
        return parameter
    if match["place"] == "input":
        return "the input"
    what = match["place"] or "layer"
    return f"{what} {match['layer']}" if match["layer"] else f"each {what}"


def answer_json(
    effects: Sequence[Effect], interactions: "Sequence[Interaction]" = ()
) -> dict[str, Any]:
    """The answer of a study, as the command line's JSON holds it."""
    return {
        "words": [
            *(effect.sentence for effect in effects),
            *(one.sentence for one in interactions),
        ],
        "effects": {effect.parameter: effect.as_json() for effect in effects},
        "interactions": [one.as_json() for one in interactions],
    }


def shown(value: Scalar) -> str:
    """A value in a sentence: two digits of a number that is not whole."""
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _number(value: Scalar) -> str:
    """A number of things, in words where it is small."""
    return NUMBERS[value] if isinstance(value, int) and value < len(NUMBERS) else str(value)


def _listed(values: Sequence[Scalar]) -> str:
    """Values that cannot be told apart: a range of numbers, a list of words."""
    first, last = shown(values[0]), shown(values[-1])
    if isinstance(values[0], str | bool):
        return " or ".join(map(str, values))
    if first == last:
        return first
    if isinstance(values[0], int):
        return ", ".join(map(str, values))
    return f"{first} to {last}"
