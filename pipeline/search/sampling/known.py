"""What the model of the search is told of trials: values, and forecasts where there is none yet."""

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from pipeline.search.sampling.forecast import Forecast, forecast
from pipeline.search.sampling.surrogate import Matrix, Outcomes, Vector
from pipeline.trial import TrialRow, TrialState

MIN_OUTCOMES: Final = 4
"""With fewer a trial is taken from the first design."""
MAX_OUTCOMES: Final = 256
"""The model knows so many at most: the time of a fit grows with their cube."""
MAX_ANSWERING: Final = 128
"""The same of the model that says what each parameter does."""
FAR: Final = 8.0
"""There a value counts as at most so many times as far above the lowest as the upper quartile."""
WORST: Final = 2.0
"""A value counts as at most so many times as far above the median as the lowest is below it."""


class Known:
    """The outcomes that a suggestion may see, by trial number.

    A trial that was stopped has no value, but most of what is to be known of it: told as the worst
    of all, or not at all, it would teach the model that its place is bad, or unknown.
    """

    def __init__(self) -> None:
        self._finished: dict[int, TrialRow] = {}
        self._lowest: dict[int, Sequence[float]] = {}
        self._n_without_gap = 0

    def __len__(self) -> int:
        """How many trials something is known of."""
        return len(self._lowest)

    def tell(self, trial: TrialRow) -> None:
        """Take in a finished trial."""
        self._finished[trial.number] = trial
        self._lowest[trial.number] = trial.lowest_so_far

    def peek(self, number: int, losses: Sequence[float]) -> None:
        """Take in the lowest losses so far, by epoch, of a trial that is not finished."""
        if number not in self._finished:
            self._lowest[number] = losses

    def pending(self, n_trials: int) -> list[int]:
        """The trials of the first ``n_trials`` that nothing is known of."""
        while self._n_without_gap in self._lowest:  # what is known once stays known
            self._n_without_gap += 1
        return [n for n in range(self._n_without_gap, n_trials) if n not in self._lowest]

    @classmethod
    def of(cls, trials: Iterable[TrialRow]) -> Self:
        """All that is known of trials that have ended."""
        known = cls()
        for trial in trials:
            known.tell(trial)
        return known

    def outcomes(self, places: Matrix, owner: npt.NDArray[np.intp]) -> Outcomes:
        """Put together what the model of a search is fitted to.

        Args:
            places: Of every trial's setting, by number, float [trials, columns].
            owner: The parameter that each column belongs to, int [columns].
        """
        values, doubts = self.values()
        numbers = most_telling(values, MAX_OUTCOMES)
        limited = limit(np.array([values[number] for number in numbers]))
        return Outcomes(
            places=places[numbers],
            values=limited,
            doubt=np.array([doubts[number] for number in numbers]),
            owner=owner,
        )

    def outcomes_of_all(self, places: Matrix, owner: npt.NDArray[np.intp]) -> Outcomes:
        """The same of a model that is to be right about bad settings, too, and not only good ones.

        Args:
            places: As ``outcomes`` takes them.
            owner: As ``outcomes`` takes it.
        """
        values, doubts = self.values()
        numbers = evenly_ranked(values, MAX_ANSWERING)
        return Outcomes(
            places=places[numbers],
            values=without_outliers(np.array([values[number] for number in numbers])),
            doubt=np.array([doubts[number] for number in numbers]),
            owner=owner,
        )

    def values(self) -> tuple[dict[int, float], dict[int, float]]:
        """Each known trial's value or forecast, by number, and the doubt of it."""
        curves = [
            self._lowest[number]
            for number, trial in sorted(self._finished.items())
            if trial.state is TrialState.COMPLETE
        ]
        lines: dict[int, Forecast] = {}
        values, doubts = {}, {}
        for number, losses in sorted(self._lowest.items(), key=itemgetter(0)):
            trial = self._finished.get(number)
            if trial is not None and trial.state is TrialState.COMPLETE:
                values[number], doubts[number] = losses[-1], 0.0
            elif not losses or (trial is not None and trial.state is TrialState.FAIL):
                values[number], doubts[number] = math.inf, 0.0  # as bad as the worst
            else:
                epoch = len(losses)
                if epoch not in lines:
                    lines[epoch] = forecast(curves, epoch)
                values[number], doubts[number] = lines[epoch].at(losses[-1])
        return values, doubts


def most_telling(values: Mapping[int, float], n_outcomes: int) -> list[int]:
    """The numbers of the trials that a model is fitted to: the best half, and the latest.

    Args:
        values: By number, ascending.
        n_outcomes: So many at most, an even number.
    """
    if len(values) <= n_outcomes:
        return list(values)
    best = sorted(values, key=lambda number: (values[number], number))[: n_outcomes // 2]
    chosen = set(best)
    latest = [number for number in values if number not in chosen][-n_outcomes // 2 :]
    return sorted([*best, *latest])


def evenly_ranked(values: Mapping[int, float], n_outcomes: int) -> list[int]:
    """The numbers of so many trials at most, ascending, evenly taken from the best to the worst."""
    ranked = sorted(values, key=lambda number: (values[number], number))
    indices = np.linspace(0, len(ranked) - 1, min(len(ranked), n_outcomes))
    return sorted(ranked[index] for index in np.rint(indices).astype(int))


def limit(values: Vector) -> Vector:
    """Bring values that are far above the others nearer, those of failed trials included.

    A few losses of diverging trials would otherwise be all that the model explains.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros_like(values)
    middle, lowest = float(np.median(finite)), float(finite.min())
    limited: Vector = np.minimum(values, middle + WORST * (middle - lowest))
    return limited


def without_outliers(values: Vector) -> Vector:
    """Bring values far above nearly all others nearer, those of failed trials included."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros_like(values)
    lowest, upper = float(finite.min()), float(np.quantile(finite, 0.75))
    highest = float(finite.max())
    far = lowest + FAR * (upper - lowest) if upper > lowest else highest
    limited: Vector = np.minimum(values, min(far, highest))
    return limited
