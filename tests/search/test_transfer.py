"""What a model is told of another study's outcomes: their order counts, as far as it holds here."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import usual_setting
from pipeline.search.sampling.encoding import Encoding
from pipeline.search.sampling.surrogate import Outcomes, fit
from pipeline.search.sampling.transfer import DOUBTED, Transfer
from pipeline.trial import TakenOutcome, WarmStart
from tests.search.studies import study

RATES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
THERE = (0.9, 0.7, 0.5, 0.4, 0.5, 0.7)
ASKED = study(
    space={
        "depth": 1,
        "width": 16,
        "dropout": {"low": 0.0, "high": 0.5},
        "batch_size": 32,
        "learning_rate": 1e-3,
    }
)
ENCODING = Encoding(ASKED.space)


def transfer(values: Sequence[float] = THERE, doubts: Sequence[float] = (0.0,) * 6) -> Transfer:
    """A study that came to these values at ``RATES``."""
    outcomes = tuple(
        TakenOutcome(trial=n, params={"dropout": rate}, value=value, doubt=doubt)
        for n, (rate, value, doubt) in enumerate(zip(RATES, values, doubts, strict=True))
    )
    return Transfer(WarmStart(study="other", outcomes=outcomes), ASKED, ENCODING)


def own(values: Sequence[float], rates: Sequence[float] = RATES) -> Outcomes:
    """What this study came to at some rates."""
    usual = usual_setting(ASKED)
    places = ENCODING.encode([usual | {"dropout": rate} for rate in rates])
    doubt = np.zeros(len(values))
    return Outcomes(
        places=places.reshape(len(values), 1),
        values=np.array(values, dtype=float),
        doubt=doubt,
        owner=ENCODING.owner,
    )


def test_outcomes_are_as_they_were_measured_while_this_study_has_none() -> None:
    told = transfer().before(own([], []))
    assert told.values.tolist() == list(THERE)
    assert told.doubt == pytest.approx([DOUBTED * np.std(THERE)] * 6)
    assert told.places[:, 0] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert told.n_borrowed == 6


def test_forecast_is_doubted_more_than_a_measured_value() -> None:
    told = transfer(doubts=(0.0, 0.0, 0.0, 0.0, 0.0, 0.3)).before(own([], []))
    assert told.doubt[5] == pytest.approx(np.hypot(0.3, told.doubt[0]))


@given(st.floats(0.01, 100.0))
def test_values_are_brought_to_the_level_of_this_study_by_a_factor(factor: float) -> None:
    told = transfer().before(own([factor * value for value in THERE]))
    assert told.values[:6] == pytest.approx(told.values[6:], rel=0.2)
    same = transfer().before(own(THERE))
    assert told.values[:6] == pytest.approx(factor * same.values[:6])
    assert told.doubt[:6] == pytest.approx(factor * same.doubt[:6])
    assert told.doubt[6:].tolist() == [0.0] * 6


def test_values_are_brought_to_the_level_of_this_study_by_a_shift_where_losses_are_below_0() -> (
    None
):
    told = transfer().before(own([value - 5.0 for value in THERE]))
    assert told.values[:6] == pytest.approx([value - 5.0 for value in THERE], abs=0.1)


def test_outcomes_are_doubted_by_half_their_spread_where_both_studies_rank_settings_alike() -> None:
    told = transfer().before(own(THERE))
    assert told.doubt[:6] == pytest.approx([DOUBTED * np.std(THERE)] * 6, rel=0.1)


@given(st.permutations(THERE))
def test_outcomes_are_doubted_more_the_less_both_studies_rank_settings_alike(
    values: list[float],
) -> None:
    """Or they are left out, and this study's own outcomes are all that counts."""
    alike, told = transfer().before(own(THERE)), transfer().before(own(values))
    is_left_out = told.n_borrowed == 0
    assert is_left_out or (told.doubt[0] / np.median(told.values[:6])) > 0.5 * (
        alike.doubt[0] / np.median(alike.values[:6])
    )
    assert len(told.values) == (6 if is_left_out else 12)


def test_outcomes_are_left_out_where_this_study_ranks_settings_the_other_way_round() -> None:
    reverse = [1.3 - value for value in THERE]
    told = transfer().before(own(reverse))
    assert (told.n_borrowed, told.values.tolist()) == (0, reverse)


def test_two_settings_that_were_about_as_good_there_may_be_ranked_either_way_here() -> None:
    near = own([0.4, 0.41, 0.9], [0.3, 0.31, 0.0])
    other_way = own([0.41, 0.4, 0.9], [0.3, 0.31, 0.0])
    doubts = [transfer().before(one).doubt[0] for one in (near, other_way)]
    assert doubts[0] == pytest.approx(doubts[1], rel=0.1)


def test_best_setting_of_this_study_is_what_others_are_to_improve_on() -> None:
    told = transfer().before(own([0.8, 0.6], [0.1, 0.5]))
    model = fit(told)
    assert model.means.min() < model.lowest
    assert model.lowest == model.means[told.n_borrowed :].min()
    believed = model.believing(told.places[3:4])
    assert believed.lowest == pytest.approx(believed.means[-1])


def test_study_whose_settings_all_came_to_the_same_says_nothing() -> None:
    told = transfer([0.5] * 6).before(own(THERE))
    assert told.n_borrowed == 0
