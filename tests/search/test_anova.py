"""A sum of effects: what its shortcuts come to, and that it finds what is there."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from pipeline.search.answers.anova import Changes, Parts, SumOfEffects, _Posterior, fit_effects
from pipeline.search.sampling.surrogate import Matrix, Outcomes

OWNER = np.array([0, 1, 2, 2])
"""Two numbers, and a word of two."""


def outcomes(n: int = 40, noise: float = 0.05) -> Outcomes:
    """The first parameter has a small kinked effect, the second a large one."""
    chance = np.random.default_rng(0)
    places = chance.uniform(size=(n, 4))
    values = np.abs(places[:, 0] - 0.5) * 0.3 + 2 * places[:, 1] + noise * chance.normal(size=n)
    return Outcomes(places=places, values=values, doubt=np.zeros(n), owner=OWNER)


def process(known: Outcomes) -> SumOfEffects:
    """With the hyperparameters of the prior's middle."""
    posterior = _Posterior(known, 0.0)
    return SumOfEffects(known, Parts.of(posterior.start))


def line(index: int, n_values: int = 5) -> Matrix:
    """Places along a parameter."""
    places = np.full((n_values, 4), 0.3)
    places[:, index] = np.linspace(0, 1, n_values)
    return places


def crossed(one: Matrix, contexts: Matrix) -> Matrix:
    """Every place of a line of the first parameter in every context."""
    places = np.repeat(one, len(contexts), axis=0)
    places[:, 1:] = np.tile(contexts, (len(one), 1))[:, 1:]
    return places


def test_the_slope_of_the_posterior_is_that_of_differences() -> None:
    posterior = _Posterior(outcomes(20), 0.0)
    point = posterior.start + 0.3 * np.random.default_rng(1).normal(size=len(posterior.start))
    differences = approx_fprime(point, lambda one: posterior(one)[0], 1e-6)
    assert posterior(point)[1] == pytest.approx(differences, abs=1e-3)


def test_an_effect_is_the_contrast_of_its_values_with_every_context() -> None:
    model, contexts = process(outcomes()), np.random.default_rng(2).uniform(size=(6, 4))
    mean_of = np.kron(np.eye(5), np.full((1, 6), 1 / 6))
    slow = model.contrast(crossed(line(0), contexts), mean_of - mean_of.mean(axis=0))
    fast = model.along(0, line(0), contexts)
    assert fast[0] == pytest.approx(slow[0], abs=1e-9)
    assert fast[1] == pytest.approx(slow[1], abs=1e-9)


def test_what_two_do_together_is_a_contrast_that_neither_alone_can_make() -> None:
    model = process(outcomes())
    slope = np.array([[-1.0, 0.0, 1.0]])
    places = np.full((9, 4), 0.3)
    places[:, 0], places[:, 1] = np.repeat([0, 0.5, 1], 3), np.tile([0, 0.5, 1], 3)
    slow = model.contrast(places, np.kron(slope, slope))
    sides = [Changes(index=index, line=line(index, 3), weights=slope) for index in (0, 1)]
    fast = model.both(sides[0], sides[1], [0])
    assert fast[0] == pytest.approx(slow[0], abs=1e-9)
    assert fast[1] == pytest.approx(slow[1], abs=1e-9)


def test_a_small_effect_keeps_its_shape_beside_a_large_one() -> None:
    model = fit_effects(outcomes(60, noise=0.01))
    means, _ = model.predict(lambda one: one.along(0, line(0), outcomes().places))
    assert means - means[2] == pytest.approx([0.15, 0.075, 0.0, 0.075, 0.15], abs=0.03)


def test_hyperparameters_in_doubt_widen_the_bands() -> None:
    known = outcomes(14)
    model = fit_effects(known)
    alone = [one.along(0, line(0), known.places)[1] for one in model.processes]
    _, mixed = model.predict(lambda one: one.along(0, line(0), known.places))
    assert np.trace(mixed) > np.mean([np.trace(one) for one in alone])


def test_the_noise_is_at_least_what_was_measured() -> None:
    assert fit_effects(outcomes(noise=0.01), least_noise=0.2).noise_sd >= 0.2 - 1e-9


@pytest.mark.parametrize("n", [1, 2, 8])
def test_few_outcomes_and_equal_ones_are_no_error(n: int) -> None:
    known = outcomes(n)
    flat = Outcomes(places=known.places, values=np.ones(n), doubt=known.doubt, owner=OWNER)
    for one in (known, flat):
        means, covariances = fit_effects(one).predict(
            lambda model: model.along(1, line(1), known.places)
        )
        assert np.isfinite(means).all()
        assert np.isfinite(covariances).all()
