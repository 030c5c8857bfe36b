"""The ledger dies before every single write, and the next process goes on."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import pytest
from mlflow.tracking import MlflowClient

from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.store import artifact_root, tracking_uri
from pipeline.trial import TrialState
from tests.tracking.builders import config, curve, outcome, row, snapshot, study

WRITES = {
    "sqlalchemy_store.py": {"create_experiment", "create_run", "set_tag", "delete_tag"}
    | {"_log_params", "_log_metrics", "_set_tags", "update_run_info", "log_inputs"},
    "runs.py": {"put"},
    "store.py": {"_journal"},
}


class Death(BaseException):
    """Nobody catches it, as nobody catches ``kill -9``."""


class Mortal:
    """Counts MLflow's own writes, and dies before one of them."""

    def __init__(self, dies_at: int | None) -> None:
        self.moments = 0
        self._dies_at = dies_at

    def look(self, frame: FrameType, event: str, _argument: object) -> None:
        """Be Python's profiler, so that MLflow itself is left as it is."""
        code = frame.f_code
        watched = WRITES.get(code.co_filename.rpartition("/")[2], set())
        if event == "call" and code.co_name in watched:
            self.moments += 1
            if self.moments == self._dies_at:
                raise Death


@contextmanager
def life(dies_at: int | None = None) -> Iterator[Mortal]:
    """Live until the given moment, or to the end."""
    mortal = Mortal(dies_at)
    sys.setprofile(mortal.look)
    try:
        with suppress(Death):
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
    for scores in (first[0], second[0]):
        ledger.report(scores)
    ledger.flush()
    ledger.finish(config(0), outcome(0, curve=first))
    pruned = outcome(1, TrialState.PRUNED, cause="median", curve=second[:2])
    ledger.finish(config(1), pruned)
    ledger.start(config(2))
    ledger.release(2)
    ledger.start(config(2))
    failed = outcome(2, TrialState.FAIL, cause="diverged", curve=(), weights=None)
    ledger.finish(config(2), failed)
    ledger.close([row(0), row(1, TrialState.PRUNED, None)], is_done=True)


def undisturbed_moments() -> range:
    """Every write of the driver above; a test says if there are more."""
    return range(1, 44)


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


@pytest.mark.parametrize("moment", undisturbed_moments())
def test_a_death_changes_nothing_in_the_end(
    moment: int, home: Path, client: MlflowClient, undisturbed: dict[str, object]
) -> None:
    with life(dies_at=moment) as mortal:
        driver(home, began_at_ms=1_000)
    assert mortal.moments == moment
    driver(home, began_at_ms=500_000)
    assert snapshot(client) == undisturbed
