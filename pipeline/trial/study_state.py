"""What a study has come to at the end of a run of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.trial.row import TrialRow
from pipeline.trial.search_summary import SearchSummary
from pipeline.trial.settled import Settled
from pipeline.trial.time_spent import RunTime


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyState:
    """What a ledger says of a study when it is closed.

    Attributes:
        rows: The study's table.
        is_done: Whether nothing of it is left to train.
        settled: Why its search ended before all its trials were done.
        summary: What its search has come to; ``None`` where nothing is to be said.
        spent: Where the seconds of this run went; ``None`` where it trained nothing.
    """

    rows: Sequence[TrialRow]
    is_done: bool
    settled: Settled | None = None
    summary: SearchSummary | None = None
    spent: RunTime | None = None
