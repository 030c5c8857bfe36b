"""The driver behind a network that fails at any call: nothing is lost, nothing is doubled."""

import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from pipeline.config import StudyConfig, TrialConfig
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.search.driver import Driver, release_unfinished
from pipeline.search.store import TrialStore
from pipeline.search.time_ledger import TimeLedger
from pipeline.tracking.outbox import Outbox
from pipeline.tracking.outbox_ledger import OutboxLedger
from pipeline.trial import EpochScores, TrialOutcome, TrialRow, TrialState
from tests.fakes import Browsable, FakeEngine, FakeLedger, Fuse, KilledError
from tests.search.studies import Stores, study

ASKED = study(trials=12, block=3, epochs=4, stopping="asha")
T = TypeVar("T")


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

    def __init__(self, held: Browsable, network: Network, fuse: Fuse) -> None:
        super().__init__(held, fuse=fuse)
        self._network = network

    def open(self, study: StudyConfig) -> None:
        """Connect first: that is refused in other words."""
        if not self._network.passes():
            raise BadInputError(where="http://host", got="refused", expected="a server")
        super().open(study)

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

    def close(self, rows: Sequence[TrialRow], *, is_done: bool) -> None:
        """Close, or fail."""
        self._lose(lambda: super(DistantLedger, self).close(rows, is_done=is_done))
        super().close(rows, is_done=is_done)

    def _lose(self, work: Any) -> None:
        if self._network.passes():
            return
        if self._network.is_answer_alone_lost():
            work()
        message = "no answer"
        raise WorkFailedError(message) from MlflowException(message)


class World:
    """A home, a server and the way between them."""

    def __init__(self, home: Path) -> None:
        self.outbox = Outbox(home, "small")
        self.stores = Stores()

    def ledger(self, network: Network, fuse: Fuse | None = None) -> OutboxLedger:
        """The ledger of another process."""
        return OutboxLedger(
            lambda: DistantLedger(self.stores.held, network, fuse or Fuse()),
            self.outbox,
            address="http://host",
            seconds_between_tries=0,
        )

    def run(self, network: Network, *, seed: int = 0, fuse: Fuse | None = None) -> None:
        """Run the study as another process does."""
        Driver(
            ASKED,
            store=TrialStore.create(self.stores.storage, ASKED),
            ledger=self.ledger(network, fuse),
            engine=FakeEngine(n_workers=3, seed=seed, fuse=fuse),
            seconds=TimeLedger(0.0, n_workers=3),
        ).run()

    def check(self) -> None:
        """Hold what is browsed to the undisturbed study."""
        undisturbed = Stores()
        undisturbed.run(ASKED)
        assert self.stores.table == undisturbed.table
        ours, theirs = self.stores.held, undisturbed.held
        assert {n: (run.state, run.status, run.points) for n, run in ours.runs.items()} == {
            n: (run.state, run.status, run.points) for n, run in theirs.runs.items()
        }
        assert ours.n_made == 12
        assert ours.study_status == "FINISHED"
        assert self.outbox.waiting is None
        assert not self.outbox.folder.exists()


STRETCHES = st.lists(st.integers(1, 25), min_size=2, max_size=8)


@settings(max_examples=15)
@given(stretches=STRETCHES, seed=st.integers(0, 99))
def test_study_ends_as_if_the_network_had_never_failed(stretches: list[int], seed: int) -> None:
    with TemporaryDirectory() as folder:
        world, network = World(Path(folder)), Network(stretches, seed)
        try:
            world.run(network, seed=seed)
        except BadInputError:  # away at the very start: nothing was begun
            assert world.stores.rows == []
        assert not any(row.state is TrialState.RUNNING for row in world.stores.rows)
        if world.outbox.waiting:
            assert network.n_failed
            ledger = world.ledger(Network([]))
            ledger.open(ASKED)
            release_unfinished(ASKED, TrialStore(world.stores.storage, "small"), ledger)
        world.run(Network([]))
        world.check()


@pytest.mark.parametrize("calls", range(10, 80, 10))
def test_driver_killed_while_the_server_is_away_loses_nothing(tmp_path: Path, calls: int) -> None:
    world = World(tmp_path)
    with pytest.raises(KilledError, match=r"^$"):
        world.run(Network([20, 40, 20, 40, 20, 40], seed=calls), fuse=Fuse(calls))
    world.run(Network([]))
    world.check()


def test_outcomes_of_a_server_that_is_away_for_good_are_kept_and_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(Network([30, 10_000]))
    waiting = world.outbox.waiting
    assert waiting is not None
    in_mlflow = {n for n, run in world.stores.held.runs.items() if run.state.is_finished}
    assert set(waiting.trials) | in_mlflow == set(range(12))
    assert waiting.reason == "no answer"
    assert all(row.state.is_finished for row in world.stores.rows)


class Stubborn(DistantLedger):
    """Refuses what it is asked, though it answers."""

    def finish(self, config: TrialConfig, outcome: TrialOutcome) -> None:
        """Refuse."""
        del config, outcome
        message = "MLflow cannot finish: bad request"
        raise WorkFailedError(message) from MlflowException(message, error_code=1000)

    def report(self, scores: EpochScores) -> None:
        """Take nothing."""


def test_server_that_answers_and_refuses_stops_the_study(tmp_path: Path) -> None:
    world = World(tmp_path)
    ledger = OutboxLedger(
        lambda: Stubborn(world.stores.held, Network([]), Fuse()), world.outbox, address="x"
    )
    driver = Driver(
        ASKED,
        store=TrialStore.create(world.stores.storage, ASKED),
        ledger=ledger,
        engine=FakeEngine(),
        seconds=TimeLedger(0.0, n_workers=1),
    )
    with pytest.raises(WorkFailedError, match="bad request"):
        driver.run()
    assert world.outbox.waiting is None
    assert {row.state for row in world.stores.rows} == {TrialState.WAITING}
