"""Which two parameters' effects depend on one another.

What two do together beside what each does is a part of the model (see ``SumOfEffects.both``).
Whether that part can be told from noise is asked of its lowest orders: how the slope and the
curvature along one parameter change along the other. A pair that is told is described by the
model's predictions on a grid, and its share by the statistic of Friedman and Popescu (Annals of
Applied Statistics 2, 2008, section 8.1).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
from scipy.special import chdtri

from pipeline.config import Params, StudyConfig
from pipeline.search.answers.anova import Changes, EffectModel, Moments
from pipeline.search.answers.effects import (
    CONTEXTS,
    above_lowest,
    fill,
    having,
    predict_means,
    values_along,
)
from pipeline.search.answers.surface import Surface
from pipeline.search.sampling.encoding import Encoding, NominalAxis
from pipeline.search.sampling.surrogate import Matrix
from pipeline.trial import Effect
from pipeline.trial.interaction import Interaction

ERRORS: Final = 1.0
"""So many pairs of a study would be said to act together where none does, if the model did not
draw what two do towards 0. It does: see docs/decisions/0036-an-answer-that-holds.md."""
MOST: Final = 3
"""So many pairs are told, at most."""
GRID: Final = 5
"""So many values of a range are looked at."""
CANDIDATES: Final = 12
"""Pairs are sought among so many parameters, those whose effects are largest."""
ORDERS: Final = 3
"""The sum of the orders of two parameters' changes is below this: a slope's slope, and what is
curved along one of them."""


def find_interactions(
    study: StudyConfig,
    encoding: Encoding,
    model: EffectModel,
    settings: Sequence[Params],
    effects: Sequence[Effect],
) -> tuple[Interaction, ...]:
    """Find the pairs of parameters that can be told to act together, the largest share first.

    Args:
        study: Its space.
        encoding: Of that space.
        model: Of all outcomes.
        settings: Those of complete trials, each once, the best predicted mean first.
        effects: From ``find_effects``.
    """
    largest = sorted(effects, key=lambda effect: -effect.share)[:CANDIDATES]
    names = [name for name in encoding.axes if name in {one.parameter for one in largest}]
    pairs = list(_pairs(study, encoding, [fill(study, one) for one in settings], names))
    bound = ERRORS / max(len(pairs), 1)
    told = [pair for pair in pairs if pair.is_told(model, bound)]
    found = [_described(encoding, model, pair) for pair in told]
    return tuple(sorted(found, key=lambda one: -one.share)[:MOST])


@dataclass(frozen=True, kw_only=True)
class _Side:
    """One of two parameters.

    Attributes:
        values: With which a setting has the other one, too.
        changes: Slope and curvature along them, or of words each difference from the mean.
        orders: Of each change: 1 of a slope, 2 of a curvature.
    """

    name: str
    values: list[Any]
    changes: Changes
    orders: list[int]


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Two parameters, and the best settings that have both."""

    first: _Side
    second: _Side
    contexts: Sequence[Params]

    @property
    def names(self) -> tuple[str, str]:
        return self.first.name, self.second.name

    def is_told(self, model: EffectModel, bound: float) -> bool:
        """Whether what they do together is improbable, at this bound, where they do nothing."""
        orders = np.add.outer(self.first.orders, self.second.orders).ravel()
        kept = np.flatnonzero(orders <= ORDERS).tolist()
        means, covariances = model.predict(
            lambda process: process.both(self.first.changes, self.second.changes, kept)
        )
        far = float(means @ np.linalg.pinv(covariances, hermitian=True) @ means)
        return far > float(chdtri(len(kept), bound))


def _pairs(
    study: StudyConfig, encoding: Encoding, settings: Sequence[Params], names: Sequence[str]
) -> Iterator[_Pair]:
    """Each two parameters that a setting has, with at least two values beside each other."""
    for one, other in combinations(names, 2):
        contexts = having(study, settings, one, other)[:CONTEXTS]
        if contexts:
            first = _side(study, encoding, contexts[0], one, beside=other)
            second = _side(study, encoding, contexts[0], other, beside=one)
            if min(len(first.values), len(second.values)) > 1:
                yield _Pair(first=first, second=second, contexts=contexts)


def _side(
    study: StudyConfig, encoding: Encoding, context: Params, name: str, *, beside: str
) -> _Side:
    """Look at a parameter where settings have another one."""
    axis = encoding.axes[name]
    values = [
        value
        for value in values_along(axis, GRID)
        if study.space.has(beside, context | {name: value})
    ]
    line = encoding.encode([context | {name: value} for value in values])
    if isinstance(axis, NominalAxis):
        weights = np.eye(len(values))[:-1] - 1 / max(len(values), 1)
    else:
        places = line[:, encoding.columns[name]][:, 0]
        powers = np.vander(places, min(len(values), 3), increasing=True)
        weights = np.linalg.qr(powers)[0].T[1:]
    is_word = isinstance(axis, NominalAxis)
    changes = Changes(index=list(encoding.axes).index(name), line=line, weights=weights)
    orders = [1 if is_word else order for order in range(1, len(weights) + 1)]
    return _Side(name=name, values=values, changes=changes, orders=orders)


def _described(encoding: Encoding, model: EffectModel, pair: _Pair) -> Interaction:
    """What a pair comes to on its grid."""
    means, covariances = _on_grid(encoding, model, pair)
    losses, sds = above_lowest((means, covariances))
    rows, columns = pair.first.values, pair.second.values
    shape = len(rows), len(columns)
    surface = Surface(
        outer=pair.first.name,
        inner=pair.second.name,
        rows=tuple(rows),
        columns=tuple(columns),
        losses=losses.reshape(shape),
        covariances=covariances,
    )
    return Interaction(
        parameters=pair.names,
        values=(surface.rows, surface.columns),
        losses=tuple(map(tuple, surface.losses.tolist())),
        sds=tuple(map(tuple, sds.reshape(shape).tolist())),
        share=share_of_both(surface.losses),
        sentence=surface.sentence,
    )


def _on_grid(encoding: Encoding, model: EffectModel, pair: _Pair) -> Moments:
    """Predict each two values in the mean over contexts, around the mean of all."""
    first, second = pair.names
    places = encoding.encode(
        [
            one | {first: a, second: b}
            for a in pair.first.values
            for b in pair.second.values
            for one in pair.contexts
        ]
    )
    return predict_means(model, places, len(pair.contexts))


def share_of_both(losses: Matrix) -> float:
    """The part of the variance of a table that is neither its rows' nor its columns'.

    >>> share_of_both(np.array([[0.0, 1.0], [1.0, 0.0]]))
    1.0
    """
    centred = losses - losses.mean()
    both = centred - centred.mean(axis=0) - centred.mean(axis=1)[:, None]
    spread = float((centred**2).sum())
    return float((both**2).sum()) / spread if spread else 0.0
