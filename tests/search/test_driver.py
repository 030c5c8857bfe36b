import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.search.driver import Driver
from pipeline.search.storage.store import TrialStore
from pipeline.search.time_ledger import TimeLedger
from pipeline.trial import Event
from tests.fakes import FakeEngine, FakeLedger
from tests.looking_on import Watching
from tests.search.studies import Stores, study, table_of

SAMPLERS = ("tpe", "random", "qmc", "grid")
RULES = ("none", "halving", "median", "asha", "hyperband")
COHORTS = st.one_of(st.none(), st.integers(1, 8))
DELIVERIES = st.tuples(st.integers(1, 8), st.integers(0, 10_000), COHORTS)


@pytest.mark.parametrize("stopping", RULES)
@pytest.mark.parametrize("sampler", SAMPLERS)
@settings(max_examples=4)
@given(block=st.integers(1, 8), deliveries=st.lists(DELIVERIES, min_size=1, max_size=2))
def test_driver_makes_one_table_whatever_the_workers_their_delays_and_the_cohorts(
    sampler: str, stopping: str, block: int, deliveries: list[tuple[int, int, int | None]]
) -> None:
    asked = study(sampler=sampler, stopping=stopping, block=block)
    alone = table_of(asked)
    for n_workers, seed, cohort in deliveries:
        assert table_of(asked, n_workers=n_workers, seed=seed, max_cohort=cohort) == alone


def test_driver_makes_one_table_with_a_gaussian_process() -> None:
    asked = study(sampler="gp", stopping="asha", trials=18)
    assert table_of(asked, n_workers=5, seed=1) == table_of(asked)


def test_driver_makes_a_table_with_every_state_and_no_row_twice() -> None:
    table = table_of(study(stopping="hyperband", trials=40, finalists=0))
    assert {row["state"] for row in table} == {"COMPLETE", "PRUNED", "FAIL"}
    assert [row["number"] for row in table] == list(range(40))
    assert len({str(row["params"]) for row in table}) == 40


@pytest.mark.parametrize("changed", range(0, 24, 5))
@pytest.mark.parametrize("stopping", ["none", "asha", "median"])
def test_outcome_changes_nothing_before_the_second_block_after_its_own(
    changed: int, stopping: str
) -> None:
    asked = study(stopping=stopping, block=3)
    before = Stores().run(asked, n_workers=3, seed=1)
    after = Stores().run(asked, n_workers=2, seed=2, context={changed: -10.0})
    first_that_sees = (changed // 3 + 2) * 3
    for number in range(min(first_that_sees, 24)):
        assert after.assignments[number] == before.assignments[number]


@pytest.mark.parametrize("changed", [9, 13, 17])
def test_outcome_changes_what_the_second_block_after_its_own_tries(changed: int) -> None:
    asked = study(block=3, trials=30)
    before = Stores().run(asked)
    after = Stores().run(asked, context={changed: -10.0})
    first_that_sees = (changed // 3 + 2) * 3
    seeing = range(first_that_sees, first_that_sees + 3)
    assert any(after.assignments[n].config != before.assignments[n].config for n in seeing)


def test_outcome_changes_the_cutoffs_of_the_second_block_after_its_own() -> None:
    asked = study(block=3, sampler="random", stopping="asha")
    before = Stores().run(asked)
    after = Stores().run(asked, context={6: -10.0})
    assert after.assignments[11].cutoffs == before.assignments[11].cutoffs
    assert after.assignments[12].cutoffs != before.assignments[12].cutoffs


@pytest.mark.parametrize("cohort", [1, None])
@pytest.mark.parametrize("stopping", ["asha", "halving"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_larger_number_of_trials_goes_on_with_the_same_first_rows(
    sampler: str, stopping: str, cohort: int | None
) -> None:
    few, all_ = (study(sampler=sampler, stopping=stopping, block=5, trials=n) for n in (12, 24))
    stores = Stores()
    stores.run(few, n_workers=4, seed=3, max_cohort=cohort)
    first = stores.table
    stores.run(all_, n_workers=2, seed=4, max_cohort=cohort)
    assert stores.table[:12] == first
    assert stores.table == table_of(all_)


def test_finished_study_is_run_again_without_training_anything() -> None:
    stores = Stores()
    stores.run(study())
    table = stores.table
    assert stores.run(study()).order == []
    assert stores.table == table


FIXED: tuple[dict[str, Any], ...] = (
    {"depth": 2, "width": 32, "dropout": 0.25, "batch_size": 64, "learning_rate": 1e-3},
    {"depth": 3, "dropout_1": 0.5},
    {},
)


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_fixed_trials_come_first_with_what_they_leave_out_suggested(sampler: str) -> None:
    engine = Stores().run(study(sampler=sampler, fixed=FIXED), n_workers=3, seed=9)
    first, second, third = (engine.assignments[n].config for n in range(3))
    assert sorted(engine.order[:3]) == [0, 1, 2]
    assert {key: first.params[key] for key in FIXED[0] if key != "dropout"} == {
        key: value for key, value in FIXED[0].items() if key != "dropout"
    }
    assert first.values_of("dropout") == (0.25, 0.25)
    assert 0 <= first.value("input_dropout") <= 0.3
    assert (second.count("depth"), second.values_of("dropout")[0]) == (3, 0.5)
    assert 0 <= second.values_of("dropout")[1] <= 0.6
    assert third.params != engine.assignments[3].config.params


def test_fixed_whole_number_for_a_choice_of_floats_is_written_as_a_float() -> None:
    rates = {"choices": [0.0, 0.5]}
    space = {"depth": 1, "width": 8, "dropout": rates, "batch_size": 8, "learning_rate": 0.1}
    engine = Stores().run(study(space=space, fixed=[{"dropout": 0}], trials=2, sampler="random"))
    assert repr(engine.assignments[0].config.params["dropout"]) == "0.0"


def test_grid_tries_each_setting_once_and_fixed_trials_beside_it() -> None:
    n_settings = len(list(study(sampler="grid").grid()))
    asked = study(sampler="grid", fixed=[{"depth": 1}], trials=n_settings + 1, epochs=1)
    engine = Stores().run(asked, n_workers=8, seed=10)
    tried = [
        str(sorted(engine.assignments[n].config.params.items())) for n in range(1, n_settings + 1)
    ]
    assert len(tried) == len(set(tried)) == n_settings
    assert engine.assignments[0].config.count("depth") == 1


def test_sequence_has_no_setting_twice_and_does_not_depend_on_outcomes() -> None:
    asked = study(sampler="qmc", trials=64, epochs=1, finalists=0)
    added = {number: random.Random(number).uniform(0, 9) for number in range(64)}  # noqa: S311
    one, two = Stores().run(asked), Stores().run(asked, n_workers=8, seed=11, context=added)
    configs = [one.assignments[number].config for number in range(64)]
    assert configs == [two.assignments[number].config for number in range(64)]
    assert len({config.value("learning_rate") for config in configs}) == 64


def test_watch_sees_each_epoch_and_each_outcome_once() -> None:
    stores, seen = Stores(), list[Event]()
    driver = Driver(
        study(trials=6),
        store=TrialStore.create(stores.storage, study(trials=6)),
        ledger=FakeLedger(stores.held),
        engine=FakeEngine(n_workers=2, seed=12),
        seconds=TimeLedger(0.0, n_workers=2),
        progress=Watching(seen.append),
    )
    driver.run()
    keys = [(news.number, getattr(news, "epoch", "outcome")) for news in seen]
    curves = [(row["number"], row["curve"]) for row in stores.table]
    expected = {(number, epoch) for number, curve in curves for epoch in [*curve, "outcome"]}  # type: ignore[misc]
    assert len(keys) == len(set(keys))
    assert set(keys) == expected
