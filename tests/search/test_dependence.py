"""A score beside the value, smoothed along each parameter: found again where the truth is known."""

import numpy as np
import pytest

from benchmarks.search.worlds import World
from pipeline.config import Params
from pipeline.search.answers.dependence import find_dependences
from pipeline.trial.dependence import Dependence

NOISE = 0.005


def gap_of(params: Params) -> float:
    """It falls with the first layer's rate, and grows with the learning rate."""
    rate = (np.log10(params["learning_rate"]) + 4) / 2
    return float(0.02 + 0.08 * (1 - params["dropout_1"] / 0.6) ** 2 + 0.05 * rate)


@pytest.fixture(scope="module")
def found() -> dict[str, Dependence]:
    """Of 60 random trials."""
    world, chance = World(31), np.random.default_rng(31)
    suggested = world.encoding.decode(chance.uniform(size=(60, world.encoding.n_columns)))
    scores = {n: gap_of(one) + NOISE * chance.normal() for n, one in enumerate(suggested)}
    smoothed = find_dependences(world.study, suggested, scores, {"dropout_1": 0.6})
    return {one.parameter: one for one in smoothed}


def test_a_score_is_found_along_each_parameter(found: dict[str, Dependence]) -> None:
    assert set(found) == set(World(31).encoding.axes)
    gap = found["dropout_1"]
    assert np.ptp(gap.means) == pytest.approx(0.08, abs=0.01)
    assert gap.means[0] == max(gap.means)
    assert not found["activation"].is_ordered


def test_intervals_hold_most_of_the_true_curve(found: dict[str, Dependence]) -> None:
    gap = found["dropout_1"]
    true = np.array([0.08 * (1 - float(rate) / 0.6) ** 2 for rate in gap.values])
    true += 0.02 + 0.05 * 0.5
    within = (np.array(gap.lows) <= true + 0.004) & (true - 0.004 <= np.array(gap.highs))
    assert within.mean() > 0.8


def test_rises_are_told_from_the_reference(found: dict[str, Dependence]) -> None:
    gap = found["dropout_1"]
    assert (gap.rises[-1], gap.rise_sds[-1]) == (0, 0)
    assert gap.is_told(0)
    assert gap.rises[0] == pytest.approx(0.08, abs=0.01)
    assert not found["batch_size"].is_told(-1)


def test_few_scores_have_no_curve() -> None:
    world = World(31)
    suggested = world.encoding.decode(np.zeros((7, world.encoding.n_columns)))
    assert find_dependences(world.study, suggested, dict.fromkeys(range(7), 0.1), {}) == ()
