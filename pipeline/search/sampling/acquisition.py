"""Where to look next: the place of the largest expected improvement."""

from typing import Final

import numpy as np
from scipy.special import ndtr
from scipy.stats import qmc

from pipeline.search.sampling.encoding import Encoding, Matrix
from pipeline.search.sampling.surrogate import GaussianProcess, Vector

N_SPREAD: Final = 512
"""Places over the whole space that are looked at; a power of two, as Sobol's sequence wants."""
N_STARTS: Final = 5
"""Places around which others are looked at: at first the best settings, then the best places."""
N_AROUND: Final = 60
FIRST_STEP, LATER_STEP = 0.15, 0.1
"""The middle length of a move, as a part of a range."""
STEP_SPREAD: Final = 0.7
"""Of the logarithm of that length."""
MOVED: Final = 0.3
"""The part of the columns that a move changes."""
SAME: Final = 1e-6
LEAST_DENSITY: Final = 1e-300
TAIL: Final = -5.0
"""Below so many standard deviations the improvement is computed by its expansion."""


def next_place(
    model: GaussianProcess, encoding: Encoding, taken: Matrix, rng: np.random.Generator
) -> Matrix:
    """Find the place where the lowest value is expected to improve most.

    "Lowest" is the lowest predicted mean of a known setting, not the lowest value: that one was
    lucky (https://arxiv.org/abs/1206.2944, https://doi.org/10.1007/s10898-005-4550-x).

    Args:
        model: What is known; settings that are being trained included.
        encoding: Of the space.
        taken: Places of settings that were suggested before, float [n, columns]; they are not
            suggested again.
        rng: For the places that are looked at.

    Returns:
        A place that a setting has, float [columns].
    """
    places, _ = _ordered(model, encoding, rng)
    return _first_new(places, taken)


def largest_improvement(
    model: GaussianProcess, encoding: Encoding, rng: np.random.Generator
) -> float:
    """Find by how much the next trial is expected to improve on the lowest predicted mean.

    Args:
        model: What is known.
        encoding: Of the space.
        rng: For the places that are looked at.
    """
    _, improvements = _ordered(model, encoding, rng)
    return float(np.exp(improvements[0]))


def _ordered(
    model: GaussianProcess, encoding: Encoding, rng: np.random.Generator
) -> tuple[Matrix, Vector]:
    """Look at places, and order them by the logarithm of their expected improvement."""
    spread = qmc.Sobol(encoding.n_columns, scramble=True, rng=rng).random(N_SPREAD)
    best = model.outcomes.places[np.argsort(model.means, kind="stable")[:N_STARTS]]
    places = encoding.nearest(np.vstack([spread, _around(best, encoding, rng, FIRST_STEP)]))
    improvements = log_expected_improvement(*model.predict(places), model.lowest)
    better = places[np.argsort(-improvements, kind="stable")[:N_STARTS]]
    closer = encoding.nearest(_around(better, encoding, rng, LATER_STEP))
    of_closer = log_expected_improvement(*model.predict(closer), model.lowest)
    places = np.vstack([places, closer])
    improvements = np.concatenate([improvements, of_closer])
    order = np.argsort(-improvements, kind="stable")
    return places[order], improvements[order]


def log_expected_improvement(means: Vector, sds: Vector, lowest: float) -> Vector:
    """The logarithm of the expected improvement on the lowest value (arXiv 2310.20708)."""
    z = (lowest - means) / sds
    log_density = -0.5 * z**2 - 0.5 * np.log(2 * np.pi)
    near = np.log(np.maximum(np.exp(log_density) + z * ndtr(z), LEAST_DENSITY))
    far = log_density - 2 * np.log(np.maximum(-z, -TAIL))
    improvement: Vector = np.log(sds) + np.where(z > TAIL, near, far)
    return improvement


def _around(
    starts: Matrix, encoding: Encoding, rng: np.random.Generator, middle_step: float
) -> Matrix:
    """Move starts in some of their columns; along listed values by one of them at least."""
    places = np.repeat(starts, N_AROUND, axis=0)
    is_moved = rng.random(places.shape) < MOVED
    is_moved[np.arange(len(places)), rng.integers(places.shape[1], size=len(places))] = True
    lengths = middle_step * np.exp(rng.normal(0, STEP_SPREAD, (len(places), 1)))
    moves = rng.normal(size=places.shape) * lengths
    moves = np.sign(moves) * np.maximum(np.abs(moves), encoding.steps)
    moved: Matrix = np.clip(places + is_moved * moves, 0.0, 1.0)
    return moved


def _first_new(places: Matrix, taken: Matrix) -> Matrix:
    """The first place that was not taken; the first of all if there is none."""
    new = (
        place for place in places if (np.abs(taken - place).max(axis=1, initial=0.0) > SAME).all()
    )
    return next(new, places[0])
