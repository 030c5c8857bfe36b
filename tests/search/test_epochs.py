"""The search where each trial has its own number of epochs."""

from typing import Any

import pytest

from pipeline.config import StudyConfig
from pipeline.search.sampling.known import Known
from pipeline.search.storage.store import TrialStore
from pipeline.trial import TrialState
from tests.search.studies import RATE, Stores, study, table_of

EPOCHS = {"low": 2, "high": 12}
SAMPLERS = ("tpe", "random", "qmc", "gp", "grid")


def asked_for(sampler: str = "gp", **how: Any) -> StudyConfig:
    epochs = {"choices": [2, 5, 12]} if sampler == "grid" else EPOCHS
    return study(sampler=sampler, **{"epochs": epochs, "block": 4, "finalists": 0} | how)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("stopping", ["halving", "median", "asha", "hyperband"])
def test_trials_of_different_lengths_make_one_table_whatever_the_workers(
    sampler: str, stopping: str
) -> None:
    asked = asked_for(sampler, stopping=stopping, trials=16)
    alone: list[dict[str, Any]] = table_of(asked)
    assert table_of(asked, n_workers=4, seed=3, max_cohort=None) == alone
    for row in alone:
        n_run, n_epochs = len(row["curve"]), row["params"]["epochs"]
        assert n_run <= n_epochs
        assert row["state"] != "PRUNED" or n_run < n_epochs, "one that has done all is complete"
    assert len({row["params"]["epochs"] for row in alone}) > 2


def test_a_trial_is_handed_out_for_its_own_epochs() -> None:
    engine = Stores().run(asked_for(fixed=({"epochs": 3}, {"epochs": 12}), trials=8))
    assert [engine.assignments[number].epochs for number in (0, 1)] == [3, 12]
    for one in engine.assignments.values():
        assert one.epochs == one.config.training.epochs == one.config.params["epochs"]


def test_the_gate_pauses_the_long_trials_and_the_short_ones_are_complete_before_it() -> None:
    stores = Stores()
    fixed = [{"epochs": 2}, {"epochs": 3}, {"epochs": 12}, {"epochs": 12}]
    stores.run(asked_for(fixed=fixed, trials=8, stopping="halving", first_rung=3, sampler="random"))
    first, second, *_ = stores.rows
    assert (first.state, len(first.scores)) == (TrialState.COMPLETE, 2)
    assert (second.state, len(second.scores)) == (TrialState.COMPLETE, 3)
    pruned = [row for row in stores.rows if row.state is TrialState.PRUNED]
    assert pruned
    assert {len(row.scores) for row in pruned} == {3}


def test_forecasts_are_made_from_curves_of_different_lengths() -> None:
    stores = Stores()
    stores.run(asked_for(stopping="halving", trials=16, sampler="random"))
    known = Known()
    for row in stores.rows:
        known.tell(row)
    values, _ = known.values()
    assert len(values) == 16


def test_a_larger_number_of_trials_goes_on_with_the_same_rows() -> None:
    stores = Stores()
    stores.run(asked_for(stopping="halving", trials=10), n_workers=3, seed=1)
    stores.run(asked_for(stopping="halving", trials=16), n_workers=2, seed=5)
    assert stores.table == table_of(asked_for(stopping="halving", trials=16))


def test_the_settings_of_finalists_have_their_epochs() -> None:
    stores = Stores()
    stores.run(asked_for(trials=14, finalists=2))
    rows = stores.rows
    finalists = [row for row in rows if row.finalist]
    assert len(finalists) == 6
    for row in finalists:
        assert row.finalist
        assert row.params == rows[row.finalist.setting_of].params


def test_a_warm_start_takes_trials_of_epochs_that_are_searched_here_too() -> None:
    earlier = Stores()
    earlier.run(asked_for(trials=12, name="earlier", space=RATE))
    stores = Stores(earlier.storage)
    narrow = asked_for(epochs={"low": 4, "high": 12}, trials=6, space=RATE, warm_start="earlier")
    stores.run(narrow)
    taken = TrialStore(stores.storage, "small").warm_start
    assert taken is not None
    assert all(one.params["epochs"] >= 4 for one in taken.outcomes)


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        (9, EPOCHS, "which searches epochs, learning_rate, width"),
        (EPOCHS, 12, "which searches learning_rate, width"),
        (EPOCHS, {"low": 2, "high": 11}, "which has 11 training.epochs, expected at least 12"),
    ],
    ids=["searched there", "searched here", "shorter there"],
)
def test_a_warm_start_from_other_epochs_is_refused(here: Any, there: Any, said: str) -> None:
    earlier = Stores()
    earlier.run(asked_for(trials=6, name="earlier", space=RATE, epochs=there))
    with pytest.raises(Exception, match=said):
        Stores(earlier.storage).run(
            asked_for(trials=6, space=RATE, epochs=here, warm_start="earlier")
        )
