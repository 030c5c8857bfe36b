"""How far a run has come, counted from what its driver tells."""

from collections import Counter
from itertools import pairwise

import pytest

from pipeline.app.progress.sparkline import sparkline
from pipeline.app.progress.tally import STEPS, Tally
from pipeline.app.progress.time_left import TimeLeft, Work
from pipeline.config import StudyConfig
from pipeline.trial import TrialOutcome
from tests.app.events import Told, record
from tests.search.studies import study


class Clock:
    """Seconds that pass by one each time they are asked for."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        self.now += 1
        return self.now


@pytest.fixture(scope="module")
def asked() -> StudyConfig:
    """Trials that pause, are stopped, end early and fail."""
    return study(trials=26, sampler="random", stopping="halving", block=8)


@pytest.fixture(scope="module")
def told(asked: StudyConfig) -> Told:
    """What its run tells."""
    return record(asked)


def test_at_the_end_all_trials_are_counted_and_none_runs(told: Told, asked: StudyConfig) -> None:
    tally = told.tell_again(Tally(asked))
    assert (tally.done, tally.running, tally.step) == (26, {}, "")
    assert tally.best is not None
    lowest = min((row.value, row.number) for row in told.rows if row.value is not None)
    assert (tally.best.loss, tally.best.number) == lowest
    assert tally.best.params == told.rows[lowest[1]].params
    assert tally.best.scores == told.rows[lowest[1]].scores
    assert all(after <= before for before, after in pairwise(tally.history))
    states = Counter(row.state.lower() for row in told.rows)
    ended = tally.ended
    assert ended["complete"] + ended["complete (early stopping)"] == states["complete"]
    assert ended["pruned (halving)"] == states["pruned"] > 0
    assert ended["failed (MemoryError)"] == states["fail"] == 2
    assert tally.left_text == ""


def test_trials_run_from_when_they_are_handed_out_and_pause_at_the_gate(
    told: Told, asked: StudyConfig
) -> None:
    tally, seen_paused = Tally(asked), set()
    for one in told.news:
        Told([one]).tell_again(tally)
        if isinstance(one, TrialOutcome):
            assert one.number not in tally.running
        seen_paused |= {trial.number for trial in tally.running.values() if trial.is_paused}
        assert all(len(trial.scores) <= trial.epochs for trial in tally.running.values())
    pruned = {row.number for row in told.rows if row.state == "PRUNED"}
    assert pruned <= seen_paused


def test_earlier_runs_are_taken_up_with_their_best_and_their_causes(
    told: Told, asked: StudyConfig
) -> None:
    whole, later = told.tell_again(Tally(asked)), Tally(asked)
    later.take_up(told.rows)
    assert (later.done, later.best_text) == (whole.done, whole.best_text)
    assert later.ended == whole.ended
    assert later.found_text == "found in an earlier run"
    assert later.left_text == ""


def test_a_run_that_begins_again_counts_its_own_trials_once(told: Told, asked: StudyConfig) -> None:
    again = told.tell_again(Tally(asked), len(told.news) // 2)
    again.take_up(told.rows)
    assert (again.done, again.running) == (26, {})
    assert sum(again.ended.values()) == 26
    assert len(again.history) <= 26


def test_the_time_left_is_unknown_then_bounded_then_told(told: Told, asked: StudyConfig) -> None:
    tally, texts = Tally(asked, clock=Clock()), []
    for one in told.news:
        Told([one]).tell_again(tally)
        texts.append(tally.left_text.partition(" about ")[0].partition(" ")[0])
    phases = [text for index, text in enumerate(texts) if index == 0 or texts[index - 1] != text]
    assert phases == ["time", "at", "about", ""]


def _work(**changes: object) -> Work:
    usual = {"total": 20, "most_epochs": 10, "ended": [], "whole": [], "running": []}
    return Work(**usual | {"n_finalists": 0, "rate": 2.0} | changes)  # type: ignore[arg-type]


def test_before_any_trial_has_ended_the_time_left_is_an_upper_bound() -> None:
    assert _work(running=[4, 0]).time_left() == TimeLeft(seconds=98.0, is_at_most=True)
    assert str(_work().time_left()) == "at most about 1 min 40 s left"
    assert _work(rate=0.0).time_left() is None


def test_the_time_left_follows_from_the_trials_that_have_ended() -> None:
    ended = {"ended": [2, 2, 2, 10, 4, 4], "whole": [10]}
    assert _work(**ended).time_left() == TimeLeft(seconds=14 * 4 / 2)
    with_running = _work(**ended, running=[1, 8])
    assert with_running.time_left() == TimeLeft(seconds=(12 * 4 + 3 + 2) / 2)
    with_finalists = _work(**ended, n_finalists=4)
    assert with_finalists.time_left() == TimeLeft(seconds=(10 * 4 + 4 * 10) / 2)


def test_no_more_time_is_left_than_the_study_may_take() -> None:
    left = TimeLeft(seconds=90.0, is_at_most=True)
    assert left.until(float("inf")) == left.until(90.0) == left
    assert left.until(30.0) == TimeLeft(seconds=30.0)
    assert left.until(-1.0) == TimeLeft(seconds=0.0)


def test_steps_have_words_and_what_is_no_step_is_shown_as_it_is(asked: StudyConfig) -> None:
    tally = Tally(asked)
    tally.begin_step("mlflow")
    assert tally.step == STEPS["mlflow"]
    tally.begin_step("decoding images of train: 500 of 60,000")
    assert tally.step == "decoding images of train: 500 of 60,000"


@pytest.mark.parametrize(
    ("values", "width", "drawn"),
    [
        ([], 8, ""),
        ([1.0], 8, "▁"),
        ([1.0, 2.0], 0, ""),
        ([2.0, 1.0], -1, ""),
        ([0.0, 7.0, 3.5], 8, "▁█▅"),
        (list(range(100)), 4, "▁▃▆█"),
        ([float("nan"), float("inf"), 1.0], 8, "··▁"),
        ([-1e308, 1e308], 8, "▁▁"),
    ],
)
def test_sparkline_is_as_wide_as_there_is_room(values: list[float], width: int, drawn: str) -> None:
    assert sparkline(values, width) == drawn
