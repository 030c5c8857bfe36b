"""A ledger that shows nothing: what is left is what Optuna and the search cost."""

from collections.abc import Mapping

from pipeline.config import StudyConfig, TrialConfig
from pipeline.trial import NO_RUNS, EpochScores, KnownRuns, StudyState, TrialOutcome, WarmStart


class SilentLedger:
    """Gives each trial a run id, and keeps nothing else."""

    def __init__(self) -> None:
        self.run_ids: dict[int, str] = {}

    def open(
        self,
        study: StudyConfig,
        known: KnownRuns = NO_RUNS,
        warm_start: WarmStart | None = None,
    ) -> None:
        """Take up the runs that there are."""
        del study, warm_start
        current: Mapping[int, str] = known.current
        self.run_ids = dict(current)

    def start(self, config: TrialConfig) -> str:
        """Name a trial's run."""
        return self.run_ids.setdefault(config.number, f"{config.number:032x}")

    def report(self, scores: EpochScores) -> None:
        """Show nothing."""

    def finish(self, config: TrialConfig, outcome: TrialOutcome) -> None:
        """Show nothing."""

    def release(self, number: int) -> None:
        """Show nothing."""

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self, state: StudyState) -> None:
        """Show nothing."""
