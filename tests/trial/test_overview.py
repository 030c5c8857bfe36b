"""What a study's own run says follows from the study file and the table alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Finalist, Objective
from pipeline.trial import Overview, TrialRow, TrialState
from tests.tracking.builders import row, study

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
HIGHEST = Objective(metric="val_accuracy", direction="maximize")


def rows(*values: float | None) -> list[TrialRow]:
    """A table; a trial without a value was pruned."""
    return [
        row(number, COMPLETE if value is not None else PRUNED, value)
        for number, value in enumerate(values)
    ]


def best(overview: Overview, metric: str = "best_val_loss") -> dict[int, float]:
    """The best value so far by the number of the trial."""
    assert {name for name, _ in overview.best_so_far} <= {metric}
    return {number: value for (_, number), value in overview.best_so_far.items()}


def test_best_value_so_far_begins_with_the_first_value_and_never_gets_worse() -> None:
    overview = Overview.of(study(), rows(None, 0.5, 0.7, None, 0.4), is_done=True)
    assert best(overview) == {1: 0.5, 2: 0.5, 3: 0.5, 4: 0.4}


def test_best_value_so_far_is_the_highest_where_the_objective_is_maximised() -> None:
    highest = study(objective=HIGHEST.model_dump())
    table = [replace(one, objective=HIGHEST) for one in rows(0.5, 0.4, 0.7)]
    overview = Overview.of(highest, table, is_done=True)
    assert best(overview, "best_val_accuracy") == {0: 0.5, 1: 0.5, 2: 0.7}
    assert overview.settings["objective.direction"] == "maximize"


@given(st.lists(st.none() | st.floats(0, 9), min_size=1, max_size=8), st.integers(0, 7))
def test_what_is_said_while_a_study_runs_stays_true(values: list[float | None], at: int) -> None:
    table = rows(*values)
    running = [*table[:at], *(replace(one, state=TrialState.WAITING) for one in table[at:])]
    before = Overview.of(study(), running, is_done=False)
    after = Overview.of(study(), table, is_done=True)
    assert before.best_so_far.items() <= after.best_so_far.items()
    assert before.totals == {}
    assert all(number < at for _, number in before.best_so_far)


def test_totals_count_the_states_and_tell_what_the_first_design_reached() -> None:
    table = [*rows(0.5, None, 0.4, 0.3), row(4, FAIL, None)]
    overview = Overview.of(study(), table, is_done=True, n_first=3)
    counts = {"n_complete": 3, "n_pruned": 1, "n_failed": 1}
    assert overview.totals == counts | {"first_design_val_loss": 0.4}
    assert overview.n_trials == 5


def test_totals_have_the_mean_that_ranks_the_finalists() -> None:
    mark = Finalist(setting_of=0, first=1, last=2)
    first, *again = rows(0.1, 0.3, 0.5)
    overview = Overview.of(
        study(), [first, *(replace(one, finalist=mark) for one in again)], is_done=True
    )
    assert overview.totals["best_mean_val_loss"] == pytest.approx(0.4)
    assert best(overview)[2] == 0.1


def test_settings_have_the_keys_that_a_user_sets() -> None:
    settings = Overview.of(study(), [], is_done=False).settings
    expected = {
        "data.name": "digits",
        "model.name": "mlp",
        "objective.metric": "val_loss",
        "search.sampler": "gp",
        "search.seed": "0",
        "search.block": "8",
        "space.depth": "1",
        "space.dropout": '{"low": 0.0, "high": 0.5, "log": false, "per_layer": false}',
        "training.epochs": "3",
    }
    assert expected.items() <= settings.items()
    assert "search.trials" not in settings, "it may grow, and MLflow's parameters may not change"


def test_settings_are_cut_to_what_a_store_holds() -> None:
    own = {"class_path": "theirs.Net", "init_args": {f"argument_{i}": "x" * 90 for i in range(40)}}
    wide = {f"argument{i}": 1 for i in range(150)}
    settings = Overview.of(study(model=own, space=wide), [], is_done=False).settings
    assert len(settings) == 100
    assert max(map(len, settings.values())) == 250
