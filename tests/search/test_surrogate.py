import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from pipeline.search.sampling.surrogate import (
    GaussianProcess,
    Hyperparameters,
    Outcomes,
    _Posterior,
    fit,
)

RNG = np.random.default_rng(5)
PLACES = RNG.random((24, 3))
VALUES = np.sin(4 * PLACES[:, 0]) + 0.3 * PLACES[:, 1] + 0.01 * RNG.normal(size=24)
OUTCOMES = Outcomes(places=PLACES, values=VALUES, doubt=np.zeros(24), owner=np.arange(3))
ELSEWHERE = RNG.random((40, 3))
SOME = Hyperparameters(
    lengths=np.log([0.4, 0.7, 2.0]),
    scale=np.log(1.3),
    noise=np.log(0.02),
    mean=float(VALUES.mean()),
    sd=float(VALUES.std()),
)


def test_predictions_are_those_of_scikit_learn() -> None:
    kernel = ConstantKernel(1.3) * Matern([0.4, 0.7, 2.0], nu=2.5) + WhiteKernel(0.02)
    theirs = GaussianProcessRegressor(kernel, optimizer=None, alpha=1e-8, normalize_y=True)
    theirs.fit(PLACES, VALUES)
    means, sds = theirs.predict(ELSEWHERE, return_std=True)
    ours = GaussianProcess(OUTCOMES, SOME).predict(ELSEWHERE)
    np.testing.assert_allclose(ours[0], means, rtol=1e-6, atol=1e-7)
    with_noise = np.sqrt(ours[1] ** 2 + 0.02 * VALUES.var())  # WhiteKernel's predictions have it
    np.testing.assert_allclose(with_noise, sds, rtol=1e-5)


def test_gradient_of_the_posterior_is_that_of_differences() -> None:
    doubt = np.linspace(0, 0.3, 24)
    owner = np.array([0, 1, 1])
    posterior = _Posterior(Outcomes(places=PLACES, values=VALUES, doubt=doubt, owner=owner))
    point = np.array([-0.7, 0.4, 0.2, -3.0])
    off = check_grad(lambda at: posterior(at)[0], lambda at: posterior(at)[1], point)
    assert off < 1e-4 * np.linalg.norm(posterior(point)[1])


def test_fit_finds_the_parameter_that_matters_and_the_noise() -> None:
    fitted = fit(OUTCOMES)
    lengths = fitted.hyperparameters.lengths
    assert lengths[0] < lengths[1] < lengths[2]
    means, sds = fitted.predict(ELSEWHERE)
    truth = np.sin(4 * ELSEWHERE[:, 0]) + 0.3 * ELSEWHERE[:, 1]
    assert np.abs(means - truth).mean() < 0.1 * VALUES.std()
    assert (np.abs(means - truth) < 3 * sds).mean() > 0.9
    assert fitted.noise_sd < 0.2 * VALUES.std()


def test_a_value_in_doubt_draws_the_mean_less() -> None:
    values = VALUES.copy()
    values[0] += 2.0
    doubt = np.where(np.arange(24) == 0, 5.0, 0.0)
    sure = GaussianProcess(
        Outcomes(places=PLACES, values=values, doubt=doubt * 0, owner=OUTCOMES.owner), SOME
    )
    unsure = GaussianProcess(
        Outcomes(places=PLACES, values=values, doubt=doubt, owner=OUTCOMES.owner), SOME
    )
    assert abs(unsure.means[0] - VALUES[0]) < 0.3 < sure.means[0] - VALUES[0]


def test_believed_places_keep_their_mean_and_lose_their_doubt() -> None:
    model = GaussianProcess(OUTCOMES, SOME)
    means, sds = model.predict(ELSEWHERE)
    believing = model.believing(ELSEWHERE[:3])
    again, surer = believing.predict(ELSEWHERE)
    np.testing.assert_allclose(again, means, atol=1e-6)
    assert (surer <= sds + 1e-9).all()
    assert (surer[:3] < 0.7 * sds[:3]).all()
    assert model.believing(ELSEWHERE[:0]) is model


@pytest.mark.parametrize("values", [np.full(5, 0.25), np.array([0.1] * 4 + [0.2])])
def test_values_that_hardly_differ_are_no_error(values: np.ndarray) -> None:
    outcomes = Outcomes(
        places=np.repeat(PLACES[:1], 5, axis=0),
        values=values,
        doubt=np.zeros(5),
        owner=np.arange(3),
    )
    means, sds = fit(outcomes).predict(ELSEWHERE)
    assert np.isfinite(means).all()
    assert np.isfinite(sds).all()


def test_differences_are_those_of_scikit_learns_joint_predictions() -> None:
    kernel = ConstantKernel(1.3) * Matern([0.4, 0.7, 2.0], nu=2.5) + WhiteKernel(0.02)
    theirs = GaussianProcessRegressor(kernel, optimizer=None, alpha=1e-8, normalize_y=True)
    theirs.fit(PLACES, VALUES)
    joint_means, joint = theirs.predict(ELSEWHERE, return_cov=True)
    joint -= 0.02 * VALUES.var() * np.eye(len(joint))  # WhiteKernel's predictions have noise
    means, sds = GaussianProcess(OUTCOMES, SOME).compare(ELSEWHERE, ELSEWHERE[7])
    np.testing.assert_allclose(means, joint_means - joint_means[7], atol=1e-6)
    variances = np.diag(joint) + joint[7, 7] - 2 * joint[7]
    np.testing.assert_allclose(sds**2, variances, atol=1e-7)
    assert (means[7], sds[7]) == (pytest.approx(0.0, abs=1e-12), 0.0)


@pytest.mark.parametrize("least", [0.05, 0.5, 5.0])
def test_fit_finds_no_less_noise_than_was_measured(least: float) -> None:
    assert fit(OUTCOMES).noise_sd < least
    assert fit(OUTCOMES, least_noise=least).noise_sd == pytest.approx(least, rel=1e-3)


def test_noise_below_what_the_values_show_changes_no_bit() -> None:
    means = fit(OUTCOMES).means
    assert np.array_equal(fit(OUTCOMES, least_noise=1e-9).means, means)
