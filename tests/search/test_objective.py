"""A study that maximises a score is the study that minimises its negative, trial for trial."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import optuna
import pytest

from pipeline.config import Objective, StudyConfig
from pipeline.search.storage.store import TrialStore
from pipeline.trial import Cohort, EpochScores, TrialOutcome
from tests.fakes import fake_fit
from tests.search.studies import Stores, study

NEGATIVE = Objective(metric="val/score", direction="maximize")
FREE = ("value", "cause", "curve")
"""What has another sign, or another name, in the table of the negative."""
SEARCHES: list[dict[str, Any]] = [
    {"sampler": "tpe", "stopping": "median"},
    {"sampler": "tpe", "stopping": "asha"},
    {"sampler": "random", "stopping": "hyperband"},
    {"sampler": "gp", "stopping": "halving", "first_rung": 2, "finalists": 2, "trials": 30},
    {"sampler": "gp", "stopping": "none", "until": "settled"},
]


def negative_fit(
    cohort: Cohort, context: Any, report: Callable[[EpochScores], None]
) -> list[TrialOutcome]:
    """Train as ``fake_fit`` does, and log the negative of the loss."""

    def turned(scores: EpochScores) -> EpochScores:
        return replace(scores, objective=NEGATIVE).with_score(-scores.val_loss)

    outcomes = fake_fit(cohort, context, lambda scores: report(turned(scores)))
    return [replace(one, curve=tuple(map(turned, one.curve))) for one in outcomes]


def maximised(asked: StudyConfig) -> StudyConfig:
    """The same study of the negative."""
    return asked.model_copy(update={"objective": NEGATIVE})


@pytest.mark.parametrize("search", SEARCHES, ids=lambda given: "-".join(map(str, given.values())))
def test_table_is_that_of_the_negative(search: dict[str, Any]) -> None:
    asked = study(**search)
    lowest, highest = Stores(), Stores()
    lowest.run(asked)
    highest.run(maximised(asked), fit=negative_fit, n_workers=3)
    assert len(lowest.table) == len(highest.table)
    for low, high in zip(lowest.table, highest.table, strict=True):
        for key in low.keys() - set(FREE):
            assert low[key] == high[key], (low["number"], key)
        assert low["value"] == (None if high["value"] is None else -high["value"])  # type: ignore[operator]
        assert [-one for one in high["curve"].values()] == list(low["curve"].values())  # type: ignore[attr-defined]


def test_optunas_own_tools_find_direction_name_and_best_trial() -> None:
    stores = Stores()
    stores.run(maximised(study()), fit=negative_fit)
    found = optuna.load_study(study_name="small", storage=stores.storage)
    assert found.direction.name == "MAXIMIZE"
    assert found.metric_names == ["val/score"]
    values = [row.value for row in stores.rows if row.value is not None]
    assert found.best_value == max(values)


def test_a_retried_study_keeps_direction_and_name() -> None:
    stores = Stores()
    stores.run(maximised(study()), fit=negative_fit)
    TrialStore(stores.storage, "small").retry_failed()
    found = optuna.load_study(study_name="small", storage=stores.storage)
    assert (found.direction.name, found.metric_names) == ("MAXIMIZE", ["val/score"])
    assert TrialStore(stores.storage, "small").objective == NEGATIVE
