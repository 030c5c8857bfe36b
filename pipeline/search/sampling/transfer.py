"""How the model of a search uses the outcomes of another study.

What carries over from one data set to another is which of two settings is the better one, not how
good they are. So the values are brought to the level of this study, and each is doubted, the more
the less the other study ranks this one's own outcomes as they are ranked here (as do the weights of
Feurer et al., https://arxiv.org/abs/1802.02219). See docs/decisions/0025-warm-start.md.
"""

import math
from functools import cached_property
from typing import Final

import numpy as np

from pipeline.config import StudyConfig, usual_setting
from pipeline.search.sampling.encoding import Encoding
from pipeline.search.sampling.known import limit
from pipeline.search.sampling.surrogate import GaussianProcess, Outcomes, Vector, fit
from pipeline.trial import WarmStart

DOUBTED: Final = 0.5
"""The doubt of an outcome where both studies agree, as a part of the spread of its study's."""
TRUSTED_PAIRS: Final = 6
"""Agreement of so many pairs, those of four trials, is believed before any is seen."""
LEAST_AGREEMENT: Final = 0.05
"""With less the outcomes are left out."""


class Transfer:
    """The outcomes of another study, as a model of this one takes them.

    Args:
        warm_start: What was taken.
        study: The study that begins with it.
        encoding: Of its space.
    """

    def __init__(self, warm_start: WarmStart, study: StudyConfig, encoding: Encoding) -> None:
        usual, outcomes = usual_setting(study), warm_start.outcomes
        values = limit(np.array([study.objective.loss(outcome.value) for outcome in outcomes]))
        forecast = np.array([outcome.doubt for outcome in outcomes])
        self._spread = float(values.std())
        self._taken = Outcomes(
            places=encoding.encode([usual | outcome.params for outcome in outcomes]),
            values=values,
            doubt=np.hypot(forecast, DOUBTED * self._spread),
            owner=encoding.owner,
            n_borrowed=len(values),
        )

    def before(self, own: Outcomes) -> Outcomes:
        """Put the outcomes, at the level of this study, before those of its own."""
        if not len(own.values):
            return self._taken
        there = self._predict(own)
        agreement = self._agreement(there, own.values)
        if agreement < LEAST_AGREEMENT:
            return own
        factor, shift = self._level(there, own.values)
        return Outcomes(
            places=np.vstack([self._taken.places, own.places]),
            values=np.concatenate([self._taken.values * factor + shift, own.values]),
            doubt=np.concatenate([self._taken.doubt * factor / agreement, own.doubt]),
            owner=own.owner,
            n_borrowed=self._taken.n_borrowed,
        )

    def _predict(self, own: Outcomes) -> Vector:
        """What settings of this study would have come to in the other one."""
        means, _ = self._model.predict(own.places)
        predicted: Vector = means.clip(self._taken.values.min(), self._taken.values.max())
        return predicted

    @cached_property
    def _model(self) -> GaussianProcess:
        return fit(self._taken)

    def _agreement(self, there: Vector, here: Vector) -> float:
        """From -1 to 1: which part of what the other study says of pairs of settings holds here.

        A pair counts by the difference that the other study predicts: two settings that are about
        as good there may be ranked either way by noise.
        """
        predicted = np.subtract.outer(there, there)
        is_right = np.sign(predicted * np.subtract.outer(here, here))
        weights, trusted = np.abs(predicted) / 2, TRUSTED_PAIRS * self._spread  # each pair is twice
        if not trusted:
            return 0.0
        return float(((weights * is_right).sum() + trusted) / (weights.sum() + trusted))

    def _level(self, there: Vector, here: Vector) -> tuple[float, float]:
        """The factor and the shift from there to here, by the median of all settings.

        Where losses can be below 0 there is no factor.
        """
        if min(self._taken.values.min(), here.min()) > 0.0:
            return math.exp(np.median(np.log(here / there))), 0.0
        return 1.0, float(np.median(here - there))
