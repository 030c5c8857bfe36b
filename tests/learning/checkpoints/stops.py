"""Trainings that are stopped as if their process had died, and taken up again."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.learning.checkpoints import CheckpointFolder, Resumable
from pipeline.learning.cohort.fit import fit_cohort
from pipeline.learning.custom.datamodule import CustomData
from pipeline.learning.data import PreparedData
from pipeline.trial import (
    Assignment,
    Cohort,
    EpochScores,
    TrialOutcome,
    TrialState,
    curve_sha256,
)

Bits = tuple[str, str | None, TrialState, str | None]


class KilledError(BaseException):
    """Stands for ``kill -9``: nothing in a training catches it."""


def bits(outcome: TrialOutcome) -> Bits:
    """What is equal where two trainings are the same."""
    return curve_sha256(outcome.curve), outcome.weights_sha256, outcome.state, outcome.cause


def resumable(data: PreparedData | CustomData, home: Path) -> Resumable:
    """The data, and a folder for checkpoints in a home."""
    return Resumable(data, CheckpointFolder(home / "checkpoints" / "tests"))


def fit(
    data: PreparedData | CustomData | Resumable, assignments: Sequence[Assignment]
) -> list[TrialOutcome]:
    """Fit a cohort and hear nothing of its epochs."""
    return fit_cohort(Cohort(tuple(assignments)), data, lambda _: None)


def stop_after(
    context: Resumable, assignments: Sequence[Assignment], epoch: int
) -> dict[tuple[int, int], EpochScores]:
    """Fit until an epoch is over, and be killed in the next.

    Returns:
        What was reported, by trial and epoch.
    """
    heard: dict[tuple[int, int], EpochScores] = {}

    def report(scores: EpochScores) -> None:
        if scores.epoch > epoch:
            raise KilledError
        heard[scores.number, scores.epoch] = scores

    with pytest.raises(KilledError):
        fit_cohort(Cohort(tuple(assignments)), context, report)
    return heard


def stop_after_each(
    context: Resumable, assignments: Sequence[Assignment], n_epochs: int
) -> dict[tuple[int, int], EpochScores]:
    """Fit for so many epochs, and be killed in each but the first.

    Returns:
        What was reported last, by trial and epoch.
    """
    heard: dict[tuple[int, int], EpochScores] = {}
    for epoch in range(1, n_epochs + 1):
        before, heard = heard, stop_after(context, assignments, epoch)
        for key, scores in before.items():
            assert heard[key].epoch_seconds == scores.epoch_seconds, "trained a second time"
    return heard


def check_goes_on(
    heard: dict[tuple[int, int], EpochScores], outcomes: Sequence[TrialOutcome], epoch: int
) -> None:
    """The epochs up to the stop are those of before, to the second; the others are new."""
    for outcome in outcomes:
        for scores in outcome.curve:
            before = heard.get((outcome.number, scores.epoch))
            if scores.epoch <= epoch:
                assert before is not None
                assert scores.epoch_seconds == before.epoch_seconds
                assert scores.ended_at_ms == before.ended_at_ms
            else:
                assert before is None
