"""The ports that records travel through; the five rooms know each other by them alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.config import StudyConfig, TrialConfig
from pipeline.trial.assignment import Cohort
from pipeline.trial.records import TrialOutcome
from pipeline.trial.row import TrialRow
from pipeline.trial.scores import EpochScores
from pipeline.trial.study_state import StudyState
from pipeline.trial.warm_start import WarmStart

Event = EpochScores | TrialOutcome
"""What an engine sends while it trains: each epoch of a trial, then its end."""
Watch = Callable[[Event], None]
"""Called with each event."""
Tell = Callable[[str], None]
"""Called with a line for the user: what is being done or waited for."""


def ignore(*_said: object) -> None:
    """Do nothing; for whoever need not watch or be told."""


class Progress:
    """Looks on while a study runs: this one does nothing; others override what they show."""

    def take_up(self, rows: Sequence[TrialRow]) -> None:
        """Take the table as earlier runs left it, once, before the first trial."""

    def begin_step(self, step: str) -> None:
        """Take what the start-up or the end waits for now.

        Args:
            step: A key of ``tally.STEPS``, or words; empty once workers train.
        """

    def hand_out(self, cohort: Cohort) -> None:
        """Take trials that workers are handed: for the first time, or to go on after a pause."""

    def watch(self, event: Event) -> None:
        """Take an epoch's scores or a trial's end, each once."""

    def tell(self, line: str) -> None:
        """Take a line for the user: a server that is waited for, a node that lacks something."""


class Engine(Protocol):
    """Where cohorts run: it fits what it is given and says what it sees."""

    @property
    def n_workers(self) -> int:
        """How many cohorts are trained at a time."""

    @property
    def n_busy(self) -> int:
        """How many workers are training now."""

    @property
    def wants_work(self) -> bool:
        """Whether a cohort handed over now would be begun soon."""

    def submit(self, cohort: Cohort) -> None:
        """Hand over a cohort; cohorts are begun in the order in which they come."""

    def events(self, timeout_seconds: float) -> Sequence[Event]:
        """Wait for events, at most so long; a trial's outcome comes after all its epochs.

        Raises:
            EndOfEngineError: No worker can be started.
        """

    def close(self) -> None:
        """Stop the workers, also in the middle of a cohort, and wait for their end."""


@dataclass(frozen=True, slots=True)
class KnownRuns:
    """What Optuna knows of a study's runs in the ledger.

    Attributes:
        current: The run of each trial that is known to have one; any other is deleted.
        earlier: The runs of each trial's earlier attempts, the first first. They are kept, apart
            from the trials' runs.
    """

    current: Mapping[int, str] = field(default_factory=dict)
    earlier: Mapping[int, Sequence[str]] = field(default_factory=dict)


NO_RUNS = KnownRuns()


class Ledger(Protocol):
    """Where people browse a study: one run for it, and below that one run for each trial."""

    @property
    def run_ids(self) -> Mapping[int, str]:
        """The run id of every trial that has a run, by the trial's number."""

    def open(
        self,
        study: StudyConfig,
        known: KnownRuns = NO_RUNS,
        warm_start: WarmStart | None = None,
    ) -> None:
        """Make the study's run or take it up again; nothing is made twice.

        Args:
            study: Whose runs are written.
            known: Of each trial's runs the one that counts, and those to be set aside.
            warm_start: What the study has taken over from another one.
        """

    def start(self, config: TrialConfig) -> str:
        """Make a trial's run, or take it up again, and return its run id."""

    def report(self, scores: EpochScores) -> None:
        """Take an epoch's scores; they are visible within two seconds, each point once."""

    def finish(self, config: TrialConfig, outcome: TrialOutcome) -> None:
        """Write all that is left of a trial; after this its run is complete."""

    def release(self, number: int) -> None:
        """Note that a trial was interrupted and waits to be trained again."""

    def flush(self) -> None:
        """Write what is older than two seconds; called often, it mostly returns at once."""

    def close(self, state: StudyState) -> None:
        """Write what the study has come to, and leave nothing running."""
