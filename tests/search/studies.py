"""Small studies of the search, and how they are run without an engine that trains."""

from dataclasses import dataclass, field
from typing import Any

from optuna.storages import BaseStorage, InMemoryStorage

from pipeline.config import StudyConfig, check_study
from pipeline.search.driver import Driver, Summarise
from pipeline.search.storage.store import TrialStore
from pipeline.search.time_ledger import TimeLedger
from pipeline.search.warm_start import find_warm_start
from pipeline.trial import TrialRow, TrialState
from tests.fakes import Browsable, FakeEngine, FakeLedger, Fit, Fuse, fake_fit

SPACE: dict[str, Any] = {
    "depth": {"low": 0, "high": 3},
    "width": {"choices": [16, 32]},
    "input_dropout": {"low": 0.0, "high": 0.3},
    "dropout": {"low": 0.0, "high": 0.6, "per_layer": True},
    "batch_size": {"choices": [32, 64]},
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
}
GRID_SPACE: dict[str, Any] = {
    "depth": {"low": 0, "high": 2},
    "width": {"choices": [16, 32], "per_layer": True},
    "dropout": {"low": 0.0, "high": 0.5, "step": 0.25, "per_layer": True},
    "batch_size": 32,
    "learning_rate": {"choices": [1e-3, 1e-2]},
}
RATE: dict[str, Any] = {
    "depth": 1,
    "width": {"choices": [16, 32]},
    "dropout": 0.1,
    "batch_size": 32,
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
}
"""Two parameters."""


def study(
    *,
    name: str = "small",
    epochs: Any = 9,
    fixed: Any = (),
    space: Any = None,
    model: Any = None,
    **search: Any,
) -> StudyConfig:
    """A study whose search section is given."""
    default = GRID_SPACE if search.get("sampler") == "grid" else SPACE
    document = {
        "name": name,
        "data": {"name": "digits"},
        "model": model or {"name": "mlp"},
        "space": space or default,
        "training": {"epochs": epochs, "early_stopping": {"patience": 3}},
        "search": {"trials": 24, "block": 3, "stopping": "none"} | search,
        "trials": list(fixed),
    }
    return check_study(document, "small.yaml")


def ended(
    number: int,
    state: TrialState,
    value: float | None,
    val_losses: tuple[float, ...],
    cause: str | None = None,
) -> TrialRow:
    """A trial that has ended, with what the search looks at."""
    return TrialRow(
        number=number,
        state=state,
        value=value,
        best_epoch=None,
        params={},
        run_id=None,
        weights_sha256=None,
        cause=cause,
        scores=val_losses,
    )


@dataclass
class Stores:
    """What outlives a driver: Optuna's storage and the browsable ledger.

    Attributes:
        summarise: What a driver finds at its end; it takes half of the time of a small study.
    """

    storage: BaseStorage = field(default_factory=InMemoryStorage)
    held: Browsable = field(default_factory=Browsable)
    summarise: Summarise | None = None

    def run(
        self,
        asked: StudyConfig,
        *,
        n_workers: int = 1,
        seed: int = 0,
        fit: Fit = fake_fit,
        context: Any = None,
        fuse: Fuse | None = None,
        max_cohort: int | None = 1,
    ) -> FakeEngine:
        """Run a study, or go on with it, and give back the engine that it ran on.

        The context is what ``fit`` is given beside a cohort.
        """
        engine = FakeEngine(fit, n_workers=n_workers, seed=seed, fuse=fuse)
        engine.open(context)
        warm_start = find_warm_start(self.storage, asked, where="small.yaml")
        driver = Driver(
            asked,
            store=TrialStore.create(self.storage, asked, warm_start=warm_start),
            ledger=FakeLedger(self.held, fuse=fuse),
            engine=engine,
            seconds=TimeLedger(0.0, n_workers=n_workers),
            max_cohort=max_cohort,
        )
        driver.run(self.summarise)
        return engine

    @property
    def rows(self) -> list[TrialRow]:
        """The table as Optuna's storage holds it."""
        return TrialStore(self.storage, "small").rows()

    @property
    def table(self) -> list[dict[str, object]]:
        """The rows with their curves."""
        trials = self.storage.get_all_trials(self.storage.get_study_id_from_name("small"))
        return [
            row.as_json() | {"curve": trial.intermediate_values}
            for row, trial in zip(self.rows, trials, strict=True)
        ]


def table_of(asked: StudyConfig, **how: Any) -> list[dict[str, object]]:
    """Run a study from nothing and give back its table."""
    stores = Stores()
    stores.run(asked, **how)
    return stores.table
