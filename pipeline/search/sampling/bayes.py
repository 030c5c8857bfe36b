"""Suggestions of a Gaussian process, after a first design that needs none."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.stats import qmc
from threadpoolctl import threadpool_limits

from pipeline.config import Params, StudyConfig, derive_seed, usual_setting
from pipeline.search.sampling.acquisition import next_place
from pipeline.search.sampling.encoding import Encoding, Matrix
from pipeline.search.sampling.known import MIN_OUTCOMES, Known
from pipeline.search.sampling.surrogate import GaussianProcess, fit
from pipeline.search.sampling.transfer import Transfer
from pipeline.trial import TrialRow, WarmStart

MODEL_FREE: Final = 4
"""Where the model knows another study's outcomes, one in so many trials of the first design is."""
LEAST_ROOM: Final = 64
"""For the places of so many trials there is room from the start."""


class BayesianSearch:
    """Suggests the setting that is expected to improve most on the best one.

    The first trials are the study file's own, the usual setting, and points of a Sobol
    sequence. Later ones follow from a Gaussian process over all that is known: values of complete
    trials, and forecasts of those that were stopped or are known in part. A setting that is being
    trained counts with its predicted mean. With the outcomes of another study the model suggests
    three in four of the first design's trials as well; the others keep to the design, so that a
    study that misleads cannot have them all.

    Args:
        study: The study file.
        warm_start: What the study has taken over from another one.
    """

    def __init__(self, study: StudyConfig, warm_start: WarmStart | None = None) -> None:
        self._study = study
        self._encoding = Encoding(study.space)
        self._room = np.empty((LEAST_ROOM, self._encoding.n_columns))
        self._n_trials = 0
        self._known = Known()
        self._model: GaussianProcess | None = None
        self._transfer = Transfer(warm_start, study, self._encoding) if warm_start else None

    def ask(self, number: int) -> Params:
        """Suggest the next trial."""
        with threadpool_limits(1):  # sums must not depend on how many cores the driver has
            setting = self._suggest(number)
        self.restore(number, setting)
        return setting

    def restore(self, number: int, params: Params) -> None:
        """Add a trial that an earlier run suggested."""
        del number
        if self._n_trials == len(self._room):  # doubled, so that a trial is not copied each time
            self._room = np.vstack([self._room, np.empty_like(self._room)])
        self._room[self._n_trials] = self._encoding.encode([params])[0]
        self._n_trials += 1

    @property
    def _places(self) -> Matrix:
        """Of the settings of all trials, by number, float [trials, columns]."""
        return self._room[: self._n_trials]

    def tell(self, trial: TrialRow) -> None:
        """Make a trial's outcome visible."""
        self._known.tell(trial)
        self._model = None

    def peek(self, number: int, losses: Sequence[float]) -> None:
        """Make the first part of a trial's curve visible: its lowest losses so far, by epoch."""
        self._known.peek(number, losses)
        self._model = None

    def _suggest(self, number: int) -> Params:
        n_fixed = len(self._study.trials)
        if number < n_fixed:
            return usual_setting(self._study) | self._study.fixed_params(number)
        index = self._index_in_design(number - n_fixed)
        if index is not None:
            return first_design(self._study, self._encoding, index)
        pending = self._known.pending(len(self._places))
        model = self._fitted().believing(self._places[pending])
        rng = np.random.default_rng(derive_seed(self._study.search.seed, number, "sampler"))
        place = next_place(model, self._encoding, self._places, rng)
        return self._encoding.decode(place[None, :])[0]

    def _index_in_design(self, n_before: int) -> int | None:
        """Which setting of the first design a trial has; ``None``: the model suggests it.

        Args:
            n_before: How many trials of the search there were.
        """
        if not self._encoding.n_columns:
            return n_before
        if len(self._known) >= MIN_OUTCOMES:
            return None
        if self._transfer is None or n_before == 0:
            return n_before
        n_turns, left = divmod(n_before + 1, MODEL_FREE)
        return None if left else n_turns

    def _fitted(self) -> GaussianProcess:
        """The model of what is known, fitted once for all trials that see the same."""
        if self._model is None:
            own = self._known.outcomes(self._places, self._encoding.owner)
            self._model = fit(self._transfer.before(own) if self._transfer else own)
        return self._model


def first_design(study: StudyConfig, encoding: Encoding, index: int) -> Params:
    """A setting of the first design: the usual one, then points of a Sobol sequence.

    Args:
        study: Its seed scrambles the sequence.
        encoding: Of its space.
        index: From 0.
    """
    if index == 0 or not encoding.n_columns:
        return usual_setting(study)
    sequence = qmc.Sobol(
        encoding.n_columns, scramble=True, rng=derive_seed(study.search.seed, "sequence")
    )
    points = sequence.random_base2((index - 1).bit_length())
    return encoding.decode(points[index - 1 : index])[0]
