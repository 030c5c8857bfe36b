"""What a confirmation says is true as often as it claims: with means and noise that are known.

Candidates are made up: each has a true mean and a noise, and all share what a seed does to
everybody. The last of them is the baseline. The figures of the long form are in
docs/decisions/0034-who-wins-and-by-how-much.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.analysis import Candidate, Confirmation, Repeat, judge, race
from pipeline.config import ShownNumber
from tests.long_form import in_long_form

Floats = npt.NDArray[np.float64]

REPETITIONS: Final = 1_000
OF_SEEDS: Final = 0.7
"""How much a seed does to all candidates, in units of the usual noise of one."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Made-up candidates.

    Attributes:
        spread: The standard deviation of their true means, in units of the usual noise.
        baseline: How far the baseline is above the best of the others; ``None``: one of them.
        noises: Of two candidates the standard deviation is 1.5, of the others 0.3, with ``two``; it
            differs from candidate to candidate with ``many``.
        tail: Degrees of freedom of the noise; ``None``: normal.
    """

    spread: float
    baseline: float | None = None
    noises: str = "one"
    tail: int | None = None
    n_candidates: int = 6
    n_seeds: int = 5

    def draw(self, chance: np.random.Generator) -> tuple[Floats, Floats]:
        """True means by candidate, and values by candidate and seed."""
        means = (
            chance.normal(0.0, self.spread, self.n_candidates)
            if self.spread
            else (np.zeros(self.n_candidates))
        )
        if self.baseline is not None:
            means[-1] = means[:-1].min() + self.baseline
        shape = self.n_candidates, self.n_seeds
        noise = chance.normal(size=shape)
        if self.tail:
            noise = chance.standard_t(self.tail, shape) / np.sqrt(self.tail / (self.tail - 2))
        of_seeds = OF_SEEDS * chance.normal(size=self.n_seeds)
        return means, means[:, None] + self._sds(chance)[:, None] * noise + of_seeds

    def _sds(self, chance: np.random.Generator) -> Floats:
        match self.noises:
            case "two":
                return np.where(np.arange(self.n_candidates) < 2, 1.5, 0.3)
            case "many":
                return np.exp(chance.normal(0.0, 0.7, self.n_candidates))
        return np.ones(self.n_candidates)


def confirm(values: Floats) -> Confirmation:
    """Race candidates with these values, and judge them."""

    def train(
        numbers: Sequence[ShownNumber], repeats: range
    ) -> Mapping[ShownNumber, Sequence[Repeat]]:
        return {
            number: [Repeat(repeat=r, value=float(values[int(number), r - 1])) for r in repeats]
            for number in numbers
        }

    n_candidates, n_seeds = values.shape
    waiting = [
        Candidate(number=number, params={}, is_baseline=number == n_candidates - 1)
        for number in range(n_candidates)
    ]
    return judge(race(waiting, train, n_seeds=n_seeds))


@cache
def measure(world: World, seed: int = 34) -> dict[str, float]:
    """How often each statement is true or made, in 100 confirmations; ``seeds`` is a mean."""
    chance = np.random.default_rng(seed)
    found: dict[str, list[float]] = {}
    for _ in range(REPETITIONS):
        means, values = world.draw(chance)
        for name, value in _statements(confirm(values), means).items():
            found.setdefault(name, []).append(value)
    return {name: 100 * float(np.mean(values)) for name, values in found.items()}


def _statements(answer: Confirmation, means: Floats) -> dict[str, float]:
    """What is said, against the truth; what is not said is not among it."""
    best, numbers = int(means.argmin()), [int(one.number) for one in answer.candidates]
    intervals = [answer.value_of(one) for one in answer.candidates]
    covers = [
        (one - float(means[number])).contains_zero
        for number, one in zip(numbers, intervals, strict=True)
    ]
    winner, baseline = numbers[0], len(means) - 1
    said = {
        "means": float(np.mean(covers)),
        "winner": covers[0],
        "tied": best in answer.tied,
        "n_tied": len(answer.tied) / 100,
        "dropped": any(one.number == best for one in answer.candidates if one.dropped),
        "seeds": sum(len(one.repeats) for one in answer.candidates) / len(means) / 100,
        "wins": len(answer.tied) == 1,
        "wins wrongly": len(answer.tied) == 1 and winner != best,
        "beats": answer.beats_baseline,
        "beats wrongly": answer.beats_baseline and means[winner] >= means[baseline],
    }
    if answer.gain is not None:
        true_gain = float(means[baseline] - means[winner])
        said["gain"] = (answer.gain - true_gain).contains_zero
    return said


WORLDS: Final = {
    "equals": World(spread=0.0),
    "equals, two noisy": World(spread=0.0, noises="two"),
    "equals, all noises": World(spread=0.0, noises="many"),
    "near": World(spread=0.5),
    "near, heavy tails": World(spread=0.5, tail=4),
    "near, poor baseline": World(spread=0.5, baseline=4.0),
    "near, two noisy": World(spread=0.5, noises="two"),
    "apart": World(spread=2.0),
    "apart, all noises": World(spread=2.0, noises="many"),
    "apart, 10 seeds": World(spread=2.0, n_seeds=10),
    "apart, 3 seeds": World(spread=2.0, n_seeds=3),
    "ten equals": World(spread=0.0, n_candidates=10),
    "ten equals, two noisy": World(spread=0.0, n_candidates=10, noises="two"),
    "ten apart": World(spread=2.0, n_candidates=10),
}


@pytest.mark.parametrize(
    "name",
    [
        "near, poor baseline",
        *(in_long_form(name) for name in WORLDS if name not in ("near, poor baseline", "apart")),
        "apart",
    ],
)
def test_a_confirmation_is_right_as_often_as_it_claims(name: str) -> None:
    shares = measure(WORLDS[name])
    assert 93 <= shares["means"] <= 97
    assert 93 <= shares["winner"] <= 98, "of the winner's mean, which was chosen"
    assert 93 <= shares["gain"] <= 98, "on the baseline"
    assert shares["tied"] >= 95, "the truly best one"
    assert shares["dropped"] <= 2, "the truly best one, on the way"
    assert shares["wins wrongly"] <= 5
    assert shares["beats wrongly"] <= 5


def test_a_clear_baseline_is_beaten_and_clear_losers_cost_fewer_seeds() -> None:
    assert measure(WORLDS["near, poor baseline"])["beats"] >= 90
    assert measure(WORLDS["apart"])["seeds"] < 4.8


def regrets(spread: float, n_trials: int = 60) -> tuple[Floats, Floats]:
    """What a confirmed winner and the lowest value of as many trainings are worth, by study.

    A study's settings have true means of this spread, in units of the noise of a trial; the best
    five values and the first setting, the baseline, are confirmed.
    """
    chance = np.random.default_rng(35)
    confirmed, lowest = np.zeros(REPETITIONS), np.zeros(REPETITIONS)
    for study in range(REPETITIONS):
        means = chance.normal(0.0, spread, 2 * n_trials)
        values = means + chance.normal(size=2 * n_trials)
        chosen = [*values[:n_trials].argsort()[:5], 0]
        answer = confirm(means[chosen][:, None] + chance.normal(size=(6, 5)))
        n_trainings = n_trials + sum(len(one.repeats) for one in answer.candidates)
        confirmed[study] = means[chosen[int(answer.candidates[0].number)]]
        lowest[study] = means[values[:n_trainings].argmin()]
    return confirmed, lowest


@pytest.mark.parametrize("spread", [1.0, in_long_form(0.5), in_long_form(2.0)])
def test_confirmed_winner_is_better_than_the_lowest_value_of_as_many_trainings(
    spread: float,
) -> None:
    confirmed, lowest = regrets(spread)
    gained = lowest - confirmed
    assert gained.mean() > 3 * gained.std() / np.sqrt(REPETITIONS)
