"""Candidates with given values, and the lines of a study's table."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.analysis import Candidate, Repeat
from pipeline.config import Finalist
from pipeline.trial import TrialRow, TrialState


def candidate(number: int, losses: Sequence[float | None], **how: Any) -> Candidate:
    """A trial with a loss a repeat; ``None`` failed."""
    repeats = [
        Repeat(repeat=i, value=loss, cause=None if loss is not None else "diverged")
        for i, loss in enumerate(losses, start=1)
    ]
    return Candidate(number=number, params={"depth": 1}, repeats=tuple(repeats), **how)


def candidates(losses: Mapping[int, Sequence[float]], **how: Any) -> list[Candidate]:
    """Several trials."""
    return [candidate(number, list(given), **how) for number, given in losses.items()]


def row(
    number: int,
    value: float | None,
    state: TrialState = TrialState.COMPLETE,
    *,
    finalist: Finalist | None = None,
    **params: Any,
) -> TrialRow:
    """A line of the study's table; unless told otherwise each has a setting of its own."""
    return TrialRow(
        number=number,
        state=state,
        value=value,
        best_epoch=None,
        params=params or {"depth": number},
        run_id=None,
        weights_sha256=None,
        cause=None,
        finalist=finalist,
    )
