"""A Gaussian process: what a setting would come to, and how sure that is.

Matérn 5/2 with a length scale for each parameter (Rasmussen and Williams, Gaussian Processes for
Machine Learning, 2006, chapters 2 and 5). The hyperparameters maximise the likelihood times a
prior, since a study has few trials: length scales grow with the square root of the number of
parameters (Hvarfner et al., https://arxiv.org/abs/2402.02229).
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

ROOT_5: Final = math.sqrt(5.0)
JITTER: Final = 1e-8
LEAST_SD: Final = 1e-12
MAX_STEPS: Final = 60

LENGTH_MIDDLE: Final = 0.6
"""A length scale's median in its prior, times the square root of the number of parameters."""
LENGTH_SD: Final = 1.0
"""Of the logarithm of a length scale, in its prior."""
SCALE_SD: Final = 1.0
NOISE_MEAN, NOISE_SD = math.log(1e-2), 1.5
"""Of the logarithm of the noise's variance, a fraction of that of the values."""
LENGTH_BOUNDS, SCALE_BOUNDS, NOISE_BOUNDS = (-4.0, 4.0), (-3.0, 3.0), (-14.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """What was measured.

    Attributes:
        places: Float [n, columns].
        values: Float [n].
        doubt: Standard deviation of each value beside the noise that all have, float [n]: 0 for
            one that was measured, more for one that was predicted from part of a curve.
        owner: The parameter that each column belongs to, int [columns].
        n_borrowed: So many of them, the first ones, are another study's.
    """

    places: Matrix
    values: Vector
    doubt: Vector
    owner: npt.NDArray[np.intp]
    n_borrowed: int = 0

    def joined(self, places: Matrix, values: Vector) -> "Outcomes":
        """Add settings, float [m, columns], that came to values, float [m]."""
        return replace(
            self,
            places=np.vstack([self.places, places]),
            values=np.concatenate([self.values, values]),
            doubt=np.concatenate([self.doubt, np.zeros(len(values))]),
        )


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """What is fitted. Variances are of values with ``mean`` subtracted, divided by ``sd``.

    Attributes:
        lengths: Logarithms of length scales, float [parameters], in units of the ranges.
        scale: Logarithm of the variance of the function.
        noise: Logarithm of the variance of the noise.
    """

    lengths: Vector
    scale: float
    noise: float
    mean: float
    sd: float


class GaussianProcess:
    """Conditioned on outcomes, with given hyperparameters; ``fit`` finds them.

    Args:
        outcomes: At least one.
        hyperparameters: From ``fit``.
    """

    def __init__(self, outcomes: Outcomes, hyperparameters: Hyperparameters) -> None:
        self.outcomes = outcomes
        self.hyperparameters = hyperparameters
        self._stretch = np.exp(-hyperparameters.lengths)[outcomes.owner]
        self._known = outcomes.places * self._stretch
        self._scale = math.exp(hyperparameters.scale)
        covariance = self._covariance(self._known)
        noise = math.exp(hyperparameters.noise) + (outcomes.doubt / hyperparameters.sd) ** 2
        covariance[np.diag_indices_from(covariance)] += noise + JITTER
        self._factor = cholesky(covariance, lower=True)
        values = (outcomes.values - hyperparameters.mean) / hyperparameters.sd
        self._weights = cho_solve((self._factor, True), values)

    def _covariance(self, stretched: Matrix) -> Matrix:
        """Between places, stretched by the length scales, and the known ones."""
        return self._scale * matern(squared_distances(stretched, self._known))

    @property
    def noise_sd(self) -> float:
        """By how much a value differs when the same setting is trained on other seeds."""
        return self.hyperparameters.sd * math.exp(self.hyperparameters.noise / 2)

    def predict(self, places: Matrix) -> tuple[Vector, Vector]:
        """Predict what settings come to, in the mean over seeds.

        Args:
            places: Float [m, columns].

        Returns:
            Means and standard deviations, float [m] each, in units of the values.
        """
        covariance = self._covariance(places * self._stretch)
        shared = solve_triangular(self._factor, covariance.T, lower=True)
        variances = np.maximum(self._scale - (shared**2).sum(axis=0), LEAST_SD)
        return self._means(covariance), np.sqrt(variances) * self.hyperparameters.sd

    def _means(self, covariance: Matrix) -> Vector:
        """What settings come to, by their covariance with the known ones, float [m, n]."""
        means: Vector = covariance @ self._weights * self.hyperparameters.sd
        return means + self.hyperparameters.mean

    def compare(self, places: Matrix, place: Vector) -> tuple[Vector, Vector]:
        """Predict by how much settings are above another one, in the mean over seeds.

        Settings near each other are known to be alike though neither is known well, so this is
        more certain than two predictions are.

        Args:
            places: Float [m, columns].
            place: Of the other one, float [columns].

        Returns:
            Means and standard deviations of the differences, float [m] each.
        """
        stretched, other = places * self._stretch, place[None, :] * self._stretch
        covariance = self._covariance(stretched) - self._covariance(other)
        alone = 2 * self._scale * (1 - matern(squared_distances(stretched, other))[:, 0])
        shared = solve_triangular(self._factor, covariance.T, lower=True)
        variances = np.maximum(alone - (shared**2).sum(axis=0), 0.0)
        sd = self.hyperparameters.sd
        return covariance @ self._weights * sd, np.sqrt(variances) * sd

    def contrast(self, places: Matrix, weights: Matrix) -> tuple[Vector, Vector]:
        """Predict weighted sums of what settings come to, in the mean over seeds.

        Args:
            places: Float [m, columns].
            weights: Float [g, m]; each row sums to 0.

        Returns:
            Means and standard deviations of the sums, float [g] each.
        """
        stretched = places * self._stretch
        covariance = self._covariance(stretched)
        shared = solve_triangular(self._factor, covariance.T, lower=True)
        alone = self._scale * matern(squared_distances(stretched, stretched))
        variances = (weights @ (alone - shared.T @ shared) * weights).sum(axis=1)
        sd = self.hyperparameters.sd
        return weights @ covariance @ self._weights * sd, np.sqrt(np.maximum(variances, 0.0)) * sd

    @cached_property
    def means(self) -> Vector:
        """What the known settings come to, float [n], without their noise."""
        return self._means(self._covariance(self.outcomes.places * self._stretch))

    @property
    def lowest(self) -> float:
        """What the best setting of this study comes to: what others are to improve on."""
        return float(self.means[self.outcomes.n_borrowed :].min())

    def believing(self, places: Matrix) -> "GaussianProcess":
        """Take what is predicted of settings, float [m, columns], for measured.

        The "kriging believer" (https://doi.org/10.1007/978-3-642-10701-6_6): predicted means stay
        as they are, and nothing is left to learn at these places.
        """
        if not len(places):
            return self
        outcomes = self.outcomes.joined(places, self.predict(places)[0])
        return GaussianProcess(outcomes, self.hyperparameters)


def fit(outcomes: Outcomes, *, least_noise: float = 0.0) -> GaussianProcess:
    """Condition a process on outcomes, at least one, with the most probable hyperparameters.

    Args:
        outcomes: What was measured.
        least_noise: The noise's standard deviation is at least this.
    """
    posterior = _Posterior(outcomes, least_noise)
    return GaussianProcess(outcomes, posterior.read(find_mode(posterior)))


class Posterior(Protocol):
    """The negative logarithm of a posterior of hyperparameters, with its gradient.

    Attributes:
        start: Where its mode is sought from.
        bounds: Of each hyperparameter.
    """

    start: Vector
    bounds: list[tuple[float, float]]

    def __call__(self, point: Vector) -> tuple[float, Vector]:
        """Evaluate a point, and the gradient there."""


def find_mode(posterior: Posterior) -> Vector:
    """Find the most probable hyperparameters."""
    found = minimize(
        posterior,
        posterior.start,
        jac=True,
        method="L-BFGS-B",
        bounds=posterior.bounds,
        options={"maxiter": MAX_STEPS},
    )
    mode: Vector = found.x
    return mode


class _Posterior:
    """The negative logarithm of likelihood times prior, as a function of the hyperparameters."""

    def __init__(self, outcomes: Outcomes, least_noise: float = 0.0) -> None:
        self._n, self._n_lengths = len(outcomes.values), int(outcomes.owner.max()) + 1
        self._mean = float(outcomes.values.mean())
        self._sd = max(float(outcomes.values.std()), LEAST_SD)
        self._values = (outcomes.values - self._mean) / self._sd
        self._doubt = (outcomes.doubt / self._sd) ** 2
        differences = (outcomes.places[:, None, :] - outcomes.places[None, :, :]) ** 2
        owners = outcomes.owner[None, :] == np.arange(self._n_lengths)[:, None]
        self._squares = differences @ owners.T.astype(np.float64)
        length = math.log(LENGTH_MIDDLE * math.sqrt(self._n_lengths))
        self.start = np.array([length] * self._n_lengths + [0.0, NOISE_MEAN])
        self._prior_sd = np.array([LENGTH_SD] * self._n_lengths + [SCALE_SD, NOISE_SD])
        noise = self._noise_bounds(least_noise)
        self.bounds = [LENGTH_BOUNDS] * self._n_lengths + [SCALE_BOUNDS, noise]

    def _noise_bounds(self, least_noise: float) -> tuple[float, float]:
        if not least_noise:
            return NOISE_BOUNDS
        lowest, highest = NOISE_BOUNDS
        least = max(2 * math.log(least_noise / self._sd), lowest)
        return least, max(least, highest)

    def read(self, point: Vector) -> Hyperparameters:
        """Name the parts of a point."""
        scale, noise = float(point[-2]), float(point[-1])
        lengths = point[: self._n_lengths]
        return Hyperparameters(
            lengths=lengths, scale=scale, noise=noise, mean=self._mean, sd=self._sd
        )

    def __call__(self, point: Vector) -> tuple[float, Vector]:
        """Evaluate a point, and the gradient there."""
        weights = np.exp(-2 * point[: self._n_lengths])
        scale, noise = np.exp(point[-2:])
        squares = self._squares @ weights
        correlation = matern(squares)
        covariance = scale * correlation + np.diag(noise + self._doubt + JITTER)
        try:
            factor = cholesky(covariance, lower=True)
        except LinAlgError:
            return 1e10, np.zeros_like(point)
        solved = cho_solve((factor, True), self._values)
        # d(-log likelihood) = 0.5 trace(inner d covariance); Rasmussen and Williams, eq. 5.9
        inner = cho_solve((factor, True), np.eye(self._n)) - np.outer(solved, solved)
        slope = inner * scale * matern_slope(squares)
        of_lengths = np.einsum("ij,ijk->k", slope, self._squares) * weights
        of_scale = 0.5 * scale * (inner * correlation).sum()
        of_noise = 0.5 * noise * np.trace(inner)
        off = (point - self.start) / self._prior_sd
        value = 0.5 * self._values @ solved + np.log(np.diag(factor)).sum() + 0.5 * off @ off
        return float(value), np.array([*of_lengths, of_scale, of_noise]) + off / self._prior_sd


def squared_distances(some: Matrix, others: Matrix) -> Matrix:
    """The squared distances of rows [n, columns] to others [m, columns]: float [n, m]."""
    sums = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)[None, :]
    squares: Matrix = np.maximum(sums - 2 * some @ others.T, 0.0)
    return squares


def matern(squares: Matrix) -> Matrix:
    """The correlation of Matérn 5/2 at squared distances."""
    distances = ROOT_5 * np.sqrt(squares)
    correlation: Matrix = (1 + distances + distances**2 / 3) * np.exp(-distances)
    return correlation


def matern_slope(squares: Matrix) -> Matrix:
    """Minus the derivative of ``matern`` by the squared distance."""
    distances = ROOT_5 * np.sqrt(squares)
    slope: Matrix = 5 / 6 * (1 + distances) * np.exp(-distances)
    return slope
