"""Failed trials that are tried again once their cause is mended, and studies with nothing else."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage

from pipeline.search.failure_limit import describe_failed_study
from pipeline.search.storage.opening import open_storage, study_names
from pipeline.search.storage.store import TrialStore
from pipeline.search.storage.stored_trial import EARLIER
from pipeline.trial import KnownRuns, TrialState
from tests.fakes import Fuse, KilledError
from tests.search.studies import Stores, study
from tests.search.test_failure_limit import failing, stopped

ASKED = study(trials=12, stopping="hyperband", block=4)


@pytest.fixture(params=["journal", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> BaseStorage:
    address = None if request.param == "journal" else f"sqlite:///{tmp_path / 'optuna.db'}"
    storage = open_storage(address, tmp_path / "optuna.journal", to_write=True)
    assert storage is not None
    return storage


def retry(stores: Stores) -> None:
    TrialStore.create(stores.storage, ASKED).retry_failed()


def test_failed_trials_are_trained_again_under_their_numbers_and_the_others_stay(
    storage: BaseStorage,
) -> None:
    stores, asked = Stores(storage), study(trials=8, epochs=2, block=4)
    stores.run(asked, fit=failing([2, 7]))
    before = stores.table
    TrialStore.create(storage, asked).retry_failed()
    assert [row.number for row in stores.rows if row.state is TrialState.WAITING] == [2, 7]
    engine = stores.run(asked, n_workers=2)
    assert engine.order == [2, 7]
    after = stores.table
    for number in (2, 7):
        assert after[number]["state"] is not TrialState.FAIL
        assert after[number]["params"] == before[number]["params"]
        assert after[number]["cause"] != f"planted in {number}"
    others = [number for number in range(8) if number not in (2, 7)]
    assert [after[number] for number in others] == [before[number] for number in others]
    theirs = optuna.load_study(study_name="small", storage=storage)
    assert [trial.state.name for trial in theirs.trials] == [row["state"] for row in after]
    assert theirs.trials[7].user_attrs[EARLIER] == [{"cause": "planted in 7", "run_id": "run-7"}]
    assert study_names(storage) == ["small"]


def test_run_of_the_failed_attempt_is_set_aside_and_the_new_attempt_has_one_of_its_own() -> None:
    stores = Stores()
    stores.run(ASKED, fit=failing([2]))
    retry(stores)
    assert TrialStore(stores.storage, "small").known_runs.earlier == {2: ["run-2"]}
    stores.run(ASKED, fit=failing([2]))
    assert [run.run_id for run in stores.held.set_aside] == ["run-2"]
    assert stores.held.set_aside[0].status == "FAILED"
    assert stores.rows[2].run_id == "run-2-again"
    retry(stores)
    assert TrialStore(stores.storage, "small").known_runs == KnownRuns(
        current={row.number: f"run-{row.number}" for row in stores.rows if row.number != 2},
        earlier={2: ["run-2", "run-2-again"]},
    )


def test_study_is_as_if_the_trial_had_waited_until_its_cause_was_mended() -> None:
    """What was suggested keeps its parameters; what is suggested later sees the new outcome."""
    more = study(trials=20, stopping="hyperband", block=4)
    retried, undisturbed = Stores(), Stores()
    retried.run(ASKED, fit=failing([9]))  # no trial of the twelve may see it
    undisturbed.run(more)
    retry(retried)
    retried.run(more, n_workers=3)
    assert [row | {"run_id": None} for row in retried.table] == [
        row | {"run_id": None} for row in undisturbed.table
    ]


def test_study_without_failed_trials_is_not_written_anew() -> None:
    stores = Stores()
    stores.run(study(trials=4, block=4))
    ids = [study._study_id for study in stores.storage.get_all_studies()]
    retry(stores)
    assert [study._study_id for study in stores.storage.get_all_studies()] == ids


CALLS = ("create_new_study", "create_new_trial", "set_study_user_attr", "delete_study")


@pytest.mark.parametrize("n_calls", range(24))
def test_death_in_mid_retry_loses_nothing_and_the_same_command_goes_on(
    n_calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = study(trials=3, block=4, epochs=2)
    stores, undisturbed = Stores(), Stores()
    for one in (stores, undisturbed):
        one.run(asked, fit=failing([1]))
    before = stores.rows
    TrialStore(undisturbed.storage, "small").retry_failed()
    with monkeypatch.context() as patched:
        dying = Fuse(n_calls)
        for name in CALLS:
            patched.setattr(stores.storage, name, burning(dying, getattr(stores.storage, name)))
        with suppress(KilledError):
            TrialStore(stores.storage, "small").retry_failed()
    assert study_names(stores.storage) == ["small"]
    assert TrialStore(stores.storage, "small").rows() in (before, undisturbed.rows)
    TrialStore.create(stores.storage, asked).retry_failed()
    assert stores.table == undisturbed.table
    assert [one.study_name for one in stores.storage.get_all_studies()] == ["small"]


def burning(fuse: Fuse, work: Callable[..., Any]) -> Callable[..., Any]:
    """Die instead of working when the fuse has burnt down."""

    def attempt(*args: Any, **more: Any) -> Any:
        fuse.burn()
        return work(*args, **more)

    return attempt


def test_five_in_a_row_that_fail_again_stop_the_study_again() -> None:
    stores = Stores()
    assert "trials 0 to 4" in stopped(stores, range(5))
    TrialStore.create(stores.storage, study(block=4)).retry_failed()
    assert "trials 0 to 4" in stopped(stores, range(5))


@pytest.mark.parametrize("n_trials", [1, 4])
def test_study_in_which_every_trial_fails_is_described_with_the_cause(n_trials: int) -> None:
    stores = Stores()
    asked = study(trials=n_trials, block=4)
    stores.run(asked, fit=failing(range(n_trials)))
    assert describe_failed_study("small", stores.rows) == (
        f"study 'small' has no complete trial: {n_trials} of {n_trials} failed, trial 0 for this "
        "cause: planted in 0\nmend the cause and run the same command with --retry-failed to train "
        "failed trials again"
    )
    TrialStore.create(stores.storage, asked).retry_failed()
    stores.run(asked)
    assert {row.state for row in stores.rows} == {TrialState.COMPLETE}
    assert describe_failed_study("small", stores.rows) is None
