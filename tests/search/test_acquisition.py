import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from pipeline.search.sampling.acquisition import log_expected_improvement, next_place
from pipeline.search.sampling.encoding import Encoding
from pipeline.search.sampling.surrogate import Outcomes, fit
from tests.search.studies import study

SPACE = {
    "depth": 1,
    "width": {"choices": [8, 16, 32]},
    "dropout": {"low": 0.0, "high": 0.6},
    "batch_size": 64,
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
}


@pytest.mark.parametrize(("mean", "sd"), [(0.4, 0.2), (0.9, 0.1), (0.2, 0.3), (0.5, 1e-3)])
def test_expected_improvement_is_its_integral(mean: float, sd: float) -> None:
    integral, _ = quad(
        lambda value: (0.5 - value) * norm.pdf(value, mean, sd),
        mean - 12 * sd,
        min(0.5, mean + 12 * sd),
    )
    ours = log_expected_improvement(np.array([mean]), np.array([sd]), 0.5)
    assert np.exp(ours[0]) == pytest.approx(integral, rel=1e-5)


def test_hopeless_places_are_still_ordered() -> None:
    means = np.linspace(1.0, 50.0, 200)
    improvement = log_expected_improvement(means, np.full(200, 0.1), 0.5)
    assert np.isfinite(improvement).all()
    assert (np.diff(improvement) < 0).all()


def bowl(places: np.ndarray) -> np.ndarray:
    """Lowest at width 16, dropout 0.2 and learning rate 1e-3."""
    return np.asarray(((places - [0.5, 1 / 3, 0.5]) ** 2).sum(axis=1))


def test_next_place_goes_to_the_bottom_of_a_bowl() -> None:
    encoding = Encoding(study(space=SPACE).space)
    rng = np.random.default_rng(0)
    places = encoding.nearest(rng.random((8, 3)))
    for _ in range(8):
        outcomes = Outcomes(
            places=places, values=bowl(places), doubt=np.zeros(len(places)), owner=encoding.owner
        )
        places = np.vstack([places, next_place(fit(outcomes), encoding, places, rng)])
    assert bowl(places[8:]).min() < 0.002


def test_no_setting_is_suggested_twice_while_there_are_others() -> None:
    space = SPACE | {"dropout": 0.1, "learning_rate": {"choices": [1e-4, 1e-3, 1e-2]}}
    encoding = Encoding(study(space=space).space)
    rng = np.random.default_rng(0)
    places = encoding.nearest(rng.random((1, 2)))
    for _ in range(9):
        outcomes = Outcomes(
            places=places,
            values=places.sum(axis=1),
            doubt=np.zeros(len(places)),
            owner=encoding.owner,
        )
        places = np.vstack([places, next_place(fit(outcomes), encoding, places, rng)])
    assert len({tuple(place) for place in places[:9].tolist()}) == 9
    assert tuple(places[9]) in {tuple(place) for place in places[:9].tolist()}
