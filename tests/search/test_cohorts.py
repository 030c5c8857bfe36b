from itertools import chain
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import TrialConfig
from pipeline.search.blocks import resolve
from pipeline.search.cohorts import DEFAULT_MAX_COHORT, largest_cohort, partition, relative_cost
from tests.search.studies import SPACE, Stores, study

SHAPES = st.dictionaries(st.integers(0, 200), st.sampled_from("abcd"), max_size=40)
MOST = st.integers(1, 12)
ONE_SHAPE = SPACE | {"depth": 2, "width": 32, "batch_size": 64}


@given(shapes=SHAPES, max_cohort=MOST)
def test_each_trial_is_in_one_cohort_with_trials_of_its_shape_alone(
    shapes: dict[int, str], max_cohort: int
) -> None:
    cohorts = partition(shapes, max_cohort=max_cohort)
    assert sorted(chain(*cohorts)) == sorted(shapes)
    assert all(len({shapes[number] for number in cohort}) == 1 for cohort in cohorts)


@given(shapes=SHAPES, max_cohort=MOST)
def test_cohorts_of_a_shape_are_as_few_as_may_be_and_equal_up_to_one(
    shapes: dict[int, str], max_cohort: int
) -> None:
    cohorts = partition(shapes, max_cohort=max_cohort)
    for shape in set(shapes.values()):
        sizes = [len(cohort) for cohort in cohorts if shapes[cohort[0]] == shape]
        assert max(sizes) <= max_cohort
        assert max(sizes) - min(sizes) <= 1
        assert len(sizes) == -(-sum(sizes) // max_cohort)


@given(shapes=SHAPES, max_cohort=MOST)
def test_cohorts_and_their_members_are_ordered_by_number(
    shapes: dict[int, str], max_cohort: int
) -> None:
    cohorts = partition(shapes, max_cohort=max_cohort)
    assert cohorts == sorted(cohorts)
    assert all(list(cohort) == sorted(cohort) for cohort in cohorts)


@given(shapes=SHAPES, max_cohort=MOST, order=st.randoms(use_true_random=False))
def test_cohorts_do_not_depend_on_the_order_in_which_trials_are_told(
    shapes: dict[int, str], max_cohort: int, order: Random
) -> None:
    turned = list(shapes.items())
    order.shuffle(turned)
    assert partition(dict(turned), max_cohort=max_cohort) == partition(
        shapes, max_cohort=max_cohort
    )


@given(n_trials=st.integers(1, 1_000), n_workers=st.integers(1, 64))
def test_largest_cohort_is_the_smallest_that_gives_each_worker_one(
    n_trials: int, n_workers: int
) -> None:
    max_cohort = largest_cohort(n_trials, n_workers=n_workers)
    assert 1 <= max_cohort <= DEFAULT_MAX_COHORT
    assert (max_cohort - 1) * n_workers < n_trials
    n_cohorts = len(partition(dict.fromkeys(range(n_trials), "a"), max_cohort=max_cohort))
    assert n_cohorts <= n_workers or max_cohort == DEFAULT_MAX_COHORT


def test_largest_cohort_of_nothing_is_one() -> None:
    assert largest_cohort(0, n_workers=2) == 1


@pytest.mark.parametrize(
    ("cohort", "n_workers", "sizes"),
    [
        pytest.param(None, 1, [8, 8, 8], id="one worker"),
        pytest.param(None, 2, [4, 4, 4, 4, 4, 4], id="two workers"),
        pytest.param(5, 1, [4, 4, 4, 4, 4, 4], id="at most 5"),
        pytest.param(6, 3, [4, 4, 4, 4, 4, 4], id="at most 6"),
        pytest.param(1, 1, [1] * 24, id="each alone"),
        pytest.param(64, 4, [8, 8, 8], id="more than a block has"),
    ],
)
def test_driver_hands_out_cohorts_of_one_block_and_shape(
    cohort: int | None, n_workers: int, sizes: list[int]
) -> None:
    asked = study(space=ONE_SHAPE, block=8, trials=24)
    engine = Stores().run(asked, n_workers=n_workers, seed=3, max_cohort=cohort)
    assert list(map(len, engine.cohorts)) == sizes
    assert engine.order == list(range(24))


def test_cohorts_are_the_same_whatever_the_delays() -> None:
    asked = study(block=8, trials=40, stopping="asha")
    told = [Stores().run(asked, n_workers=3, seed=seed, max_cohort=4).cohorts for seed in range(4)]
    assert all(sorted(cohorts) == sorted(told[0]) for cohorts in told)
    assert max(map(len, told[0])) > 1


def test_members_of_a_cohort_have_one_shape_and_their_own_rates() -> None:
    engine = Stores().run(study(block=8, trials=40, finalists=0, sampler="tpe"), max_cohort=4)
    configs = {number: one.config for number, one in engine.assignments.items()}
    for cohort in engine.cohorts:
        assert len({configs[number].shape for number in cohort}) == 1
        assert len({configs[number].value("learning_rate") for number in cohort}) == len(cohort)


@pytest.mark.parametrize(
    ("model", "cheap", "dear"),
    [
        pytest.param("mlp", {"depth": 1}, {"depth": 3}, id="depth"),
        pytest.param("autoencoder", {"width": 16}, {"width": 32}, id="width"),
        pytest.param("mlp", {"batch_size": 64}, {"batch_size": 32}, id="steps"),
        pytest.param("cnn", {"blocks": 1}, {"blocks": 2}, id="blocks"),
        pytest.param("cnn", {"filters": 4}, {"filters": 8}, id="filters"),
    ],
)
def test_a_larger_network_and_more_steps_cost_more(
    model: str, cheap: dict[str, Any], dear: dict[str, Any]
) -> None:
    assert relative_cost(of_model(model, **cheap)) < relative_cost(of_model(model, **dear))


def of_model(model: str, **params: Any) -> TrialConfig:
    """A trial of a model."""
    space = SPACE | {"depth": 2, "width": 16, "dropout": 0.1, "input_dropout": 0.0}
    space |= {"batch_size": 32, "learning_rate": 0.1}
    space |= {"blocks": 2, "filters": 6, "block_dropout": 0.1} if model == "cnn" else {}
    asked = study(model={"name": model}, space=space | params)
    return resolve(asked, 0, asked.space.domains)
