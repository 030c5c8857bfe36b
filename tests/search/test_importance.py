"""Importances are Optuna's, of what the search knows of its trials."""

import warnings
from dataclasses import replace

import pytest

from benchmarks.search.worlds import Table, World, search
from pipeline.search.answers.importance import find_importances
from pipeline.trial import TrialState

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def table() -> Table:
    """A made-up study, some of whose trials were stopped."""
    return search(World(7, is_stopping=True))


def test_importances_are_of_every_searched_parameter_and_sum_to_1(table: Table) -> None:
    world = World(7, is_stopping=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = find_importances(world.study, table.suggested, table.rows)
    assert set(found) == set(world.encoding.axes)
    assert sum(found.values()) == pytest.approx(1.0)
    assert all(0 <= one <= 1 for one in found.values())


def test_importances_are_the_same_each_time_and_failed_trials_do_not_count(table: Table) -> None:
    world = World(7)
    found = find_importances(world.study, table.suggested, table.rows)
    failed = replace(
        table.rows[0], number=len(table.rows), state=TrialState.FAIL, value=None, scores=()
    )
    suggested = [*table.suggested, table.suggested[0]]
    assert find_importances(world.study, suggested, [*table.rows, failed]) == found


def test_the_parameter_that_makes_nearly_all_is_the_most_important() -> None:
    world = World(7)
    suggested = search(world).suggested
    rows = [
        replace(row, value=value, scores=(value,), finalist=None)
        for row, params in zip(search(world).rows, suggested, strict=True)
        for value in [float(params["input_dropout"])]
    ]
    found = find_importances(world.study, suggested, rows)
    assert max(found, key=found.__getitem__) == "input_dropout"
    assert found["input_dropout"] > 0.5
