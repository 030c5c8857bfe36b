"""What a trial is worth follows from the objective: its best epoch, its value, its rank."""

import math
from dataclasses import replace

import pytest

from pipeline.config import Objective
from pipeline.trial import Cutoffs, EpochScores, TrialOutcome, TrialRow, TrialState, rank
from tests.fakes import epoch_scores

HIGHEST = Objective(metric="val_accuracy", direction="maximize")
OWN = Objective(metric="val/f1", direction="maximize")


def curve(objective: Objective, *scores: float) -> tuple[EpochScores, ...]:
    """A curve of one score; the validation loss falls all the time."""
    return tuple(
        replace(epoch_scores(0, epoch, 1.0 / epoch), objective=objective).with_score(score)
        for epoch, score in enumerate(scores, start=1)
    )


@pytest.mark.parametrize("objective", [HIGHEST, OWN], ids=["measured", "logged"])
def test_best_epoch_is_that_of_the_highest_score_of_equals_the_first(objective: Objective) -> None:
    scores = (0.5, 0.9, math.nan, 0.9, 0.7)
    outcome = TrialOutcome(number=0, state=TrialState.COMPLETE, curve=curve(objective, *scores))
    assert outcome.best is not None
    assert (outcome.best.epoch, outcome.value) == (2, 0.9)
    assert repr(outcome.scores) == repr(scores)


def test_gap_is_that_of_the_objective_where_no_val_loss_is_logged() -> None:
    [scores] = curve(Objective(metric="val/loss"), 0.75)
    unnamed = replace(scores, val_loss=math.nan, train_loss_no_dropout=0.5)
    assert unnamed.generalization_gap == 0.25
    assert math.isnan(replace(unnamed, objective=OWN).generalization_gap)


def test_a_row_counts_its_scores_as_losses() -> None:
    row = replace(_row(0, 0.9), scores=(0.5, 0.9, math.nan, 0.8))
    assert row.lowest_so_far == (-0.5, -0.9, -0.9, -0.9)
    assert (row.loss, row.best_score) == (-0.9, 0.9)


def test_highest_value_ranks_first_of_equals_the_first() -> None:
    rows = [_row(0, 0.7), _row(1, 0.9), _row(2, None), _row(3, 0.9), _row(4, -1.0)]
    assert [one.trial.number for one in rank(rows)] == [1, 3, 0, 4]


def test_cutoff_says_which_way_is_worse() -> None:
    cutoffs = Cutoffs(rule="asha", limits=(-0.8, -0.9))
    assert cutoffs.verdict([-0.8], HIGHEST) is None
    said = "asha: highest val_accuracy 0.85 below 0.9 at epoch 2"
    assert cutoffs.verdict([-0.8, -0.85], HIGHEST) == said


def _row(number: int, value: float | None) -> TrialRow:
    return TrialRow(
        number=number,
        state=TrialState.FAIL if value is None else TrialState.COMPLETE,
        value=value,
        best_epoch=None,
        params={"depth": number},
        run_id=None,
        weights_sha256=None,
        cause=None,
        objective=HIGHEST,
    )
