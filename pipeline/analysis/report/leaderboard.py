"""Every trial in a table: the best first, then those that were stopped, then those that failed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.analysis.report.content import STATES, ReportContent, shown
from pipeline.config import Scalar
from pipeline.trial import Ranked, TrialRow, TrialState

SHOWN: Final = 12
"""So many trials are shown at once; the others unfold."""
MOST: Final = 400
"""The page has so many trials at most."""
MOST_COLUMNS: Final = 16
LONGEST_CAUSE: Final = 160
STATE_ORDER: Final = (TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING)


@dataclass(frozen=True, kw_only=True)
class LeaderboardLine:
    """A trial.

    Attributes:
        value: What ranks it; of a stopped trial its best so far, in brackets.
        note: Its seeds or its cause; empty where there is nothing to say.
    """

    number: int
    is_best: bool
    state: str
    value: str
    best_epoch: str
    cells: Sequence[str]
    note: str


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """The table.

    Attributes:
        columns: The parameters that differ between trials.
        first: The lines that are shown at once.
        others: Those that unfold.
        n_left_out: How many more trials there are.
        fixed: The parameters that all trials share, in words.
    """

    columns: Sequence[str]
    first: Sequence[LeaderboardLine]
    others: Sequence[LeaderboardLine]
    n_left_out: int
    fixed: str


def leaderboard(content: ReportContent) -> Leaderboard:
    """Rank a study's trials; the trials of a finalist are one line."""
    columns = list(content.varied)[:MOST_COLUMNS]
    lines = list(_lines(content, columns))
    return Leaderboard(
        columns=columns,
        first=lines[:SHOWN],
        others=lines[SHOWN:MOST],
        n_left_out=max(len(lines) - MOST, 0),
        fixed=_fixed(content),
    )


def _lines(content: ReportContent, columns: Sequence[str]) -> Iterator[LeaderboardLine]:
    for rank, ranked in enumerate(content.ranked):
        yield _ranked_line(ranked, columns, is_best=rank == 0)
    for state in STATE_ORDER:
        rows = [row for row in content.rows if row.state is state]
        for row in sorted(rows, key=lambda row: _loss(content, row)):
            yield _line(row, columns)


def _loss(content: ReportContent, row: TrialRow) -> tuple[bool, float, int]:
    best = row.best_score
    return best is None, content.objective.loss(best or 0.0), row.number


def _ranked_line(ranked: Ranked, columns: Sequence[str], *, is_best: bool) -> LeaderboardLine:
    row, finalist = ranked.trial, ranked.finalist
    numbers = ", ".join(str(trial.number) for trial in finalist.trials) if finalist else ""
    seeds = f"mean of {ranked.n_seeds} new seeds (trials {numbers})" if finalist else ""
    return LeaderboardLine(
        number=row.number,
        is_best=is_best,
        state=STATES[row.state],
        value=f"{ranked.value:.5g}",
        best_epoch=shown(row.best_epoch),
        cells=_cells(row.params, columns),
        note=seeds,
    )


def _line(row: TrialRow, columns: Sequence[str]) -> LeaderboardLine:
    best, cause = row.best_score, " ".join((row.cause or "").split())
    is_long = len(cause) > LONGEST_CAUSE
    return LeaderboardLine(
        number=row.number,
        is_best=False,
        state=STATES[row.state],
        value="" if best is None else f"({best:.5g})",
        best_epoch=shown(row.best_epoch),
        cells=_cells(row.params, columns),
        note=f"{cause[:LONGEST_CAUSE]}…" if is_long else cause,
    )


def _cells(params: Mapping[str, Scalar], columns: Sequence[str]) -> list[str]:
    return [shown(params.get(name)) for name in columns]


def _fixed(content: ReportContent) -> str:
    """What all trials have in common."""
    if not content.rows:
        return ""
    shared = content.rows[0].params
    same = {name: value for name, value in shared.items() if name not in content.varied}
    return ", ".join(f"{name} {shown(value)}" for name, value in same.items())
