"""Five trials in a row that fail for one cause stop a study, at the same place for any workers."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pipeline.errors import WorkFailedError
from pipeline.search.failure_limit import RepeatedFailure, alike, find_repeated_failure
from pipeline.search.storage.store import TrialStore
from pipeline.trial import Cohort, EpochScores, TrialOutcome, TrialState
from tests.fakes import Fit, Fuse, KilledError, fake_fit
from tests.search.studies import Stores, study

SAME = [
    (
        "diverged: train_loss nan, val_loss 2.31 at epoch 3",
        "diverged: train_loss inf, val_loss -1e-7 at epoch 12",
    ),
    ("RuntimeError: at 0x7f3a9c (net:7)", "RuntimeError: at 0xdeadBEEF (net:11)"),
    ("worker lost: it died 4 times", "worker lost: it died 5 times"),
    (None, None),
]
DIFFERENT = [
    ("ValueError: no", "KeyError: no"),
    ("out of memory: tried 5 bytes", "diverged: 5"),
    ("nan", "nanny"),
    (None, "ValueError: no"),
]


@dataclass
class Ended:
    """A trial that has ended."""

    number: int
    state: TrialState
    cause: str | None


def ended(numbers: Collection[int], cause: str | None = "planted 1") -> list[Ended]:
    return [Ended(n, TrialState.FAIL, cause) for n in numbers]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_causes_that_differ_in_numbers_alone_are_alike(one: str, other: str) -> None:
    assert alike(one) == alike(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_causes_of_another_kind_are_not_alike(one: str, other: str) -> None:
    assert alike(one) != alike(other)


def test_five_failures_in_a_row_are_a_streak_named_by_its_first_cause() -> None:
    trials = [*ended(range(3, 6), "at 1"), *ended(range(6, 9), "at 2")]
    assert find_repeated_failure(trials) == RepeatedFailure(3, 7, "at 1")


@pytest.mark.parametrize(
    "trials",
    [
        ended(range(4)),
        ended([0, 1, 2, 3, 5, 6, 7]),
        [*ended(range(4)), Ended(4, TrialState.PRUNED, "planted 1"), *ended(range(5, 9))],
        [*ended(range(4)), *ended(range(4, 8), "another")],
    ],
    ids=["four", "a gap", "one that was pruned", "two causes"],
)
def test_a_row_that_is_broken_is_no_streak(trials: list[Ended]) -> None:
    assert find_repeated_failure(trials) is None


def failing(numbers: Collection[int]) -> Fit:
    """Fit as the fakes do, but fail these trials for one cause, told with their numbers."""

    def fit(
        cohort: Cohort, context: Any, report: Callable[[EpochScores], None]
    ) -> list[TrialOutcome]:
        outcomes = fake_fit(cohort, context, report)
        return [
            replace(one, state=TrialState.FAIL, cause=f"planted in {one.number}")
            if one.number in numbers
            else one
            for one in outcomes
        ]

    return fit


def stopped(stores: Stores, numbers: Collection[int], *, trials: int = 24, **how: Any) -> str:
    """Run the study until it stops, and give back what it says."""
    with pytest.raises(WorkFailedError, match="stopped") as caught:
        stores.run(study(block=4, trials=trials), fit=failing(numbers), **how)
    return str(caught.value)


@pytest.mark.parametrize(("n_workers", "cohort"), [(1, 1), (2, None), (8, 1), (5, None)])
def test_study_stops_at_the_same_place_for_any_workers(n_workers: int, cohort: int | None) -> None:
    alone, many = Stores(), Stores()
    said = stopped(alone, range(6, 11))
    assert "trials 6 to 10, 5 in a row, failed for one cause: planted in 6" in said
    assert (
        stopped(many, range(6, 11), n_workers=n_workers, seed=n_workers, max_cohort=cohort) == said
    )
    assert many.table == alone.table
    # The trials that may see block 2 begin with block 4: nothing of it was asked for.
    assert [row.number for row in many.rows] == list(range(16))
    assert all(row.state.is_finished for row in many.rows)
    assert {n: run.state for n, run in many.held.runs.items()} == dict(
        enumerate(row.state for row in many.rows)
    )
    assert many.held.study_status == "KILLED"


def test_same_command_goes_on_after_a_stop_to_the_table_of_a_study_that_never_stopped() -> None:
    stores, never = Stores(), Stores()
    stopped(stores, range(6, 11))
    stores.run(study(block=4), fit=failing(range(6, 11)), n_workers=3)
    TrialStore.create(never.storage, study(block=4))
    study_id = never.storage.get_study_id_from_name("small")
    never.storage.set_study_user_attr(study_id, "n_acknowledged", 24)
    never.run(study(block=4), fit=failing(range(6, 11)))
    assert stores.table == never.table
    assert len(stores.rows) == 24


def test_cause_that_is_not_mended_stops_the_study_again_later() -> None:
    stores = Stores()
    assert "trials 0 to 4" in stopped(stores, range(40), trials=40)
    assert len(stores.rows) == 12
    assert "trials 12 to 16" in stopped(stores, range(40), trials=40)
    assert len(stores.rows) == 24


def test_failures_at_the_end_of_a_study_are_told_once() -> None:
    stores = Stores()
    assert "trials 19 to 23" in stopped(stores, range(19, 24))
    assert stores.held.study_status == "FINISHED"
    assert stores.run(study(block=4), fit=failing(range(19, 24))).order == []


@pytest.mark.parametrize("calls", [40, 90, 130])
def test_driver_that_is_killed_stops_at_the_same_place(calls: int) -> None:
    alone, killed = Stores(), Stores()
    said = stopped(alone, range(2, 9))
    with pytest.raises(KilledError, match=r"^$"):
        killed.run(study(block=4), fit=failing(range(2, 9)), fuse=Fuse(calls))
    assert stopped(killed, range(2, 9), n_workers=2) == said
    assert killed.table == alone.table
