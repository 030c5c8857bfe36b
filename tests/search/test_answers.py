"""An answer is true as often as it says, on made-up studies whose truth is known.

The seeds are used for nothing else; 1,000 studies of other seeds are in
docs/decisions/0036-an-answer-that-holds.md.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from benchmarks.search.answers import Judge, measure, summary
from benchmarks.search.worlds import World, search
from pipeline.search.answers.interactions import share_of_both
from tests.long_form import TORTURE, in_long_form

SEEDS = range(20_000, 20_030) if TORTURE else range(20_000, 20_004)


@cache
def measured(kind: str) -> dict[str, float]:
    """What the studies of a kind come to."""
    return summary([measure(kind, seed) for seed in SEEDS])


KINDS = [
    in_long_form("random"),
    "stopped",
    in_long_form("gp"),
    in_long_form("gp, stopped"),
    "together",
]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_intervals_hold_the_true_difference_as_often_as_they_say(kind: str) -> None:
    least = 0.9 if TORTURE else 0.75
    assert measured(kind)["covered"] > least
    assert measured(kind)["averaged covered"] > least


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_true_best_is_held_and_the_words_are_right(kind: str) -> None:
    assert measured(kind)["best held"] >= 0.95
    assert measured(kind)["words right"] >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS[:-1])
def test_parameters_that_act_alone_are_not_said_to_act_together(kind: str) -> None:
    assert measured(kind)["false alarms"] <= (0.05 if TORTURE else 0.25)


class Paired(World):
    """The learning rate that is best grows with the batch; nothing else matters."""

    @property
    def together(self) -> Mapping[tuple[str, str], float]:
        """The one pair."""
        return {("batch_size", "learning_rate"): -0.3}

    def alone(self, name: str, place: float) -> float:
        """No parameter does anything on its own."""
        del name, place
        return 0.0


@pytest.fixture(scope="module")
def paired() -> Judge:
    """The answer of a study of that world."""
    world = Paired(20_500)
    return Judge(world, search(world), has_importances=True)


@pytest.mark.slow
def test_a_pair_that_acts_together_is_found_alone_and_described(paired: Judge) -> None:
    [found] = paired.answer.interactions
    assert found.parameters == ("batch_size", "learning_rate")
    assert found.share > 0.8
    assert found.sentence.startswith(
        "with batch_size 32 learning_rate 0.0001 is best, with 256 0.01"
    )
    judged = paired.interaction(found)
    assert judged["true"]
    assert judged["right"]


@pytest.mark.slow
def test_an_interaction_has_a_table_of_its_values(paired: Judge) -> None:
    [found] = paired.answer.interactions
    shape = tuple(map(len, found.values))
    for table in (found.losses, found.sds):
        assert (len(table), len(table[0])) == shape
    assert min(min(row) for row in found.losses) == 0
    assert set(found.as_json()) >= {"parameters", "values", "above_best", "share", "words"}


@pytest.mark.slow
def test_every_effect_has_its_average(paired: Judge) -> None:
    for effect in paired.answer.effects:
        assert len(effect.averaged) == len(effect.averaged_sds) == len(effect.values)
        assert min(effect.averaged) == 0


@pytest.mark.slow
def test_a_judge_does_not_take_what_is_false_for_true(paired: Judge) -> None:
    effect = next(one for one in paired.answer.effects if one.parameter == "width")
    wrong = replace(
        effect,
        losses=(0.0, 0.1, 0.2, 0.3),
        sds=(0.0, 0.01, 0.01, 0.01),
        is_as_good=(True, False, False, False),
        verdict="wants",
    )
    judged = paired.effect(wrong)
    assert judged["idle"]
    assert judged["covered"] == [0, 3]
    assert not judged["right"]
    [found] = paired.answer.interactions
    assert not paired.interaction(replace(found, parameters=("width", "learning_rate")))["true"]
    turned = replace(found, losses=tuple(row[::-1] for row in found.losses))
    assert not paired.interaction(turned)["right"]


def test_the_share_of_two_is_what_rows_and_columns_do_not_make() -> None:
    assert share_of_both(np.array([[0.0, 1.0], [1.0, 2.0]])) == 0
    assert share_of_both(np.array([[0.0, 1.0], [1.0, 0.0]])) == 1
    assert share_of_both(np.zeros((2, 2))) == 0
