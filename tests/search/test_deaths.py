"""A driver that dies at any call, and the same command again."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage

from pipeline.config import StudyConfig
from pipeline.search.storage.journal import BatchedJournal, open_journal
from pipeline.trial import TrialState
from tests.fakes import Fuse, KilledError
from tests.long_form import in_long_form
from tests.search.studies import SPACE as WIDE_SPACE
from tests.search.studies import Stores, study, table_of

SPACE = WIDE_SPACE | {"depth": {"low": 1, "high": 2}, "batch_size": 32}
ASKED = study(trials=18, block=6, stopping="asha", epochs=5, space=SPACE)
HALVED = study(trials=18, block=6, stopping="halving", first_rung=2, epochs=5, space=SPACE)
TABLES = {"asha": (ASKED, table_of(ASKED)), "halving": (HALVED, table_of(HALVED))}


class FusedJournal(BatchedJournal):
    """Burns a fuse with each write; the write at which it is burnt may be left half-done."""

    def __init__(self, path: Path, fuse: Fuse, *, is_torn: bool) -> None:
        super().__init__(path)
        self._path = path
        self._fuse = fuse
        self._is_torn = is_torn

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write, or die of it."""
        was_alive = self._fuse.left > 0
        self._fuse.left -= was_alive
        if was_alive and self._fuse.left > 0:
            super().append_logs(logs)
            return
        if was_alive and self._is_torn:
            with self._path.open("ab") as file:
                file.write(b'{"op_code": 4, "work')
        raise KilledError


def run_until_killed(
    asked: StudyConfig, stores: Stores, path: Path, fuse: Fuse, *, is_torn: bool, **how: Any
) -> bool:
    """Run like a fresh process; say whether it came to its end."""
    open_journal(path, to_write=True)
    stores.storage = JournalStorage(FusedJournal(path, fuse, is_torn=is_torn))
    try:
        stores.run(asked, fuse=fuse, **how)
    except KilledError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("rule", [in_long_form("asha"), "halving"])
@settings(max_examples=20)
@given(
    lives=st.lists(st.integers(0, 250), max_size=5),
    n_workers=st.integers(1, 5),
    seed=st.integers(0, 99),
    is_torn=st.booleans(),
    cohorts=st.lists(st.one_of(st.none(), st.integers(1, 4)), min_size=6, max_size=6),
)
def test_driver_killed_at_any_calls_ends_with_the_undisturbed_table(
    rule: str,
    lives: list[int],
    n_workers: int,
    seed: int,
    cohorts: list[int | None],
    *,
    is_torn: bool,
) -> None:
    asked, table = TABLES[rule]
    with TemporaryDirectory() as folder:
        path, stores = Path(folder) / "optuna.journal", Stores()
        for calls, cohort in zip([*lives, math.inf], cohorts, strict=False):
            how = {"n_workers": n_workers, "seed": seed + len(lives), "max_cohort": cohort}
            is_over = run_until_killed(asked, stores, path, Fuse(calls), is_torn=is_torn, **how)
        assert is_over
        assert stores.table == table
        runs = stores.held.runs
        assert sorted(runs) == list(range(18))
        assert stores.held.n_made == 18
        assert [run.state for _, run in sorted(runs.items())] == [row.state for row in stores.rows]
        assert all(run.state.is_finished and run.status != "RUNNING" for run in runs.values())
        assert all(row.run_id == runs[row.number].run_id for row in stores.rows)
        assert _curves_of(stores) == [row["curve"] for row in stores.table]


def _curves_of(stores: Stores) -> list[dict[int, float]]:
    return [
        {epoch: value for (name, epoch), value in run.points.items() if name == "val_loss"}
        for _, run in sorted(stores.held.runs.items())
    ]


@pytest.mark.parametrize("is_torn", [False, True], ids=["whole", "torn"])
def test_fuses_kill_the_driver_in_mid_study(tmp_path: Path, *, is_torn: bool) -> None:
    stores = Stores()
    path = tmp_path / "optuna.journal"
    assert not run_until_killed(ASKED, stores, path, Fuse(120), is_torn=is_torn, n_workers=3)
    open_journal(path, to_write=True)
    stores.storage = open_journal(path, to_write=False)
    states = {row.state for row in stores.rows}
    assert TrialState.RUNNING in states
    assert TrialState.COMPLETE in states
