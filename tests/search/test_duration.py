"""A study is rehearsed as the driver goes through it, and priced by what was measured."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pipeline.config import StudyConfig, check_study
from pipeline.search import duration
from pipeline.search.blocks import resolve
from pipeline.search.duration import (
    LONG,
    SHORT,
    Circumstances,
    habits_of,
    predict,
    price_of,
    work_of,
)
from pipeline.search.rehearsal import Habits, rehearse
from pipeline.trial import Assignment, Speed
from tests.search.studies import SPACE

N_ROWS = 1_000


def study_of(**search: Any) -> StudyConfig:
    """A study of 16 epochs."""
    document = {
        "name": "rehearsed",
        "data": {"name": "digits"},
        "model": {"name": "mlp"},
        "space": SPACE,
        "training": {"epochs": 16},
        "search": {"trials": 24, "seed": 3} | search,
    }
    return check_study(document, "study.yaml")


def by_epochs(_assignments: Sequence[Assignment], epochs: Sequence[int]) -> float:
    """A price of a second for each epoch of each trial."""
    return float(sum(epochs))


@pytest.mark.parametrize("n_workers", [1, 2, 4])
@pytest.mark.parametrize("stopping", ["none", "halving", "median", "asha", "hyperband"])
def test_rehearsal_trains_the_same_epochs_for_any_number_of_workers(
    stopping: str, n_workers: int
) -> None:
    study = study_of(stopping=stopping)
    done = rehearse(study, by_epochs, SHORT, n_workers=n_workers)
    alone = rehearse(study, by_epochs, SHORT, n_workers=1)
    assert done.n_epochs == alone.n_epochs == done.worked
    assert done.seconds * n_workers >= done.worked


def test_rehearsal_without_stopping_trains_every_epoch() -> None:
    assert rehearse(study_of(stopping="none"), by_epochs, LONG, n_workers=2).n_epochs == 24 * 16


def test_rehearsal_of_halving_lets_more_trials_on_where_the_search_learns() -> None:
    found = [
        rehearse(study_of(), by_epochs, Habits(best_part=(2, 2), learning=one), n_workers=2)
        for one in (0.0, 3.0)
    ]
    assert 24 * 4 < found[0].n_epochs < found[1].n_epochs <= 24 * 16


def test_rehearsal_trains_the_finalists_to_their_last_epoch() -> None:
    study = study_of(trials=24, finalists=2)
    done = rehearse(study, by_epochs, LONG, n_workers=2)
    finalists = [
        epochs
        for one in done.cohorts
        for each, epochs in zip(one.assignments, one.epochs, strict=True)
        if each.config.finalist
    ]
    assert finalists == [16] * 6


def speeds(prices: tuple[float, float, float]) -> list[Speed]:
    """Cohorts that cost what the prices say."""
    study, found = study_of(), []
    for width, batch_size, n_members in ((16, 32, 1), (32, 32, 4), (16, 64, 8), (32, 64, 2)):
        params = {"depth": 2, "width": width, "input_dropout": 0.1, "dropout_1": 0.2}
        params |= {"dropout_2": 0.1, "batch_size": batch_size, "learning_rate": 0.001}
        config = resolve(study, 0, params | {"weight_decay": 0.0})
        speed = Speed(config=config, n_members=n_members, epoch_seconds=1.0, n_parameters=0)
        found.append(speed)
    return [
        Speed(
            config=one.config,
            n_members=one.n_members,
            epoch_seconds=float(work_of(one.config, one.n_members, N_ROWS) @ np.array(prices)),
            n_parameters=0,
        )
        for one in found
    ]


@pytest.mark.parametrize(
    "prices", [(1e-3, 1e-4, 1e-9), (0.0, 1e-4, 1e-9), (1e-3, 0.0, 0.0)], ids=str
)
def test_price_finds_what_epochs_cost(prices: tuple[float, float, float]) -> None:
    measured = speeds(prices)
    price = price_of(measured, Circumstances(n_rows=N_ROWS, n_workers=1))
    for one in measured:
        assignments = [Assignment(config=one.config, epochs=4)] * one.n_members
        ten = price(assignments, [10] * one.n_members) - price(assignments, [0] * one.n_members)
        assert math.isclose(ten, 10 * one.epoch_seconds, rel_tol=1e-6)


def test_price_falls_as_trials_of_a_cohort_end() -> None:
    measured = speeds((1e-3, 1e-4, 1e-9))
    price = price_of(measured, Circumstances(n_rows=N_ROWS, n_workers=1))
    pair = [Assignment(config=measured[0].config, epochs=4)] * 2
    assert price(pair, [5, 10]) < price(pair, [10, 10])
    assert price(pair, [5, 10]) > price(pair[:1], [10])


def test_curves_that_were_seen_move_both_bounds() -> None:
    study = study_of(stopping="none")
    [speed] = speeds((1e-3, 1e-4, 1e-9))[:1]
    early = Speed(
        config=speed.config,
        n_members=2,
        epoch_seconds=1.0,
        n_parameters=0,
        losses=((1.0, 0.5, 0.6, 0.7), (1.0, 0.4, 0.6, 0.7)),
    )
    assert habits_of([speed], study) == (SHORT, LONG)
    short, long = habits_of([early], study)
    assert long.best_part[1] < SHORT.best_part[1]
    assert short.best_part[0] < long.best_part[0]


def test_prediction_is_shorter_with_more_workers_and_for_what_is_left() -> None:
    measured = speeds((1e-2, 1e-2, 1e-7))
    one, two, rest = (
        predict(
            study_of(),
            measured,
            Circumstances(n_rows=N_ROWS, n_workers=n_workers, part_left=left),
        )
        for n_workers, left in ((1, 1.0), (2, 1.0), (1, 0.25))
    )
    assert two.low < one.low
    assert two.high < one.high
    assert math.isclose(rest.high, one.high / 4)


def test_prediction_of_a_long_study_is_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duration, "MOST_REHEARSED", 24)
    measured = speeds((1e-2, 1e-2, 1e-7))
    where = Circumstances(n_rows=N_ROWS, n_workers=2)
    some, many = (
        predict(study_of(stopping="none", trials=n, finalists=0), measured, where)
        for n in (24, 1_200)
    )
    assert math.isclose(many.high, 50 * some.high, rel_tol=0.2)
