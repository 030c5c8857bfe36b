"""What a run of a study tells those who look on, recorded and told again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pipeline.config import StudyConfig
from pipeline.search.driver import Driver
from pipeline.search.storage.store import TrialStore
from pipeline.search.time_ledger import TimeLedger
from pipeline.trial import Cohort, Event, Progress, TrialRow
from tests.fakes import FakeEngine, FakeLedger
from tests.search.studies import Stores

P = TypeVar("P", bound=Progress)


@dataclass
class Told(Progress):
    """All that was told, in its order.

    Attributes:
        news: Steps of the start-up, cohorts that were handed out, and events.
        rows: The table in the end.
    """

    news: list[str | Cohort | Event] = field(default_factory=list)
    rows: Sequence[TrialRow] = ()

    def begin_step(self, step: str) -> None:
        """Record it."""
        self.news.append(step)

    def hand_out(self, cohort: Cohort) -> None:
        """Record it."""
        self.news.append(cohort)

    def watch(self, event: Event) -> None:
        """Record it."""
        self.news.append(event)

    def tell_again(self, progress: P, n_news: int | None = None) -> P:
        """Tell another one the first of it."""
        for one in self.news[:n_news]:
            match one:
                case str():
                    progress.begin_step(one)
                case Cohort():
                    progress.hand_out(one)
                case _:
                    progress.watch(one)
        return progress


def record(study: StudyConfig, n_workers: int = 2) -> Told:
    """Run a study without training, and record what its driver tells."""
    told, stores = Told(), Stores()
    driver = Driver(
        study,
        store=TrialStore.create(stores.storage, study),
        ledger=FakeLedger(stores.held),
        engine=FakeEngine(n_workers=n_workers),
        seconds=TimeLedger(0.0, n_workers=n_workers, tell=told.begin_step),
        progress=told,
    )
    told.rows = driver.run()
    return told
