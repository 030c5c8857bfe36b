"""The driver behind a network that fails at any call: nothing is lost, nothing is doubled."""

import random
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from pipeline.config import StudyConfig, TrialConfig
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.search.driver import Driver
from pipeline.search.storage.store import TrialStore
from pipeline.search.time_ledger import TimeLedger
from pipeline.tracking.patience import PatientLedger
from pipeline.trial import (
    NO_RUNS,
    EpochScores,
    KnownRuns,
    StudyState,
    TrialOutcome,
    TrialState,
    WarmStart,
)
from tests.fakes import Browsable, FakeEngine, FakeLedger, Fuse, KilledError
from tests.search.studies import Stores, study

ASKED = study(trials=12, block=3, epochs=4, stopping="asha")


class Network:
    """Is away for whole stretches of calls; the last call before may have been carried out.

    Args:
        stretches: How many calls pass, fail, pass … in turn; after the last all pass or fail.
        seed: Of which calls are carried out though their answer is lost.
    """

    def __init__(self, stretches: Sequence[int], seed: int = 0) -> None:
        self._stretches = list(stretches)
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self.is_away = False
        self.n_failed = 0

    def passes(self) -> bool:
        """Count a call, and say whether it gets through."""
        while self._stretches and self._stretches[0] <= 0:
            self._stretches.pop(0)
            self.is_away = not self.is_away
        if self._stretches:
            self._stretches[0] -= 1
        self.n_failed += self.is_away
        return not self.is_away

    def is_answer_alone_lost(self) -> bool:
        """Whether a call that failed was carried out all the same."""
        return self._chance.random() < 0.5


class DistantLedger(FakeLedger):
    """A fake ledger behind a network: it fails as MLflow's client does."""

    answer = "no answer"

    def __init__(self, held: Browsable, network: Network, fuse: Fuse) -> None:
        super().__init__(held, fuse=fuse)
        self._network = network

    def open(
        self,
        study: StudyConfig,
        known: KnownRuns = NO_RUNS,
        warm_start: WarmStart | None = None,
    ) -> None:
        """Connect first: that is refused in other words."""
        if not self._network.passes():
            raise BadInputError(where="http://host", problem="no server answers")
        super().open(study, known, warm_start)

    def start(self, config: TrialConfig) -> str:
        """Start, or fail."""
        self._lose(lambda: super(DistantLedger, self).start(config))
        return super().start(config)

    def finish(self, config: TrialConfig, outcome: TrialOutcome) -> None:
        """Finish, or fail."""
        self._lose(lambda: super(DistantLedger, self).finish(config, outcome))
        super().finish(config, outcome)

    def release(self, number: int) -> None:
        """Release, or fail."""
        self._lose(lambda: super(DistantLedger, self).release(number))
        super().release(number)

    def flush(self) -> None:
        """Write, or fail."""
        self._lose(lambda: None)

    def close(self, state: StudyState) -> None:
        """Close, or fail."""
        close = partial(super().close, state)
        self._lose(close)
        close()

    def _lose(self, work: Any) -> None:
        if self._network.passes():
            return
        if self._network.is_answer_alone_lost():
            work()
        raise WorkFailedError(self.answer) from MlflowException(self.answer)


@cache
def undisturbed_study() -> Stores:
    """The study with a server that always answers."""
    stores = Stores()
    stores.run(ASKED)
    return stores


class World:
    """Both stores, a server and the way to it; what is told is written down."""

    def __init__(self) -> None:
        self.stores = Stores()
        self.told: list[str] = []

    def run(
        self,
        network: Network,
        *,
        seed: int = 0,
        fuse: Fuse | None = None,
        patience_seconds: float = 60.0,
        ledger: type[DistantLedger] = DistantLedger,
    ) -> None:
        """Run the study as another process does."""
        Driver(
            ASKED,
            store=TrialStore.create(self.stores.storage, ASKED),
            ledger=PatientLedger(
                lambda: ledger(self.stores.held, network, fuse or Fuse()),
                address="http://host",
                tell=self.told.append,
                patience_seconds=patience_seconds,
                seconds_between_tries=0,
            ),
            engine=FakeEngine(n_workers=3, seed=seed, fuse=fuse),
            seconds=TimeLedger(0.0, n_workers=3),
        ).run()

    def states(self) -> set[TrialState]:
        """What has become of Optuna's trials."""
        return {row.state for row in self.stores.rows}

    def check(self) -> None:
        """Hold what is browsed to the undisturbed study."""
        undisturbed = undisturbed_study()
        assert self.stores.table == undisturbed.table
        ours, theirs = self.stores.held, undisturbed.held
        assert {n: (run.state, run.status, run.points) for n, run in ours.runs.items()} == {
            n: (run.state, run.status, run.points) for n, run in theirs.runs.items()
        }
        assert ours.n_made == 12
        assert ours.study_status == "FINISHED"


@settings(max_examples=10)
@given(
    absences=st.lists(st.tuples(st.integers(1, 25), st.integers(1, 25)), max_size=4),
    seed=st.integers(0, 99),
)
def test_server_that_comes_back_misses_nothing(absences: list[tuple[int, int]], seed: int) -> None:
    world = World()
    network = Network([calls for absence in absences for calls in absence], seed)
    world.run(network, seed=seed)
    world.check()
    n_waits = sum("does not answer" in line for line in world.told)
    assert (n_waits > 0) == (network.n_failed > 0)


@settings(max_examples=10)
@given(calls=st.integers(1, 25), seed=st.integers(0, 99))
def test_server_that_stays_away_ends_the_study_and_the_next_run_goes_on(
    calls: int, seed: int
) -> None:
    world, network = World(), Network([calls, 10**9], seed)
    with pytest.raises(
        WorkFailedError,
        match=r"^MLflow at http://host has not answered since 20\S+: run the same command again",
    ):
        world.run(network, seed=seed, patience_seconds=0.01)
    assert sum("does not answer" in line for line in world.told) == 1, "it waits once"
    assert TrialState.RUNNING not in world.states()
    finished = {row.number for row in world.stores.rows if row.state.is_finished}
    assert finished <= {n for n, run in world.stores.held.runs.items() if run.state.is_finished}
    world.run(Network([]), seed=seed)
    world.check()


def test_interrupted_wait_is_not_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    world = World()
    monkeypatch.setattr("pipeline.tracking.patience.time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        world.run(Network([30, 10**9]))
    assert len(world.told) == 1
    assert TrialState.RUNNING not in world.states()


@pytest.mark.parametrize("calls", range(10, 80, 10))
def test_driver_killed_while_the_server_is_away_loses_nothing(calls: int) -> None:
    world = World()
    with pytest.raises(KilledError, match=r"^$"):
        world.run(Network([20, 40, 20, 40, 20, 40], seed=calls), fuse=Fuse(calls))
    world.run(Network([]))
    world.check()


class Overloaded(DistantLedger):
    """Answers each call with an error."""

    answer = "API request to endpoint /api failed with error code 503 != 200"


def test_server_that_answers_with_errors_alone_is_told_by_their_status() -> None:
    with pytest.raises(
        WorkFailedError, match="http://host has answered with HTTP status 503 alone since 20"
    ):
        World().run(Network([20, 10**9]), patience_seconds=0.01, ledger=Overloaded)


class Stubborn(DistantLedger):
    """Refuses what it is asked, though it answers."""

    def finish(self, config: TrialConfig, outcome: TrialOutcome) -> None:
        """Refuse."""
        del config, outcome
        message = "MLflow cannot finish: bad request"
        raise WorkFailedError(message) from MlflowException(message, error_code=1000)

    def report(self, scores: EpochScores) -> None:
        """Take nothing."""


def test_server_that_answers_and_refuses_stops_the_study_at_once() -> None:
    world = World()
    with pytest.raises(WorkFailedError, match=r"^MLflow cannot finish: bad request$"):
        world.run(Network([]), ledger=Stubborn)
    assert world.told == []
    assert world.states() == {TrialState.WAITING}
