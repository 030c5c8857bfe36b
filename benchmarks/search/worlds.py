"""Made-up answers: response surfaces whose effects and interactions are known, and studies of them.

A world is drawn from a seed. Each parameter has an effect of its own on the value, or none; two
of them may act together beside that. A trial's curve falls to the setting's value, with noise.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from pipeline.config import FINALIST_SEEDS, Finalist, Params, StudyConfig, check_study
from pipeline.search.finalists import choose_settings
from pipeline.search.sampling.bayes import BayesianSearch
from pipeline.search.sampling.encoding import Encoding, NominalAxis
from pipeline.trial import TrialRow, TrialState

Floats = npt.NDArray[np.float64]
Sampler = Literal["random", "gp"]

SPACE: Final[dict[str, Any]] = {
    "depth": {"low": 1, "high": 3},
    "width": {"choices": [32, 64, 128, 256]},
    "input_dropout": {"low": 0.0, "high": 0.3},
    "dropout": {"low": 0.0, "high": 0.6, "per_layer": True},
    "batch_size": {"choices": [32, 64, 128, 256]},
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "activation": {"choices": ["relu", "tanh", "gelu"]},
}
"""Numbers, choices with and without an order, and rates of layers that a network may not have."""
PAIRS: Final = (
    ("batch_size", "learning_rate"),
    ("depth", "dropout_1"),
    ("width", "dropout_1"),
    ("dropout_1", "dropout_2"),
    ("input_dropout", "learning_rate"),
)
"""Which may act together."""
EPOCHS: Final = 8
RUNG: Final = 2
"""After so many epochs a trial is stopped that is worse than the median of those before it."""
IS_IDLE: Final = 0.25
"""The probability that a parameter has no effect."""
EFFECTS: Final = (0.01, 0.2)
"""What a parameter makes at most, in the loss."""
NOISES: Final = (0.003, 0.02)
"""Between seeds, in the loss."""
FLOOR: Final = 0.3
"""What the best setting is worth, about."""

START, PACE, PACE_SD = 2.0, 1.5, 0.1
"""A curve begins so many times above its end, and falls by e in so many epochs, some in fewer."""

Shape = Callable[[Floats], Floats]


@dataclass(frozen=True)
class World:
    """What settings are worth.

    Args:
        seed: Draws everything.
        n_together: So many pairs of parameters act together.
        n_trials: Of the search; its finalists come on top.
        sampler: Who suggests them.
        is_stopping: Whether trials are stopped early.
    """

    seed: int
    n_together: int = 0
    n_trials: int = 60
    sampler: Sampler = "random"
    is_stopping: bool = False

    @cached_property
    def study(self) -> StudyConfig:
        """The study file."""
        document = {
            "name": "made-up",
            "data": {"name": "digits"},
            "model": {"name": "mlp"},
            "space": SPACE,
            "training": {"epochs": EPOCHS},
            "search": {"trials": self.n_trials, "sampler": self.sampler, "seed": self.seed},
        }
        return check_study(document, "made-up.yaml")

    @cached_property
    def encoding(self) -> Encoding:
        """Of the study's space."""
        return Encoding(self.study.space)

    def chance(self, *purpose: int) -> np.random.Generator:
        """The random numbers of a purpose."""
        return np.random.default_rng([self.seed, *purpose])

    @cached_property
    def noise(self) -> float:
        """Standard deviation of a setting's value over seeds."""
        return _between(self.chance(1), NOISES)

    @cached_property
    def effects(self) -> Mapping[str, Shape]:
        """What each parameter does on its own, by its place in [0, 1]."""
        return {
            name: _shape(self.chance(2, index)) for index, name in enumerate(self.encoding.axes)
        }

    @cached_property
    def together(self) -> Mapping[tuple[str, str], float]:
        """The pairs that act together, and what that makes at most."""
        chance = self.chance(3)
        chosen = chance.permutation(len(PAIRS))[: self.n_together].tolist()
        low, high = EFFECTS
        return {
            PAIRS[index]: float(chance.choice([-1, 1])) * _between(chance, (2 * low, high))
            for index in chosen
        }

    def place(self, name: str, value: Any) -> float:
        """Where a value is in its range, in [0, 1]; words are evenly spaced."""
        axis = self.encoding.axes[name]
        if isinstance(axis, NominalAxis):
            return axis.domain.choices.index(value) / (axis.width - 1)
        return float(axis.encode(value)[0])

    def worth(self, params: Params) -> float:
        """The mean of a setting's value over seeds."""
        active = self.study.space.active(params)
        places = {name: self.place(name, params[name]) for name in self.effects if name in active}
        alone = sum(self.alone(name, place) for name, place in places.items())
        both = sum(
            _both(size, places[first], places[second])
            for (first, second), size in self.together.items()
            if first in places and second in places
        )
        return FLOOR + alone + both

    def part(self, params: Params, name: str) -> float:
        """What a parameter makes of a setting's value, with those that it acts together with."""
        place = self.place(name, params[name])
        others = [
            (next(one for one in pair if one != name), size)
            for pair, size in self.together.items()
            if name in pair
        ]
        both = (
            _both(size, place, self.place(other, params[other]))
            for other, size in others
            if self.study.space.has(other, params)
        )
        return self.alone(name, place) + sum(both)

    def alone(self, name: str, place: float) -> float:
        """What a parameter does on its own."""
        return float(self.effects[name](np.array(place)))


def _both(size: float, first: float, second: float) -> float:
    return 2 * size * (first - 0.5) * (second - 0.5)


def _between(chance: np.random.Generator, bounds: tuple[float, float]) -> float:
    low, high = bounds
    return math.exp(chance.uniform(math.log(low), math.log(high)))


def _shape(chance: np.random.Generator) -> Shape:
    """Draw an effect: none, a valley, a slope, a bend, or a kink, with 0 as its lowest value."""
    size, centre = _between(chance, EFFECTS), float(chance.uniform(-0.2, 1.2))
    kind = str(chance.choice(["valley", "slope", "bend", "kink"]))
    turned = bool(chance.integers(2))
    if chance.random() < IS_IDLE:
        return np.zeros_like

    def raw(place: Floats) -> Floats:
        where = 1 - place if turned else place
        match kind:
            case "valley":
                return (where - centre) ** 2
            case "slope":
                return where
            case "bend":
                return -np.exp(-4 * where)
        return np.abs(where - centre)

    grid = raw(np.linspace(0.0, 1.0, 101))
    low, span = float(grid.min()), float(np.ptp(grid))
    return lambda place: size * (raw(place) - low) / span


@dataclass(frozen=True, kw_only=True)
class Table:
    """The trials of a made-up study.

    Attributes:
        suggested: The parameters of each, by number.
        rows: How each ended.
    """

    suggested: Sequence[Params]
    rows: Sequence[TrialRow]


def search(world: World, *, block: int = 8) -> Table:
    """Run the study of a world: its search, then the finalists."""
    suggested: list[Params] = []
    rows: list[TrialRow] = []
    ask = _asker(world, rows)
    for first in range(0, world.n_trials, block):
        numbers = range(first, min(first + block, world.n_trials))
        suggested += [ask(number) for number in numbers]
        rows += [_trained(world, number, suggested[number], rows) for number in numbers]
    n_left = FINALIST_SEEDS * world.study.n_finalists
    chosen = choose_settings(world.study, suggested, rows, n_trials=n_left)
    last = len(rows) + len(chosen) - 1
    for setting_of in chosen:
        finalist = Finalist(setting_of=setting_of, first=world.n_trials, last=last)
        suggested.append(suggested[setting_of])
        rows.append(_trained(world, len(rows), suggested[-1], (), finalist))
    return Table(suggested=suggested, rows=rows)


def _asker(world: World, rows: Sequence[TrialRow]) -> Callable[[int], Params]:
    """Who suggests a trial."""
    if world.sampler == "random":
        places = world.chance(4).uniform(size=(world.n_trials, world.encoding.n_columns))
        return lambda number: world.encoding.decode(places[number : number + 1])[0]
    model = BayesianSearch(world.study)
    told: list[int] = []

    def ask(number: int) -> Params:
        for row in rows[len(told) :]:
            model.tell(row)
            told.append(row.number)
        return model.ask(number)

    return ask


def _trained(
    world: World,
    number: int,
    params: Params,
    before: Sequence[TrialRow],
    finalist: Finalist | None = None,
) -> TrialRow:
    """Train a trial; only those of the search are stopped."""
    scores = curve(world, number, params)
    reached = [row.scores[RUNG - 1] for row in before]
    is_stopped = (
        world.is_stopping and len(reached) > 1 and scores[RUNG - 1] > float(np.median(reached))
    )
    seen = scores[:RUNG] if is_stopped else scores
    return TrialRow(
        number=number,
        state=TrialState.PRUNED if is_stopped else TrialState.COMPLETE,
        value=None if is_stopped else min(seen),
        best_epoch=seen.index(min(seen)) + 1,
        params={name: params[name] for name in world.study.space.active(params)},
        run_id=None,
        weights_sha256=None,
        cause="stopped" if is_stopped else None,
        finalist=finalist,
        scores=seen,
    )


def curve(world: World, number: int, params: Params) -> tuple[float, ...]:
    """A trial's losses by epoch: they fall to its value, those of all trials about as fast."""
    chance = world.chance(5, number)
    value = world.worth(params) + world.noise * float(chance.normal())
    pace = PACE * math.exp(PACE_SD * float(chance.normal()))
    left = [math.exp(-epoch / pace) for epoch in range(1, EPOCHS + 1)]
    return tuple(value * (1 + START * (one - left[-1])) for one in left)
