"""The ledger dies before every single write, or is interrupted, and the next process goes on."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import pytest
from mlflow.tracking import MlflowClient

from pipeline.tracking import runs
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.reader import read_trial
from pipeline.tracking.store import artifact_root, tracking_uri
from pipeline.trial import StudyState, TrialRecord, TrialRow, TrialState
from tests.long_form import in_long_form
from tests.tracking.builders import (
    config,
    curve,
    outcome,
    points,
    reopened,
    scores,
    snapshot,
    study,
)

WRITES = {
    "sqlalchemy_store.py": {"create_experiment", "create_run", "set_tag", "delete_tag"}
    | {"_log_params", "_log_metrics", "_set_tags", "update_run_info", "log_inputs"},
    "runs.py": {"put"},
    "store.py": {"_journal"},
}


class Death(BaseException):
    """Nobody catches it, as nobody catches ``kill -9``."""


class Mortal:
    """Counts MLflow's own writes, and dies or is interrupted before one of them."""

    def __init__(self, dies_at: int | None, stop: type[BaseException]) -> None:
        self.moments = 0
        self._dies_at = dies_at
        self._stop = stop

    def look(self, frame: FrameType, event: str, _argument: object) -> None:
        """Be Python's profiler, so that MLflow itself is left as it is."""
        code = frame.f_code
        watched = WRITES.get(code.co_filename.rpartition("/")[2], set())
        if event == "call" and code.co_name in watched:
            self.moments += 1
            if self.moments == self._dies_at:
                raise self._stop


@contextmanager
def life(dies_at: int | None = None, stop: type[BaseException] = Death) -> Iterator[Mortal]:
    """Live until the given moment, or to the end."""
    mortal = Mortal(dies_at, stop)
    sys.setprofile(mortal.look)
    try:
        with suppress(stop):
            yield mortal
    finally:
        sys.setprofile(None)


def driver(home: Path, *, began_at_ms: int) -> None:
    """Run a study of three trials as a driver does, from its beginning."""
    ledger = MlflowLedger(tracking_uri(home), artifact_root(home), seconds_buffered=0)
    ledger.open(study())
    ledger.start(config(0))
    ledger.start(config(1))
    first, second = (curve(number, ended_at_ms=began_at_ms) for number in (0, 1))
    for epoch in (first[0], second[0]):
        ledger.report(epoch)
    ledger.flush()
    ended = [
        outcome(0, curve=first),
        outcome(1, TrialState.PRUNED, cause="median", curve=second[:2]),
        outcome(2, TrialState.FAIL, cause="diverged", curve=(), weights=None),
    ]
    ledger.finish(config(0), ended[0])
    ledger.finish(config(1), ended[1])
    ledger.start(config(2))
    ledger.release(2)
    ledger.start(config(2))
    ledger.finish(config(2), ended[2])
    ledger.close(
        StudyState(rows=[TrialRow.of(config(one.number), one) for one in ended], is_done=True)
    )


def undisturbed_moments() -> range:
    """Every write of the driver above; a test says if there are more."""
    return range(1, 50)


def test_every_moment_of_the_driver_is_tried(home: Path) -> None:
    with life() as mortal:
        driver(home, began_at_ms=1_000)
    assert mortal.moments == len(undisturbed_moments())


@pytest.fixture(scope="module")
def undisturbed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the driver leaves when nothing happens to it."""
    home = tmp_path_factory.mktemp("undisturbed")
    (home / "mlflow.db").write_bytes((template / "mlflow.db").read_bytes())
    driver(home, began_at_ms=1_000)
    return dict(snapshot(MlflowClient(tracking_uri(home))))


@pytest.mark.parametrize(
    "moment",
    [moment if moment % 4 == 1 else in_long_form(moment) for moment in undisturbed_moments()],
)
def test_a_death_changes_nothing_in_the_end(
    moment: int, home: Path, client: MlflowClient, undisturbed: dict[str, object]
) -> None:
    with life(dies_at=moment) as mortal:
        driver(home, began_at_ms=1_000)
    assert mortal.moments == moment
    driver(home, began_at_ms=500_000)
    assert snapshot(client) == undisturbed


def test_interruption_while_the_study_is_taken_up_leaves_no_run_running(
    home: Path, client: MlflowClient
) -> None:
    with life() as whole:
        _open(home, "whole")
    assert whole.moments > 5
    for moment in range(1, whole.moments + 1):
        with life(moment, KeyboardInterrupt) as interrupted:
            _open(home, f"study-{moment}")
        assert interrupted.moments == moment
        found = client.get_experiment_by_name(f"study-{moment}")
        ids = [found.experiment_id] if found else []
        assert not client.search_runs(ids, "attributes.status = 'RUNNING'"), moment


def test_interruption_is_told_though_mlflow_fails_then(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        (home / "mlflow.db").write_bytes(b"damaged" * 1_000)
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.tracking.ledger.take_study_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _open(home, "small")


def _open(home: Path, name: str) -> None:
    MlflowLedger(tracking_uri(home), artifact_root(home)).open(study(name))


def test_release_leaves_a_trial_waiting(ledger: MlflowLedger, client: MlflowClient) -> None:
    run_id = ledger.start(config(0))
    ledger.report(scores(0, 1))
    ledger.release(0)
    ledger.release(0)
    ledger.release(77)
    run = client.get_run(run_id)
    assert (run.info.status, run.data.tags["trial_state"]) == ("SCHEDULED", "WAITING")
    assert ("val_loss", 1) in points(client, run_id)


def test_late_scores_of_a_released_trial_are_dropped(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    run_id = ledger.start(config(0))
    ledger.release(0)
    ledger.report(scores(0, 1))
    assert points(client, run_id) == {}


def test_start_takes_up_an_interrupted_trial_without_doubling(
    home: Path, ledger: MlflowLedger, client: MlflowClient
) -> None:
    run_id = ledger.start(config(0))
    ledger.report(scores(0, 1))
    ledger.release(0)
    again = reopened(home)
    assert again.start(config(0)) == run_id
    run = client.get_run(run_id)
    assert (run.info.status, run.data.tags["trial_state"]) == ("RUNNING", "RUNNING")
    later = curve(0, ended_at_ms=9_000)
    for epoch in later:
        again.report(epoch)
    again.finish(config(0), outcome(0, curve=later))
    assert all(len(values) == 1 for values in points(client, run_id).values())
    assert len(points(client, run_id)) == 3 * 8 + 4


def test_a_worker_that_starts_over_doubles_nothing(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    run_id = ledger.start(config(0))
    ledger.report(scores(0, 1))
    assert ledger.start(config(0)) == run_id
    ledger.report(scores(0, 1, ended_at_ms=9_000))
    ledger.flush()
    assert points(client, run_id)[("val_loss", 1)] == [scores(0, 1).val_loss]


def test_trials_keep_their_runs_beyond_a_page(
    ledger: MlflowLedger, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PAGE", 3)
    run_ids = {number: ledger.start(config(number)) for number in range(10)}
    assert reopened(home).run_ids == run_ids


def test_two_runs_of_one_trial_become_one(
    ledger: MlflowLedger, home: Path, client: MlflowClient
) -> None:
    kept = ledger.start(config(0))
    ledger.finish(config(0), outcome(0))
    run = client.get_run(kept)
    client.create_run(run.info.experiment_id, start_time=1, tags=run.data.tags)
    assert reopened(home).run_ids == {0: kept}
    assert sorted(snapshot(client)) == ["digits", "trial-000"]


def test_a_file_cut_off_by_a_death_is_written_whole(
    home: Path, ledger: MlflowLedger, client: MlflowClient
) -> None:
    info = client.get_run(ledger.start(config(0))).info
    for name in ("record.json", "weights.safetensors"):
        runs.put(client, info, name, b"{ torn" * 1_000)
    again = reopened(home)
    again.start(config(0))
    again.finish(config(0), outcome(0))
    found = read_trial(tracking_uri(home), "digits", 0)
    assert found.record == TrialRecord.of(config(0), outcome(0))
    assert found.weights == outcome(0).weights
