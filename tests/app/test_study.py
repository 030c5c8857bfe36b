"""A study from end to end, with real Optuna, MLflow, Lightning and worker processes."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import optuna
import pytest
import yaml
from mlflow.tracking import MlflowClient
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from pipeline import Study
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.locks import hold_study
from pipeline.tracking.reader import read_trial
from pipeline.tracking.store import tracking_uri
from tests.app.studies import (
    FIRST_TRIAL,
    METRICS,
    PRUNED_TOO,
    check_ledgers_agree,
    command,
    points,
    read_until,
    run_command,
    searched,
    study_in,
    table,
    trial_runs,
)

pytestmark = pytest.mark.slow

N_TRIALS = 14


def _file(folder: Path) -> Path:
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(PRUNED_TOO), encoding="utf-8")
    return path


def test_study_has_complete_and_pruned_trials(home: Path) -> None:
    states = [row[1] for row in table(home)]
    assert {"COMPLETE", "PRUNED"} == set(states)


@pytest.mark.parametrize("workers", [1, 4])
def test_table_stays_the_same_for_any_number_of_workers_with_random_delays(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr("pipeline.app.training.FIT", "tests.app.fits:fit_with_delays")
    study_in(tmp_path).run(workers=workers)
    assert table(tmp_path) == table(home)
    check_ledgers_agree(tmp_path, N_TRIALS)


def test_table_stays_the_same_fused_or_not_and_fused_trials_are_reproduced(tmp_path: Path) -> None:
    homes = {cohort: tmp_path / str(cohort) for cohort in (1, 6)}
    for cohort, home in homes.items():
        space = PRUNED_TOO["space"] | {"depth": 1, "width": 32, "batch_size": 32}
        study = study_in(home, space=space, search=PRUNED_TOO["search"] | {"block": 6})
        study.run(workers=cohort % 5 + 1, max_cohort=cohort)
        check_ledgers_agree(home, N_TRIALS)
    assert table(homes[6]) == table(homes[1])
    records = [read_trial(tracking_uri(homes[6]), "small", n).record for n in range(N_TRIALS)]
    assert [record.facts and record.facts.stack_size for record in records] == [6] * 12 + [2] * 2
    assert len({record.epochs_run for record in records}) > 1, "members leave at other epochs"
    for number in (7, 13):
        workspace = Workspace(home=homes[6], tracking_uri=None)
        assert reproduce(workspace, "small", trial=number).comparison.verdict == "identical"


def test_another_seed_gives_another_table(home: Path, tmp_path: Path) -> None:
    searched(tmp_path, seed=4, trials=2).run(workers=1)
    assert table(tmp_path)[1] != table(home)[1]


def test_ctrl_c_leaves_nothing_running_and_the_study_goes_on(home: Path, tmp_path: Path) -> None:
    words = ("run", _file(tmp_path), "--home", tmp_path / "home", "--workers", "2")
    with subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True) as driver:
        read_until(FIRST_TRIAL, driver)
        for _ in range(2):
            driver.send_signal(signal.SIGINT)
            time.sleep(0.05)
        _, said = driver.communicate(timeout=20)
    assert driver.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    client = MlflowClient(tracking_uri(tmp_path / "home"))
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    assert not client.search_runs(ids, "attributes.status = 'RUNNING'")
    run_command(*words)
    assert table(tmp_path / "home") == table(home)
    check_ledgers_agree(tmp_path / "home", N_TRIALS)


def test_worker_ended_by_sigterm_in_mid_trial_changes_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILLED_ONCE", str(tmp_path / "killed"))
    monkeypatch.setenv("KILLED_WITH", "SIGTERM")
    monkeypatch.setattr("pipeline.app.training.FIT", "tests.app.fits:fit_and_die_once")
    study_in(tmp_path / "home").run(workers=2)
    assert (tmp_path / "killed").exists()
    assert table(tmp_path / "home") == table(home)
    check_ledgers_agree(tmp_path / "home", N_TRIALS)


def test_larger_number_of_trials_goes_on_with_the_same_first_rows(
    home: Path, tmp_path: Path
) -> None:
    searched(tmp_path, trials=6).run(workers=2)
    searched(tmp_path, trials=N_TRIALS).run(workers=2)
    assert table(tmp_path) == table(home)
    with pytest.raises(BadInputError, match=r"search.trials: got 6, expected at least 14"):
        searched(tmp_path, trials=6).run(workers=2)


def test_finished_study_is_read_and_not_run_again(home: Path) -> None:
    before = table(home)
    result = study_in(home).run(workers=2)
    assert table(home) == before
    assert result.counts["complete"] + result.counts["pruned"] == N_TRIALS


def test_changed_study_file_is_refused_with_what_differs(home: Path) -> None:
    with pytest.raises(BadInputError, match=r"training.epochs: 4 → 5") as refused:
        study_in(home, training={"epochs": 5, "early_stopping": {"patience": 3}}).run(workers=1)
    assert refused.value.exit_code == 2


def test_second_driver_is_refused_with_the_process_of_the_first(tmp_path: Path) -> None:
    with (
        hold_study(tmp_path, "small"),
        pytest.raises(WorkFailedError, match=f"is being run by process {os.getpid()} on "),
    ):
        study_in(tmp_path).run(workers=1)


def test_mlflows_own_client_reads_each_trials_full_curves(home: Path) -> None:
    for row, run in zip(table(home), trial_runs(home), strict=True):
        history = {metric: points(home, run, metric) for metric in METRICS}
        assert {len(curve) for curve in history.values()} == {len(history["val_loss"])}
        losses = [value for _, value in history["val_loss"]]
        assert run.data.metrics["best_val_loss"] == min(losses)
        assert run.data.metrics["best_epoch"] == losses.index(min(losses)) + 1 == row[3]
        assert run.data.metrics["n_parameters"] > 0


def test_optunas_own_tools_open_the_store_with_the_same_names_and_values(home: Path) -> None:
    storage = JournalStorage(JournalFileBackend(str(home / "optuna.journal")))
    study = optuna.load_study(study_name="small", storage=storage)
    assert study.best_value == min(row[2] for row in table(home) if row[2] is not None)
    for trial, run in zip(study.trials, trial_runs(home), strict=True):
        assert {name: str(value) for name, value in trial.params.items()} == run.data.params
        assert sorted(trial.intermediate_values.items()) == points(home, run, "val_loss")


def test_parameters_have_one_name_in_file_optuna_and_mlflow(home: Path) -> None:
    names = set(study_in(home).config.space.domains)
    used = set().union(*(run.data.params for run in trial_runs(home)))
    assert used == names
    for row in table(home):
        depth = row[4]["depth"]
        layers = {name for name in row[4] if name.startswith("dropout_")}
        assert layers == {f"dropout_{layer}" for layer in range(1, depth + 1)}


def test_fixed_trial_comes_first_with_what_it_says(home: Path) -> None:
    params = table(home)[0][4]
    assert (params["depth"], params["width"], params["dropout_1"]) == (1, 32, 0.25)
    assert params["batch_size"] in (32, 64)


def test_every_trial_is_reproduced_to_the_bit(home: Path) -> None:
    workspace = Workspace(home=home, tracking_uri=None)
    states = [row[1] for row in table(home)]
    chosen = {states.index("PRUNED"), states.index("COMPLETE"), N_TRIALS - 1}
    for number in sorted(chosen):
        answer = reproduce(workspace, "small", trial=number)
        assert answer.comparison.verdict == "identical", answer
        assert answer.comparison.epochs_compared == len(table(home)[number][-1][0])
    check_ledgers_agree(home, N_TRIALS)


def test_run_of_a_reproduction_is_tagged_and_stands_apart(home: Path) -> None:
    original = trial_runs(home)[1]
    answer = reproduce(Workspace(home=home, tracking_uri=None), original.info.run_id)
    run = MlflowClient(tracking_uri(home)).get_run(answer.run_id)
    assert run.data.tags["reproduces"] == original.info.run_id
    assert run.data.tags["verdict"] == "identical"
    assert "trial_number" not in run.data.tags


def test_command_prints_json_alone_on_stdout(home: Path) -> None:
    shown = json.loads(run_command("show", "small", "--home", home, "--json").stdout)
    assert [trial["number"] for trial in shown["trials"]] == list(range(N_TRIALS))
    assert shown["trials"][0].keys() == {
        *("number", "state", "value", "best_epoch", "params", "run_id", "weights_sha256"),
        *("cause", "warning", "finalist_of", "n_parameters"),
    }
    listed = json.loads(run_command("list", "--home", home, "--json").stdout)
    assert [study["study"] for study in listed["studies"]] == ["small"]
    again = run_command("run", _file(home), "--home", home, "--json")
    told = json.loads(again.stdout)
    assert told.keys() == {
        *("study", "trials", "best", "settled", "warm_start", "search", "models", "answer"),
        *("seconds", "start_up", "machinery"),
    }
    assert told["search"]["best"] in range(N_TRIALS)
    assert sum(told["start_up"].values()) == pytest.approx(told["seconds"]["start_up"], rel=0.02)
    parts = {name: spent for name, spent in told["seconds"].items() if name != "total"}
    assert sum(parts.values()) == pytest.approx(told["seconds"]["total"], rel=0.02)


def test_python_runs_a_study_in_one_line(home: Path, tmp_path: Path) -> None:
    path = _file(tmp_path)
    best = Study.load(path, workspace=Workspace(home=home, tracking_uri=None)).run(workers=2).best
    assert best is not None
    assert best.params == table(home)[best.number][4]


def test_study_of_keywords_is_that_of_a_file_with_the_same_keys(tmp_path: Path) -> None:
    assert Study(**PRUNED_TOO).config == Study.load(_file(tmp_path)).config
    with pytest.raises(BadInputError, match=r"^study: training.epochs: got 0, expected") as refused:
        Study(**PRUNED_TOO | {"training": {"epochs": 0}})
    assert (refused.value.key, refused.value.exit_code) == ("training.epochs", 2)
    with pytest.raises(TypeError, match="not both: name"):
        Study(config=Study(**PRUNED_TOO).config, name="twice")
