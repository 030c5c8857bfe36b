"""Each kind of fault is planted in a finished study, found, mended, and stays mended."""

import os
import shutil
from pathlib import Path

import pytest

from pipeline.app import Diagnosis, Place, examine, reproduce
from pipeline.errors import BadInputError
from pipeline.search.lock import hold_study
from pipeline.tracking.home import artifact_root, tracking_uri
from pipeline.tracking.ui import serve
from tests.app import faults
from tests.app.sick import FIT, N_TRIALS, copied, digests, sick_study
from tests.app.studies import check_ledgers_agree, table, trial_runs

Expected = list[tuple[str, int | None]]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the study run to its end; nobody may change it."""
    path = tmp_path_factory.mktemp("sick") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.app.study.FIT", FIT)
        patch.setenv("FAILING", "4/0")
        sick_study(path).run(workers=1)
    assert [row[1] for row in table(path)] == ["COMPLETE"] * 3 + ["PRUNED", "FAIL"]
    return path


@pytest.fixture(scope="session")
def before(template: Path) -> list[object]:
    """The study's table."""
    return table(template)


@pytest.fixture
def home(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the home to plant faults in; trial 4 fails again if it is trained again."""
    monkeypatch.setattr("pipeline.app.study.FIT", FIT)
    monkeypatch.setenv("FAILING", "4/0")
    return copied(template, tmp_path / "home")


def doctor(home: Path, *, fix: bool = False) -> Diagnosis:
    return examine(Place(home=home, tracking_uri=None), fix=fix)


def is_sound(home: Path) -> bool:
    """Whether a doctor that may mend finds nothing to do."""
    return doctor(home, fix=True).findings == []


def kinds(diagnosis: Diagnosis) -> Expected:
    return sorted(((one.kind.value, one.trial) for one in diagnosis.findings), key=str)


PLANTED: dict[str, tuple[faults.Plant, Expected]] = {
    "a trial's run is running": (
        faults.leave_run_running,
        [("running-without-driver", 1)],
    ),
    "the study's run is running": (
        faults.leave_study_running,
        [("running-without-driver", None)],
    ),
    "a reproduction is running": (
        faults.leave_reproduction_running,
        [("running-without-driver", None)],
    ),
    "a run is deleted": (faults.delete_run, [("trial-without-run", 1)]),
    "the study is deleted": (
        faults.delete_experiment,
        [("trial-without-run", number) for number in range(N_TRIALS)],
    ),
    "a run is of no trial": (faults.add_foreign_run, [("run-without-trial", 99)]),
    "a run stands elsewhere": (faults.add_orphan, [("run-without-trial", 1)]),
    "a trial has two runs": (faults.double_run, [("double-runs", 1)]),
    "a validation loss is missing": (faults.drop_point("val_loss", 2), [("missing-steps", 1)]),
    "a gap is missing": (faults.drop_point("generalization_gap", 1), [("missing-steps", 1)]),
    "a summary is missing": (faults.drop_point("best_val_loss", 0), [("missing-steps", 1)]),
    "a step is double": (faults.add_point("train_loss", 2), [("double-steps", 1)]),
    "a step is too many": (faults.add_point("train_loss", 7), [("curve-differs", 1)]),
    "a point is changed": (faults.change_point, [("curve-differs", 1)]),
    "a parameter is changed": (faults.change_param, [("state-differs", 1)]),
    "the state is changed": (faults.set_tag("trial_state", "FAIL"), [("state-differs", 1)]),
    "the digest is changed": (faults.set_tag("weights_sha256", "0" * 64), [("state-differs", 1)]),
}


@pytest.mark.parametrize(("plant", "expected"), PLANTED.values(), ids=PLANTED.keys())
def test_planted_fault_is_found_and_mended_without_training(
    home: Path,
    before: list[object],
    monkeypatch: pytest.MonkeyPatch,
    plant: faults.Plant,
    expected: Expected,
) -> None:
    monkeypatch.setattr("pipeline.app.study.FIT", "nowhere:at_all")
    plant(home)
    as_planted = digests(home)
    assert kinds(doctor(home)) == expected
    assert digests(home) == as_planted, "who only looks changes nothing"
    mended = doctor(home, fix=True)
    assert kinds(mended) == expected
    assert all(finding.is_fixed and finding.how for finding in mended.findings), mended
    healthy = digests(home)
    assert is_sound(home)
    assert digests(home) == healthy, "a healthy home is not touched"
    assert table(home) == before


def test_what_is_lost_is_trained_again_to_the_same_bits(home: Path, before: list[object]) -> None:
    weights = faults.file_of(home, 0, "weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    faults.file_of(home, 1, "record.json").unlink()
    faults.change(
        home,
        "DELETE FROM metrics WHERE run_uuid = ? AND key = 'train_loss'",
        faults.run_of(home, 1).info.run_id,
    )
    faults.file_of(home, 3, "record.json").write_text("{ torn", encoding="utf-8")
    faults.erase_run(home, 2)
    faults.erase_run(home, 4)
    expected = [
        *(("damaged-record", 3), ("damaged-weights", 0), ("missing-artifacts", 1)),
        *(("trial-without-run", 2), ("trial-without-run", 4)),
    ]
    assert kinds(doctor(home)) == expected
    mended = doctor(home, fix=True)
    assert kinds(mended) == expected
    assert mended.is_healthy, mended
    assert all(finding.how.startswith("trained the trial again") for finding in mended.findings)
    assert doctor(home).findings == []
    assert table(home) == before
    check_ledgers_agree(home, N_TRIALS)
    written = [run.info.start_time for run in trial_runs(home)]
    sick_study(home).run(workers=1)
    assert [run.info.start_time for run in trial_runs(home)] == written
    assert table(home) == before
    assert doctor(home).findings == []


def test_training_that_comes_out_otherwise_is_not_accepted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.file_of(home, 0, "weights.safetensors").write_bytes(b"another network")
    faults.erase_run(home, 4)
    monkeypatch.setenv("FAILING", "0/0")
    lost, failed = doctor(home, fix=True).findings
    assert (lost.kind.value, lost.is_fixed) == ("damaged-weights", False)
    assert lost.how == (
        "not mended: trained again, it ends FAIL (diverged: on purpose) where Optuna says COMPLETE"
    )
    assert faults.file_of(home, 0, "weights.safetensors").read_bytes() == b"another network"
    assert failed.is_fixed
    assert failed.how == "wrote the failure again from what Optuna holds of it"
    assert faults.run_of(home, 4).data.tags["cause"] == "diverged: on purpose"
    assert kinds(doctor(home)) == [("damaged-weights", 0)]


def test_run_that_was_written_anew_takes_its_reproductions_along(home: Path) -> None:
    answer = reproduce(Place(home=home, tracking_uri=None), "small", trial=1)
    faults.add_point("train_loss", 2)(home)
    (mended,) = doctor(home, fix=True).findings
    run = faults.run_of(home, 1)
    assert mended.run_id == answer.original_run_id != run.info.run_id
    tags = faults.client_of(home).get_run(answer.run_id).data.tags
    assert tags["reproduces"] == tags["mlflow.parentRunId"] == run.info.run_id
    check_ledgers_agree(home, N_TRIALS)


def test_killed_driver_s_trials_are_released(home: Path) -> None:
    faults.kill_driver(home)
    assert (home / "mlflow.db-wal").stat().st_size > 0
    as_left = digests(home)
    expected = [("running-without-driver", None), ("running-without-driver", 5)]
    assert kinds(doctor(home)) == sorted(expected, key=str)
    assert digests(home) == as_left
    assert doctor(home, fix=True).is_healthy
    assert doctor(home).findings == [], "a study that is half done is healthy"
    run = faults.run_of(home, 5)
    assert (run.info.status, run.data.tags["trial_state"]) == ("SCHEDULED", "WAITING")
    assert faults.study_run_of(home).info.status == "KILLED"
    sick_study(home, trials=7).run(workers=1)
    check_ledgers_agree(home, 7)


def test_study_that_is_being_run_is_not_accused_and_left_alone(home: Path) -> None:
    faults.kill_driver(home)
    with hold_study(home, "small"):
        beside = doctor(home)
        assert (beside.findings, beside.running) == ([], ["small"])
        faults.file_of(home, 0, "weights.safetensors").unlink()
        as_planted = digests(home)
        (finding,) = doctor(home, fix=True).findings
        assert digests(home) == as_planted
    assert (finding.kind.value, finding.is_fixed) == ("missing-artifacts", False)
    assert finding.how.startswith("left alone: study 'small'")
    assert f"process {os.getpid()}" in finding.how


def test_home_that_was_moved_finds_its_artifacts_again(
    home: Path, tmp_path: Path, before: list[object]
) -> None:
    there = tmp_path / "there"
    shutil.move(home, there)
    assert kinds(doctor(there)) == [("moved-home", None)]
    assert doctor(there, fix=True).is_healthy
    assert not home.exists()
    assert table(there) == before
    assert doctor(there).findings == []


def test_runs_are_kept_where_optuna_s_store_is_lost(home: Path) -> None:
    (home / "optuna.journal").unlink()
    (finding,) = doctor(home, fix=True).findings
    assert (finding.kind.value, finding.is_fixed) == ("study-without-store", False)
    assert len(trial_runs(home)) == N_TRIALS


def test_ledger_that_is_lost_is_written_again(home: Path, before: list[object]) -> None:
    for path in home.glob("mlflow.db*"):
        path.unlink()
    shutil.rmtree(home / "artifacts")
    assert kinds(doctor(home)) == [("trial-without-run", number) for number in range(N_TRIALS)]
    assert not (home / "mlflow.db").exists()
    assert doctor(home, fix=True).is_healthy
    assert table(home) == before


def test_ledger_on_a_server_is_mended_too(home: Path, before: list[object]) -> None:
    faults.drop_point("val_loss", 2)(home)
    faults.add_point("train_loss", 1)(home)
    with serve(home, port=0) as address:
        place = Place(home=home, tracking_uri=address.partition("/#")[0])
        mended = examine(place, fix=True)
        assert kinds(mended) == [("double-steps", 1), ("missing-steps", 1)]
        assert mended.is_healthy
        assert examine(place).findings == []
    assert table(home) == before


def test_home_without_a_study_is_healthy_and_stays_empty(tmp_path: Path) -> None:
    assert is_sound(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_home_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nowhere \(no such folder\), expected a folder"):
        doctor(tmp_path / "nowhere", fix=True)
    assert list(tmp_path.iterdir()) == []


def test_copy_of_a_home_finds_its_own_artifacts(home: Path) -> None:
    for run in trial_runs(home):
        assert run.info.artifact_uri.startswith(artifact_root(home).as_uri())
    assert tracking_uri(home).endswith(f"{home}/mlflow.db")
