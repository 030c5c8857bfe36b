import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from pipeline.config import digest
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.search.storage.journal import open_journal
from pipeline.search.storage.opening import open_storage, study_names
from pipeline.search.storage.store import TrialStore
from pipeline.trial import TrialOutcome, TrialState
from tests.fakes import epoch_scores
from tests.search.studies import SPACE, Stores, study

PARAMS = {
    "depth": 1,
    "width": 16,
    "input_dropout": 0.1 + 0.02,
    "dropout_1": 1 / 3,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
}
INACTIVE = {"dropout_2": 0.5, "dropout_3": 0.1}
ADDRESSES = [pytest.param(None, id="journal"), pytest.param("sqlite:///{}/optuna.db", id="sqlite")]


class Reopened:
    """Opens the same storage as often as it is asked, like one process after the other."""

    def __init__(self, address: str | None, folder: Path) -> None:
        self.address = address and address.format(folder)
        self.journal = folder / "optuna.journal"

    def open(self, *, to_write: bool = True) -> BaseStorage | None:
        """Open it."""
        return open_storage(self.address, self.journal, to_write=to_write)

    def store(self) -> TrialStore:
        """Open the study's trials, which are made if need be."""
        storage = self.open()
        assert storage is not None
        return TrialStore.create(storage, study())


@pytest.fixture(params=ADDRESSES)
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Reopened:
    return Reopened(request.param, tmp_path)


def begun(places: Reopened) -> TrialStore:
    """The study's trials with one that runs."""
    store = places.store()
    store.add(study(), 0, [PARAMS | INACTIVE])
    store.begin([0])
    return store


def outcome(number: int, losses: tuple[float, ...], state: TrialState) -> TrialOutcome:
    curve = tuple(epoch_scores(number, epoch, loss) for epoch, loss in enumerate(losses, 1))
    cause = None if state is TrialState.COMPLETE else "told"
    return TrialOutcome(number=number, state=state, cause=cause, curve=curve, weights=b"w")


def test_storage_without_a_study_has_nothing_for_a_reader_and_is_not_made(
    places: Reopened, tmp_path: Path
) -> None:
    assert places.open(to_write=False) is None
    assert list(tmp_path.iterdir()) == []


def test_study_is_made_once_and_keeps_its_document(places: Reopened) -> None:
    places.store()
    store = places.store()
    storage = places.open(to_write=False)
    assert storage is not None
    assert study_names(storage) == ["small"]
    assert store.document == study().document
    assert store.digest == digest(study())


def test_trial_is_written_whole_and_read_back_by_the_next_process(places: Reopened) -> None:
    places.store().add(study(), 0, [PARAMS | INACTIVE])
    store = places.store()
    assert store.rows()[0].state is TrialState.WAITING
    assert store.rows()[0].params == PARAMS
    assert store.suggested() == [PARAMS | INACTIVE]
    assert store.finished() == []
    store.begin([0])
    store.note_runs({0: "abc"})
    store.finish(outcome(0, (0.7, 0.4, 0.5), TrialState.COMPLETE))
    row = places.store().rows()[0]
    assert (row.state, row.value, row.best_epoch) == (TrialState.COMPLETE, 0.4, 2)
    assert (row.run_id, row.cause) == ("abc", None)
    assert row.weights_sha256 == outcome(0, (1.0,), TrialState.COMPLETE).weights_sha256
    assert row.scores == (0.7, 0.4, 0.5)
    assert places.store().finished() == [row]


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.FAIL])
def test_trial_that_ends_early_has_a_cause_and_no_value(
    places: Reopened, state: TrialState
) -> None:
    store = begun(places)
    store.finish(outcome(0, (0.7, 0.4), state))
    row = places.store().rows()[0]
    assert (row.state, row.value, row.cause) == (state, None, "told")
    assert row.scores == (0.7, 0.4)
    assert places.store().finished() == [row]


def test_diverged_curve_is_kept_with_each_loss_at_its_epoch(places: Reopened) -> None:
    store = begun(places)
    store.finish(outcome(0, (0.7, math.inf, 0.6, math.nan), TrialState.FAIL))
    seen = places.store().finished()[0]
    assert seen.scores[:3] == (0.7, math.inf, 0.6)
    assert math.isnan(seen.scores[3])
    assert seen.lowest_so_far == (0.7, 0.7, 0.6, 0.6)


def test_trial_without_an_epoch_fails_with_its_cause(places: Reopened) -> None:
    store = begun(places)
    store.finish(outcome(0, (), TrialState.FAIL))
    (row,) = places.store().finished()
    assert (row.state, row.value, row.best_epoch) == (TrialState.FAIL, None, None)
    assert (row.scores, row.cause) == ((), "told")


def test_interrupted_trial_waits_and_is_taken_up_again(places: Reopened) -> None:
    store = begun(places)
    store.release(0)
    assert places.store().rows()[0].state is TrialState.WAITING
    places.store().begin([0])
    assert places.store().rows()[0].state is TrialState.RUNNING
    places.store().begin([0])
    assert places.store().rows()[0].state is TrialState.RUNNING


def test_second_writer_that_nothing_kept_away_is_noticed_and_named_in_one_sentence(
    places: Reopened,
) -> None:
    store = places.store()
    words = "another process writes study 'small': its trial 5 became trial 0"
    with pytest.raises(WorkFailedError, match=words):
        store.add(study(), 5, [PARAMS | INACTIVE])
    words = "Optuna's storage cannot finish: Cannot tell a WAITING trial"
    with pytest.raises(WorkFailedError, match=words):
        store.finish(outcome(0, (0.5,), TrialState.COMPLETE))


def test_unknown_study_is_an_error_that_lists_the_known_ones(places: Reopened) -> None:
    places.store()
    storage = places.open(to_write=False)
    assert storage is not None
    with pytest.raises(BadInputError, match="study: got 'large', expected one of: small"):
        TrialStore(storage, "large")


def test_driver_makes_the_same_table_in_every_storage(places: Reopened) -> None:
    undisturbed, stores = Stores(), Stores()
    asked = study(trials=8, epochs=3, stopping="median")
    undisturbed.run(asked)
    storage = places.open()
    assert storage is not None
    stores.storage = storage
    stores.run(asked, n_workers=3, seed=1)
    assert stores.table == undisturbed.table


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        pytest.param("nonsense", "Could not parse", id="no URL"),
        pytest.param("ftp://somewhere/x", "sqlalchemy.dialects:ftp", id="no database"),
        pytest.param("sqlite:////no/such/folder/x.db", "unable to open", id="no folder"),
    ],
)
def test_address_of_no_database_is_bad_input(address: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=f"--storage: got .*{reason}.*expected a database URL"):
        open_storage(address, tmp_path / "optuna.journal", to_write=True)
    assert list(tmp_path.iterdir()) == []


def test_journal_is_opened_by_optunas_own_tools(tmp_path: Path) -> None:
    path, stores = tmp_path / "optuna.journal", Stores()
    stores.storage = open_journal(path, to_write=True)
    stores.run(study(trials=14, stopping="asha"), n_workers=2)
    theirs = optuna.load_study(
        study_name="small", storage=JournalStorage(JournalFileBackend(str(path)))
    )
    for trial, row in zip(theirs.get_trials(), stores.rows, strict=True):
        assert trial.number == row.number
        assert trial.params == row.params
        assert trial.state.name == row.state.name
        assert row.value == (trial.value if trial.state.name == "COMPLETE" else None)
        points = stores.held.runs[row.number].points
        losses = {epoch: value for (name, epoch), value in points.items() if name == "val_loss"}
        assert trial.intermediate_values == losses
    best = min(row.value for row in stores.rows if row.value is not None)
    assert theirs.best_value == best
    assert set(theirs.best_params) <= {*SPACE, *INACTIVE, "dropout_1", "weight_decay"}


def test_line_that_a_killed_writer_left_half_written_is_cut_by_the_next_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "optuna.journal"
    places = Reopened(None, tmp_path)
    places.store().add(study(), 0, [PARAMS | INACTIVE])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 3].replace(b"\n", b" "))
    reader = places.open(to_write=False)
    assert reader is not None
    assert [row.number for row in TrialStore(reader, "small").rows()] == [0]
    assert path.read_bytes() != whole, "a reader writes nothing"
    places.store().add(study(), 1, [PARAMS | INACTIVE])
    assert path.read_bytes().startswith(whole)
    assert [row.number for row in places.store().rows()] == [0, 1]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"not\na\njournal\n", id="text"),
        pytest.param(b"\xff\xfe\n\x00\n\n", id="bytes"),
        pytest.param(b'{"a": 1}\n{"a": 2}\n', id="other JSON"),
    ],
)
def test_file_that_is_no_journal_is_bad_input(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "optuna.journal"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"optuna\.journal: got a file that cannot be read"):
        open_storage(None, path, to_write=False)


def test_folder_in_the_journals_place_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "optuna.journal").mkdir()
    with pytest.raises(BadInputError, match="Is a directory"):
        open_storage(None, tmp_path / "optuna.journal", to_write=True)


HOLD = """
import sys, time
from pathlib import Path
from pipeline.search.storage.journal import KernelLock
KernelLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the journal's lock."""
    words = [sys.executable, "-c", HOLD, str(tmp_path / "optuna.lock")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_lock_of_a_killed_process_delays_nobody(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    began = time.monotonic()
    Reopened(None, tmp_path).store()
    assert time.monotonic() - began < 20, "Optuna's own lock is waited for, for 30 seconds"


def test_sqlite_file_opened_by_many_at_once_is_made_once(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'optuna.db'}"
    at_once = threading.Barrier(6)

    def make(number: int) -> None:
        at_once.wait()
        storage = open_storage(address, tmp_path / "unused", to_write=True)
        assert storage is not None
        TrialStore.create(storage, study().model_copy(update={"name": f"study-{number}"}))

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(make, range(6))) == [None] * 6
    storage = open_storage(address, tmp_path / "unused", to_write=False)
    assert storage is not None
    assert sorted(study_names(storage)) == [f"study-{number}" for number in range(6)]
