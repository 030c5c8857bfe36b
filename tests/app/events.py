"""What a run of a study tells those who look on, recorded and told again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.app.tally import Tally
from pipeline.config import StudyConfig
from pipeline.search.driver import Driver
from pipeline.search.store import TrialStore
from pipeline.search.time_ledger import TimeLedger
from pipeline.trial import Cohort, Event, TrialRow
from tests.fakes import FakeEngine, FakeLedger
from tests.search.studies import Stores


@dataclass
class Told:
    """All that was told, in its order.

    Attributes:
        news: Steps of the start-up, cohorts that were handed out, and events.
        rows: The table in the end.
    """

    news: list[str | Cohort | Event] = field(default_factory=list)
    rows: Sequence[TrialRow] = ()

    def tell(self, tally: Any, n_news: int | None = None) -> Any:
        """Tell a tally, or whoever has its methods, the first of it."""
        for one in self.news[:n_news]:
            match one:
                case str():
                    tally.begin_step(one)
                case Cohort():
                    tally.hand_out(one)
                case _ if isinstance(tally, Tally):
                    tally.take(one)
                case _:
                    tally.watch(one)
        return tally


def record(study: StudyConfig, n_workers: int = 2) -> Told:
    """Run a study without training, and record what its driver tells."""
    told, stores = Told(), Stores()
    driver = Driver(
        study,
        store=TrialStore.create(stores.storage, study),
        ledger=FakeLedger(stores.held),
        engine=FakeEngine(n_workers=n_workers),
        seconds=TimeLedger(0.0, n_workers=n_workers, tell=told.news.append),
        watch=told.news.append,
        hand_out=told.news.append,
    )
    told.rows = driver.run()
    return told
