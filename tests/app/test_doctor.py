"""Each kind of fault is planted in a finished study, found, mended, and stays mended."""

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.app.doctor import Diagnosis, examine, read_only_copy
from pipeline.app.workspace import Workspace
from pipeline.cli import main
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.locks import hold_study
from pipeline.tracking.audit import read_study
from pipeline.tracking.reader import read_trial
from pipeline.tracking.retraining import log_reproduction
from pipeline.tracking.store import artifact_root, tracking_uri
from pipeline.tracking.ui import serve
from tests.app import faults
from tests.app.sick import FIT, N_TRIALS, copied, digests, sick_study
from tests.app.studies import check_ledgers_agree, table, trial_runs

pytestmark = pytest.mark.slow

Expected = list[tuple[str, int | None]]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the study run to its end; nobody may change it."""
    path = tmp_path_factory.mktemp("sick") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.app.training.FIT", FIT)
        patch.setenv("FAILING", "4/0")
        sick_study(path).run(workers=1)
    assert [row[1] for row in table(path)] == ["COMPLETE"] * 3 + ["PRUNED", "FAIL"]
    return path


@pytest.fixture(scope="session")
def before(template: Path) -> list[object]:
    """The study's table."""
    return table(template)


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    """A copy of the home to plant faults in."""
    return copied(template, tmp_path / "home")


@pytest.fixture
def _trial_4_fails_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.app.training.FIT", FIT)
    monkeypatch.setenv("FAILING", "4/0")


@pytest.fixture(scope="session")
def killed_template(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose driver was killed; nobody may change it, nor open its store."""
    path = copied(template, tmp_path_factory.mktemp("killed") / "home")
    faults.kill_driver(path)
    return path


@pytest.fixture
def killed(killed_template: Path, tmp_path: Path) -> Path:
    """A copy of that home."""
    return copied(killed_template, tmp_path / "killed")


def doctor(home: Path, *, fix: bool = False) -> Diagnosis:
    return examine(Workspace(home=home, tracking_uri=None), fix=fix)


def is_sound(home: Path) -> bool:
    """Whether a doctor that may mend finds nothing to do."""
    return doctor(home, fix=True).findings == []


def kinds(diagnosis: Diagnosis) -> Expected:
    return sorted(((one.kind.value, one.trial) for one in diagnosis.findings), key=str)


RUNNING, DOUBLE, MISSING = "running-without-driver", "double-steps", "missing-steps"
NO_RUN, NO_TRIAL = "trial-without-run", "run-without-trial"
CURVE, STATE = "curve-differs", "state-differs"
STUDY_RUN = "study-run-differs"
PLANTED: dict[str, dict[tuple[str, int | None], faults.Plant]] = {
    "something runs": {
        (RUNNING, 1): faults.leave_run_running,
        (RUNNING, None): faults.leave_study_running,
    },
    "runs and trials": {
        (NO_RUN, 0): faults.delete_run,
        (NO_TRIAL, 1): faults.add_run(mlflow__parentRunId="elsewhere"),
        ("double-runs", 2): faults.double_run,
        (NO_TRIAL, 99): faults.add_run(trial_number="99"),
    },
    "steps": {
        (MISSING, 0): faults.drop_point("val_loss", 2),
        (MISSING, 1): faults.drop_point("generalization_gap", 1),
        (MISSING, 2): faults.drop_point("best_val_loss", 0),
        (DOUBLE, 3): faults.add_point("train_loss", 1),
    },
    "values": {
        (CURVE, 0): faults.add_point("train_loss", 7),
        (CURVE, 1): faults.change_point,
        (STATE, 2): faults.change_param,
    },
    "tags": {
        (STATE, 0): faults.set_tag("trial_state", "FAIL"),
        (STATE, 1): faults.set_tag("weights_sha256", "0" * 64),
        (STATE, 2): faults.set_tag("mlflow.parentRunId", "elsewhere"),
    },
    "a best value so far that is none": {(STUDY_RUN, None): faults.change_best_so_far},
    "a study as a version before the study's run had metrics left it": {
        (STUDY_RUN, None): faults.forget_overview,
    },
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
def test_planted_faults_are_found_and_mended_without_training(
    home: Path,
    before: list[object],
    monkeypatch: pytest.MonkeyPatch,
    planted: dict[tuple[str, int | None], faults.Plant],
) -> None:
    monkeypatch.setattr("pipeline.app.training.FIT", "nowhere:at_all")
    for (_, number), plant in planted.items():
        plant(home, number if number in (0, 1, 2) else 3)
    faults.add_point("of_somebody_else", 1)(home, 3)
    faults.add_point("of_somebody_else", 1)(home, 3)
    as_planted = digests(home)
    expected = sorted(planted, key=str)
    assert kinds(doctor(home)) == expected
    assert digests(home) == as_planted, "who only looks changes nothing"
    mended = doctor(home, fix=True)
    assert set(expected) <= set(kinds(mended))
    assert all(finding.is_fixed and finding.how for finding in mended.findings), repr(mended)
    healthy = digests(home)
    assert is_sound(home)
    assert digests(home) == healthy, "a healthy home is not touched"
    assert table(home) == before
    check_ledgers_agree(home, N_TRIALS)


def test_of_a_doubled_point_the_earliest_is_the_trial_s(home: Path) -> None:
    faults.add_point("train_loss", 1)(home, 3)
    (run,) = (one for one in read_study(tracking_uri(home), "small").trials if one.row.number == 3)
    first, added = run.points["train_loss", 1]
    assert (run.curve[0].train_loss, added) == (first, 9.5)


def test_command_says_no_until_what_is_off_is_mended(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.delete_run(home, 1)
    for words, code in (([], 1), (["--fix"], 0), ([], 0)):
        monkeypatch.setattr(
            sys, "argv", ["pipeline", "doctor", "--home", str(home), "--json", *words]
        )
        with pytest.raises(SystemExit) as left:
            main()
        told = json.loads(capsys.readouterr().out)
        assert (left.value.code, told["healthy"]) == (code, code == 0)
        assert [finding["fixed"] for finding in told["findings"]] == [bool(words)] * len(
            told["findings"]
        )


def test_reproduction_that_died_is_ended(home: Path) -> None:
    faults.leave_reproduction_running(home, 1)
    (finding,) = doctor(home, fix=True).findings
    assert (finding.kind.value, finding.trial, finding.is_fixed) == (RUNNING, None, True)
    assert finding.run_id is not None
    assert faults.client_of(home).get_run(finding.run_id).info.status == "KILLED"
    assert is_sound(home)


def test_study_that_was_deleted_is_restored(home: Path, before: list[object]) -> None:
    faults.delete_experiment(home, 1)
    assert kinds(doctor(home)) == [(NO_RUN, number) for number in range(N_TRIALS)]
    assert {finding.how for finding in doctor(home, fix=True).findings} == {
        "restored the study in MLflow"
    }
    assert is_sound(home)
    assert table(home) == before


@pytest.mark.usefixtures("_trial_4_fails_again")
def test_what_is_lost_is_trained_again_to_the_same_bits(killed: Path, before: list[object]) -> None:
    home = killed
    weights = faults.file_of(home, 0, "weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    faults.file_of(home, 1, "record.json").unlink()
    for step in range(1, 4):
        faults.drop_point("train_loss", step)(home, 1)
    faults.file_of(home, 3, "record.json").write_text("{ torn", encoding="utf-8")
    faults.erase_run(home, 2)
    faults.erase_run(home, 4)
    expected = [
        *(("damaged-record", 3), ("damaged-weights", 0), ("missing-artifacts", 1)),
        *((RUNNING, 5), (RUNNING, None), (NO_RUN, 2), (NO_RUN, 4)),
    ]
    assert kinds(doctor(home)) == expected
    mended = doctor(home, fix=True)
    assert kinds(mended) == expected
    assert mended.is_healthy, mended
    trained = [one for one in mended.findings if one.how.startswith("trained the trial again")]
    assert [one.trial for one in trained] == [0, 1, 2, 3, 4], mended
    assert is_sound(home)
    sick_study(home, trials=7).run(workers=1)
    assert table(home)[:N_TRIALS] == before
    check_ledgers_agree(home, 7)
    assert is_sound(home)


def test_training_that_comes_out_otherwise_is_not_accepted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.file_of(home, 0, "weights.safetensors").write_bytes(b"another network")
    faults.erase_run(home, 4)
    monkeypatch.setattr("pipeline.app.training.FIT", "tests.app.fits:fit_nothing")
    lost, failed = doctor(home, fix=True).findings
    assert (lost.kind.value, lost.is_fixed) == ("damaged-weights", False)
    assert lost.how == ("trained again, it ends FAIL (out of luck) where Optuna says COMPLETE")
    assert faults.file_of(home, 0, "weights.safetensors").read_bytes() == b"another network"
    assert failed.is_fixed
    assert failed.how == "wrote the failure again from what Optuna holds of it"
    assert faults.run_of(home, 4).data.tags["cause"] == "diverged: on purpose"
    assert kinds(doctor(home)) == [("damaged-weights", 0)]


def test_run_that_was_written_anew_takes_its_reproductions_along(home: Path) -> None:
    original = read_trial(tracking_uri(home), "small", 1)
    again = log_reproduction(original, curve=original.curve, verdict="identical")
    faults.add_point("train_loss", 2)(home, 1)
    (mended,) = doctor(home, fix=True).findings
    run = faults.run_of(home, 1)
    assert mended.run_id == original.run_id != run.info.run_id
    tags = faults.client_of(home).get_run(again).data.tags
    assert tags["reproduces"] == tags["mlflow.parentRunId"] == run.info.run_id
    check_ledgers_agree(home, N_TRIALS)


def test_looking_at_what_a_killed_driver_left_brings_no_write_into_the_store(
    killed_template: Path,
) -> None:
    assert (killed_template / "mlflow.db-wal").stat().st_size > 0
    as_left = digests(killed_template)
    assert kinds(doctor(killed_template)) == [(RUNNING, 5), (RUNNING, None)]
    assert digests(killed_template) == as_left


def test_killed_driver_s_trials_are_released(killed: Path) -> None:
    assert kinds(doctor(killed)) == [(RUNNING, 5), (RUNNING, None)]
    assert doctor(killed, fix=True).is_healthy
    assert is_sound(killed), "a study that is half done is healthy"
    run = faults.run_of(killed, 5)
    assert (run.info.status, run.data.tags["trial_state"]) == ("SCHEDULED", "WAITING")
    assert faults.study_run_of(killed).info.status == "KILLED"


def test_study_that_is_being_run_is_not_accused_and_left_alone(killed: Path) -> None:
    with hold_study(killed, "small"):
        beside = doctor(killed)
        assert (beside.findings, beside.running) == ([], ["small"])
        faults.file_of(killed, 0, "weights.safetensors").unlink()
        as_planted = digests(killed)
        (finding,) = doctor(killed, fix=True).findings
        assert digests(killed) == as_planted
    assert (finding.kind.value, finding.is_fixed) == ("missing-artifacts", False)
    assert finding.how.startswith("study 'small'")
    assert f"process {os.getpid()} on " in finding.how


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


def test_ledger_that_is_lost_is_not_made_by_looking(home: Path) -> None:
    for path in home.glob("mlflow.db*"):
        path.unlink()
    assert kinds(doctor(home)) == [(NO_RUN, number) for number in range(N_TRIALS)]
    assert not list(home.glob("mlflow.db*"))


def test_ledger_on_a_server_is_mended_too(home: Path, before: list[object]) -> None:
    faults.drop_point("val_loss", 2)(home, 0)
    faults.add_point("train_loss", 1)(home, 1)
    with serve(home, port=0) as address:
        workspace = Workspace(home=home, tracking_uri=address.partition("/#")[0])
        mended = examine(workspace, fix=True)
        assert kinds(mended) == [(DOUBLE, 1), (MISSING, 0)]
        assert mended.is_healthy
        assert examine(workspace).findings == []
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


@pytest.fixture
def live_home(tmp_path: Path) -> Iterator[Path]:
    """A home whose database has its last write in the write-ahead file alone."""
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE trials (number)")
        connection.execute("INSERT INTO trials VALUES (7)")
        yield tmp_path


def test_copy_holds_what_is_only_in_the_write_ahead_file(live_home: Path) -> None:
    before = {path.name: path.read_bytes() for path in live_home.iterdir()}
    with read_only_copy(Workspace(home=live_home)) as copied:
        database = copied.home / "mlflow.db"
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("SELECT number FROM trials").fetchall() == [(7,)]
    assert not database.exists()
    assert {path.name: path.read_bytes() for path in live_home.iterdir()} == before


def test_store_that_never_stands_still_is_an_error(
    live_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_beside_a_writer(source: Path, to: Path) -> None:
        to.write_bytes(source.read_bytes())
        with (live_home / "optuna.journal").open("ab") as journal:
            journal.write(b"{}\n")

    monkeypatch.setattr("pipeline.app.doctor.shutil.copyfile", copy_beside_a_writer)
    with (
        pytest.raises(WorkFailedError, match="written to all the time"),
        read_only_copy(Workspace(home=live_home)),
    ):
        pass


def test_error_names_the_home_s_own_file(live_home: Path) -> None:
    with (
        pytest.raises(BadInputError, match=f"^{live_home}/mlflow.db: got x, expected y$"),
        read_only_copy(Workspace(home=live_home)) as copied,
    ):
        raise BadInputError(where=str(copied.home / "mlflow.db"), got="x", expected="y")
