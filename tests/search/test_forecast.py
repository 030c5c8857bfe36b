import math

import numpy as np
import pytest

from pipeline.search.sampling.forecast import forecast

EARLY = (1.0, 0.8, 0.5, 0.4, 0.3)


def test_a_line_of_logarithms_is_found_exactly() -> None:
    curves = [(2.0, loss, 0.5 * math.sqrt(loss)) for loss in EARLY]
    line = forecast(curves, 2)
    value, doubt = line.at(0.64)
    assert value == pytest.approx(0.5 * 0.8)
    assert doubt == pytest.approx(0.0, abs=1e-9)


def test_losses_of_0_and_below_have_a_plain_line() -> None:
    curves = [(loss - 1, 0.5 * loss - 1) for loss in EARLY]
    assert forecast(curves, 1).at(0.6 - 1)[0] == pytest.approx(0.3 - 1)


def test_scatter_around_the_line_is_the_doubt() -> None:
    rng = np.random.default_rng(1)
    early = np.exp(rng.normal(size=400))
    late = early**0.5 * np.exp(rng.normal(scale=0.1, size=400))
    value, doubt = forecast(list(zip(early, late, strict=True)), 1).at(1.0)
    assert value == pytest.approx(1.0, rel=0.03)
    assert doubt == pytest.approx(0.1, rel=0.1)


def test_with_few_curves_only_the_shift_is_learned() -> None:
    assert forecast([(1.0, 0.5), (0.5, 0.25)], 1).at(0.8)[0] == pytest.approx(0.4)
    assert forecast([], 3).at(0.8) == (0.8, 0.0)


def test_curves_do_not_cross_in_the_mean() -> None:
    crossing = [(loss, 2.0 - loss) for loss in EARLY]
    assert forecast(crossing, 1).slope == 0.0
    apart = [(loss, loss**3) for loss in EARLY]
    assert forecast(apart, 1).slope == 1.0


def test_a_trial_that_ended_before_the_epoch_counts_with_its_last() -> None:
    curves = [(2.0, loss) for loss in EARLY]
    assert forecast(curves, 9).at(0.7)[0] == pytest.approx(0.7)
