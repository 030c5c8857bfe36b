"""When the value of (a) is reached: the earliest complete trial counts, more trials cost time."""

import datetime as dt
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from benchmarks.race import NAME, Goal, Race, Reached, completed
from benchmarks.target import line_of, summary

GOAL = Goal(value=0.2, seconds=90.0, first_seconds=45.0, start_up=6.0)


def race(seconds: float | None) -> Race:
    ours = Reached(value=0.19, seconds=seconds, start_up=3.0, n_trials=60)
    return Race(seed=1, goal=GOAL, ours=ours)


def test_ratios_leave_start_up_out_or_take_it_in() -> None:
    assert race(5.0).ratio == pytest.approx(18)
    assert race(5.0).ratio_to_first == pytest.approx(9)
    assert race(5.0).ratio_with_start_up == pytest.approx(12)


def test_goal_that_is_not_reached_has_ratio_0_and_is_told() -> None:
    assert race(None).ratio == 0
    assert "not reached" in line_of(race(None))


def test_summary_takes_the_median_seed() -> None:
    races = [race(5.0), race(9.0), race(None)]
    assert summary(races).startswith("median of 3 seeds: 10.0 times as fast, 8.0 with start-up")


def test_completed_trials_come_by_their_end_and_without_pruned_ones(tmp_path: Path) -> None:
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "optuna.journal")))
    study = optuna.create_study(study_name=NAME, storage=storage)
    first, second, pruned = (study.ask() for _ in range(3))
    study.tell(second, 0.3)
    study.tell(pruned, state=optuna.trial.TrialState.PRUNED)
    study.tell(first, 0.2)
    ends = completed(tmp_path)
    assert [value for _, value in ends] == [0.3, 0.2]
    now = dt.datetime.now(dt.UTC).timestamp()
    assert now - 60 < ends[0][0] <= ends[1][0] <= now
