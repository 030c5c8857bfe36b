"""A Gaussian process that is a sum of effects: what each parameter does, and what two do together.

Its kernel is that of an additive process to the second order (Duvenaud, Nickisch and Rasmussen,
https://arxiv.org/abs/1112.4394): each parameter has a function of its own, with a scale and a
length of its own, and each two have one more. The process that the search compares settings by
has one scale for all parameters, so it takes what has a small effect for a straight line.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

import numpy as np
from scipy.linalg import LinAlgError, cho_solve, cholesky, solve_triangular

from pipeline.search.sampling.surrogate import (
    JITTER,
    LEAST_SD,
    Matrix,
    Outcomes,
    Vector,
    find_mode,
    matern,
    matern_slope,
    squared_distances,
)

LENGTH, LENGTH_SD = math.log(0.5), 0.75
"""Of the logarithm of a length scale, in its prior; ranges have the length 1."""
SCALE, SCALE_SD = math.log(0.1), 1.5
"""Of the logarithm of the variance of a parameter's effect, as a part of that of the values."""
TOGETHER, TOGETHER_SD = math.log(0.3), 1.5
"""Of the logarithm of the factor of what two parameters do together."""
NOISE, NOISE_SD = math.log(1e-2), 1.5
"""Of the logarithm of the noise's variance, as a part of that of the values."""
FARTHEST: Final = 5.0
"""No hyperparameter is farther from the middle of its prior, in its standard deviations."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The hyperparameters by name; all are logarithms.

    Attributes:
        lengths: Float [parameters].
        scales: Variances of the parameters' own effects, float [parameters].
        together: Factor of the variances of effects of two.
        noise: Variance.
    """

    lengths: Vector
    scales: Vector
    together: float
    noise: float

    @classmethod
    def of(cls, point: Vector) -> "Parts":
        """Name the parts of a point."""
        n = (len(point) - 2) // 2
        return cls(
            lengths=point[:n],
            scales=point[n : 2 * n],
            together=float(point[-2]),
            noise=float(point[-1]),
        )


DRAWS: Final = 8
"""So many hyperparameters are drawn."""
WIDER: Final = 1.1
"""Standard deviations are so many times those of the draws, which are few and around one mode: 95 %
intervals then held 95 % of what they should on studies made for that (decision 36)."""
STEP: Final = 0.05
"""Of the differences that the curvature is found by."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Weighted sums of values along a parameter, such as its slope.

    Attributes:
        index: Of the parameter.
        line: Places that have its values, float [values, columns].
        weights: Float [sums, values]; each row sums to 0.
    """

    index: int
    line: Matrix
    weights: Matrix


Moments = tuple[Vector, Matrix]
"""Means, float [g], and covariances, float [g, g]."""


class SumOfEffects:
    """Conditioned on outcomes, with given hyperparameters.

    Args:
        outcomes: At least one.
        parts: The hyperparameters.
    """

    def __init__(self, outcomes: Outcomes, parts: Parts) -> None:
        self._outcomes, self._parts = outcomes, parts
        self._sd = max(float(outcomes.values.std()), LEAST_SD)
        self._factor_of_two = math.exp(parts.together)
        self._surroundings: dict[bytes, tuple[Matrix, Vector]] = {}
        self._changes: dict[tuple[int, bytes], tuple[Matrix, Matrix]] = {}
        covariance = self._covariance(outcomes.places, outcomes.places)
        noise = math.exp(parts.noise) + (outcomes.doubt / self._sd) ** 2
        covariance[np.diag_indices_from(covariance)] += noise + JITTER
        self._factor = cholesky(covariance, lower=True)
        values = (outcomes.values - outcomes.values.mean()) / self._sd
        self._weights = cho_solve((self._factor, True), values)

    @property
    def noise_sd(self) -> float:
        """By how much a value differs when the same setting is trained on other seeds."""
        return self._sd * math.exp(self._parts.noise / 2)

    def _kernel(self, index: int, some: Matrix, others: Matrix) -> Matrix:
        """Of a parameter's own effect: float [n, m]."""
        columns = self._outcomes.owner == index
        squares = squared_distances(some[:, columns], others[:, columns])
        kernel: Matrix = math.exp(self._parts.scales[index]) * matern(
            squares * math.exp(-2 * self._parts.lengths[index])
        )
        return kernel

    def _covariance(self, some: Matrix, others: Matrix) -> Matrix:
        """Of what settings come to: float [n, m]."""
        alone = np.zeros((len(some), len(others)))
        squares = np.zeros_like(alone)
        for index in range(len(self._parts.lengths)):
            kernel = self._kernel(index, some, others)
            alone += kernel
            squares += kernel**2
        together: Matrix = alone + self._factor_of_two / 2 * (alone**2 - squares)
        return together

    def contrast(self, places: Matrix, weights: Matrix) -> Moments:
        """Predict weighted sums of what settings come to, in the mean over seeds.

        Args:
            places: Float [m, columns].
            weights: Float [g, m]; each row sums to 0.
        """
        known = weights @ self._covariance(places, self._outcomes.places)
        return self._posterior(known, weights @ self._covariance(places, places) @ weights.T)

    def along(self, index: int, line: Matrix, contexts: Matrix) -> Moments:
        """Predict a parameter's effect: what settings come to in the mean, around that mean.

        It is the contrast of all values with all contexts, found without its many places: what
        the values have in common cancels out.

        Args:
            index: Of the parameter, none that decides whether settings have others.
            line: Places that have its values, float [g, columns].
            contexts: Settings that have it, float [c, columns].
        """
        to_known, to_each = self._surround(contexts)
        rest = np.arange(len(to_each)) != index
        known = 1 + self._factor_of_two * to_known[rest].sum(axis=0)
        each = 1 + self._factor_of_two * to_each[rest].sum()
        centred = np.eye(len(line)) - 1 / len(line)
        cross = centred @ self._kernel(index, line, self._outcomes.places)
        alone = centred @ self._kernel(index, line, line) @ centred
        return self._posterior(cross * known, alone * each)

    def _surround(self, contexts: Matrix) -> tuple[Matrix, Vector]:
        """The mean over contexts of each parameter's kernel to the outcomes, and among contexts."""
        key = contexts.tobytes()
        if key not in self._surroundings:
            known, axes = self._outcomes.places, range(len(self._parts.lengths))
            self._surroundings[key] = (
                np.array([self._kernel(one, contexts, known).mean(axis=0) for one in axes]),
                np.array([self._kernel(one, contexts, contexts).mean() for one in axes]),
            )
        return self._surroundings[key]

    def both(self, one: "Changes", other: "Changes", kept: Sequence[int]) -> Moments:
        """Predict what two parameters do together, beside what each does.

        Args:
            one: Changes along the one.
            other: Changes along the other.
            kept: Of the products of two changes, by the one's and then by the other's.
        """
        (first, first_alone), (second, second_alone) = self._change(one), self._change(other)
        cross = (first[:, None] * second[None]).reshape(-1, first.shape[1])[kept]
        products = np.kron(first_alone, second_alone).astype(np.float64)
        alone: Matrix = products[np.ix_(kept, kept)]
        return self._posterior(self._factor_of_two * cross, self._factor_of_two * alone)

    def _change(self, changes: "Changes") -> tuple[Matrix, Matrix]:
        """Covariances of changes along a parameter, with the outcomes and among each other."""
        key = changes.index, changes.line.tobytes()
        if key not in self._changes:
            weights, line = changes.weights, changes.line
            known = weights @ self._kernel(changes.index, line, self._outcomes.places)
            alone = weights @ self._kernel(changes.index, line, line) @ weights.T
            self._changes[key] = known, alone
        return self._changes[key]

    def _posterior(self, to_known: Matrix, alone: Matrix) -> Moments:
        """What is left of a covariance, float [g, g], once the outcomes are known."""
        shared = solve_triangular(self._factor, to_known.T, lower=True)
        return to_known @ self._weights * self._sd, (alone - shared.T @ shared) * self._sd**2


class EffectModel:
    """Sums of effects of several hyperparameters that the outcomes allow, in equal parts.

    The most probable ones alone would be too sure: of few trials each length and scale is in doubt.

    Args:
        processes: At least one.
    """

    def __init__(self, processes: Sequence[SumOfEffects]) -> None:
        self.processes = processes

    @property
    def noise_sd(self) -> float:
        """By how much a value differs when the same setting is trained on other seeds."""
        return math.sqrt(fmean(process.noise_sd**2 for process in self.processes))

    def predict(self, ask: Callable[[SumOfEffects], Moments]) -> Moments:
        """Mix what all of them predict: the law of total covariance."""
        means, covariances = zip(*map(ask, self.processes), strict=True)
        mean = np.mean(means, axis=0)
        around = np.array(means) - mean
        covariance = np.mean(covariances, axis=0) + around.T @ around / len(around)
        return mean, WIDER**2 * covariance


def fit_effects(outcomes: Outcomes, *, least_noise: float = 0.0) -> EffectModel:
    """Condition sums of effects on outcomes, with the hyperparameters that these allow.

    The posterior of the hyperparameters is taken for a normal distribution around its mode
    (Laplace's approximation; Rasmussen and Williams, section 5.2).

    Args:
        outcomes: What was measured, at least one.
        least_noise: The noise's standard deviation is at least this.
    """
    posterior = _Posterior(outcomes, least_noise)
    mode = find_mode(posterior)
    low, high = np.array(posterior.bounds).T
    points = np.clip(mode + posterior.spread(mode), low, high)
    return EffectModel([SumOfEffects(outcomes, Parts.of(point)) for point in points])


class _Posterior:
    """The negative logarithm of likelihood times prior, as a function of the hyperparameters."""

    def __init__(self, outcomes: Outcomes, least_noise: float) -> None:
        self._n, n_lengths = len(outcomes.values), int(outcomes.owner.max()) + 1
        self._sd = max(float(outcomes.values.std()), LEAST_SD)
        self._values = (outcomes.values - outcomes.values.mean()) / self._sd
        self._doubt = (outcomes.doubt / self._sd) ** 2
        self._squares = [
            squared_distances(places, places)
            for index in range(n_lengths)
            for places in [outcomes.places[:, outcomes.owner == index]]
        ]
        middles = [LENGTH] * n_lengths + [SCALE] * n_lengths + [TOGETHER, NOISE]
        sds = [LENGTH_SD] * n_lengths + [SCALE_SD] * n_lengths + [TOGETHER_SD, NOISE_SD]
        self.start, self._prior_sd = np.array(middles), np.array(sds)
        far = FARTHEST * self._prior_sd
        self.bounds = list(zip(self.start - far, self.start + far, strict=True))
        if least_noise:
            low, high = self.bounds[-1]
            least = max(2 * math.log(least_noise / self._sd), low)
            self.bounds[-1] = least, max(least, high)

    def __call__(self, point: Vector) -> tuple[float, Vector]:
        """Evaluate a point, and the gradient there."""
        parts = Parts.of(point)
        stretched, kernels = self._kernels(parts)
        alone: Matrix = sum(kernels, np.zeros((self._n, self._n)))
        pairs = (alone**2 - sum(kernel**2 for kernel in kernels)) / 2
        together, noise = math.exp(parts.together), math.exp(parts.noise)
        covariance = alone + together * pairs + np.diag(noise + self._doubt + JITTER)
        try:
            factor = cholesky(covariance, lower=True)
        except LinAlgError:
            return 1e10, np.zeros_like(point)
        solved = cho_solve((factor, True), self._values)
        # d(-log likelihood) = 0.5 trace(inner d covariance); Rasmussen and Williams, eq. 5.9
        inner = 0.5 * (cho_solve((factor, True), np.eye(self._n)) - np.outer(solved, solved))
        weights = [inner * (1 + together * (alone - kernel)) for kernel in kernels]
        slope = [
            *self._of_lengths(parts, weights, stretched),
            *(float((weight * one).sum()) for weight, one in zip(weights, kernels, strict=True)),
            together * float((inner * pairs).sum()),
            noise * float(np.trace(inner)),
        ]
        off = (point - self.start) / self._prior_sd
        value = 0.5 * self._values @ solved + np.log(np.diag(factor)).sum() + 0.5 * off @ off
        return float(value), np.array(slope) + off / self._prior_sd

    def _kernels(self, parts: Parts) -> tuple[list[Matrix], list[Matrix]]:
        """Of each parameter the squared distances by its length, and the kernel."""
        stretched = [
            squares * math.exp(-2 * length)
            for squares, length in zip(self._squares, parts.lengths, strict=True)
        ]
        kernels: list[Matrix] = [
            math.exp(scale) * matern(squares)
            for scale, squares in zip(parts.scales, stretched, strict=True)
        ]
        return stretched, kernels

    @staticmethod
    def _of_lengths(
        parts: Parts, weights: Sequence[Matrix], stretched: Sequence[Matrix]
    ) -> list[float]:
        """The slopes along the logarithms of the length scales."""
        return [
            2 * math.exp(scale) * float((weight * squares * matern_slope(squares)).sum())
            for scale, weight, squares in zip(parts.scales, weights, stretched, strict=True)
        ]

    def spread(self, mode: Vector) -> Matrix:
        """Draw deviations from the mode, float [DRAWS, hyperparameters], in pairs of opposites."""
        slopes = [
            (self(mode + step)[1] - self(mode - step)[1]) / (2 * STEP)
            for step in STEP * np.eye(len(mode))
        ]
        curvatures, axes = np.linalg.eigh((np.array(slopes) + np.array(slopes).T) / 2)
        sds = 1 / np.sqrt(np.maximum(curvatures, 1 / self._prior_sd.max() ** 2))
        drawn = np.random.default_rng(0).normal(size=(DRAWS // 2, len(mode))) * sds @ axes.T
        return np.vstack([drawn, -drawn])
