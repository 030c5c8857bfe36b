"""What MLflow holds after the ledger's calls."""

import json
import math
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from mlflow.tracking import MlflowClient

from pipeline.config import DataConfig, Finalist, digest
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.tracking import runs
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.note import confirmed_note, with_confirmed
from pipeline.tracking.points import read_curve
from pipeline.tracking.reader import read_rows
from pipeline.tracking.store import artifact_root, tracking_uri
from pipeline.trial import FoldScores, StudyState, TrialRecord, TrialRow, TrialState, curve_sha256
from tests.tracking.builders import (
    PARAMS,
    config,
    curve,
    folder_of,
    outcome,
    points,
    reopened,
    row,
    scores,
    snapshot,
    study,
)


@pytest.mark.usefixtures("ledger")
def test_open_makes_a_study_run_with_the_study_file(client: MlflowClient) -> None:
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    run = runs.study_run(client, experiment.experiment_id)
    assert run is not None
    text = (folder_of(run.info.artifact_uri) / "study.yaml").read_text()
    assert yaml.safe_load(text) == study().document
    assert run.info.run_name == run.data.tags["study"] == "digits"
    assert run.data.tags["study_digest"] == digest(study())
    assert run.info.status == "RUNNING"


@pytest.mark.usefixtures("ledger")
def test_open_keeps_artifacts_below_the_home(home: Path) -> None:
    assert [path.name for path in (home / "artifacts").iterdir()] == ["digits"]


def test_open_takes_a_study_up_again_when_repeated(
    ledger: MlflowLedger, client: MlflowClient, home: Path
) -> None:
    ledger.start(config(0))
    before = snapshot(client)
    ledger.open(study())
    reopened(home)
    assert snapshot(client) == before


def test_open_takes_up_a_study_with_more_trials(ledger: MlflowLedger, client: MlflowClient) -> None:
    ledger.open(study(search={"trials": 99}))
    assert list(snapshot(client)) == ["digits"]


def test_open_refuses_another_study_of_the_same_name(ledger: MlflowLedger) -> None:
    with pytest.raises(BadInputError, match=r"name: got 'digits' .*training.epochs: 3 → 9"):
        ledger.open(study(training={"epochs": 9}))


def test_open_refuses_a_deleted_experiment(ledger: MlflowLedger, client: MlflowClient) -> None:
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    with pytest.raises(BadInputError, match=r"deleted in MLflow.*restore -x 1"):
        ledger.open(study())


def test_start_makes_a_run_below_the_study_run(ledger: MlflowLedger, client: MlflowClient) -> None:
    run = client.get_run(ledger.start(config(12)))
    assert run.info.run_name == "trial-012"
    assert run.info.status == "RUNNING"
    assert snapshot(client)["trial-012"]["tags"] == {
        "study": "digits",
        "trial_number": "12",
        "trial_state": "RUNNING",
        "mlflow.parentRunId": "digits",
        "mlflow.runName": "trial-012",
        "mlflow.note.content": "",
    }


def test_params_read_back_as_the_same_numbers(ledger: MlflowLedger, client: MlflowClient) -> None:
    run_id = ledger.start(config(0))
    ledger.flush()
    params = client.get_run(run_id).data.params
    assert {name: type(PARAMS[name])(text) for name, text in params.items()} == PARAMS
    assert params["depth"] == "1"


def test_reports_are_written_by_the_first_flush_after_two_seconds(
    home: Path, client: MlflowClient
) -> None:
    ledger = MlflowLedger(tracking_uri(home), artifact_root(home), seconds_buffered=0.2)
    ledger.open(study())
    run_id = ledger.start(config(0))
    ledger.report(scores(0, 1))
    ledger.flush()
    assert points(client, run_id) == {}
    time.sleep(0.2)
    ledger.flush()
    assert points(client, run_id)[("val_loss", 1)] == [scores(0, 1).val_loss]


def test_run_that_is_taken_up_says_of_finalists_what_the_trial_does(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    mark = Finalist(setting_of=3, first=0, last=2)
    run_id = ledger.start(config(0))
    for finalist in (mark, mark.model_copy(update={"setting_of": 4}), None):
        ledger.start(config(0, finalist=finalist))
        tags = client.get_run(run_id).data.tags
        assert runs.finalist_of(tags) == finalist
        assert ("finalist_of" in tags) == ("finalists" in tags) == (finalist is not None)


def test_finish_leaves_nothing_of_the_trial_out(ledger: MlflowLedger, client: MlflowClient) -> None:
    run_id = ledger.start(config(0))
    ledger.report(scores(0, 1))
    ledger.finish(config(0), outcome(0))
    run = client.get_run(run_id)
    expected = {(name, s.epoch): [v] for s in curve(0) for name, v in s.metrics.items()}
    best = outcome(0).best
    assert best is not None
    expected |= {("best_val_loss", 0): [best.val_loss], ("best_epoch", 0): [1]}
    expected |= {("dropout_mean", 0): [0.1 + 0.2]}
    assert points(client, run_id) == expected | {("n_parameters", 0): [4_810]}
    assert run.info.status == "FINISHED"
    assert run.data.tags["trial_state"] == "COMPLETE"
    assert "cause" not in run.data.tags
    folder = folder_of(run.info.artifact_uri)
    record = TrialRecord.model_validate_json((folder / "record.json").read_bytes())
    assert record == TrialRecord.of(config(0), outcome(0))
    assert (folder / "weights.safetensors").read_bytes() == outcome(0).weights


@pytest.mark.parametrize(
    ("state", "status"),
    [(TrialState.PRUNED, "FINISHED"), (TrialState.FAIL, "FAILED")],
    ids=["pruned", "failed"],
)
def test_finish_tells_the_cause(
    ledger: MlflowLedger, client: MlflowClient, state: TrialState, status: str
) -> None:
    run_id = ledger.start(config(0))
    cause = "asha: val_loss 0.9 above 0.8\ud800" + "x" * 9_000
    ledger.finish(config(0), outcome(0, state, cause="short"))
    ledger.start(config(0))
    assert "cause" not in client.get_run(run_id).data.tags
    ledger.finish(config(0), outcome(0, state, cause=cause.replace("\ud800", "")))
    run = client.get_run(run_id)
    assert run.info.status == status
    assert run.data.tags["trial_state"] == state
    assert run.data.tags["cause"].startswith("asha: val_loss 0.9 above 0.8")


def test_a_trial_that_failed_at_once_is_recorded(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    run_id = ledger.start(config(0))
    nothing = {"curve": (), "weights": None, "facts": None, "n_parameters": 0}
    ledger.finish(config(0), outcome(0, TrialState.FAIL, cause="worker died", **nothing))
    assert points(client, run_id) == {}
    assert list(snapshot(client)["trial-000"]["files"]) == ["record.json"]


def test_scores_that_are_not_finite_are_no_points(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    diverged = (scores(0, 1), scores(0, 2, val_loss=math.nan), scores(0, 3, val_loss=math.inf))
    run_id = ledger.start(config(0))
    for epoch in diverged:
        ledger.report(epoch)
    ledger.finish(config(0), outcome(0, TrialState.FAIL, cause="diverged", curve=diverged))
    found = points(client, run_id)
    assert ("val_loss", 1) in found
    assert not {("val_loss", 2), ("val_loss", 3), ("generalization_gap", 2)} & found.keys()
    assert ("train_loss", 3) in found


def test_a_data_set_is_named_by_its_whole_content(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    run_id = ledger.start(config(0))
    ledger.finish(config(0), outcome(0))
    ledger.finish(config(0), outcome(0))
    inputs = client.get_run(run_id).inputs
    assert inputs is not None
    (given,) = inputs.dataset_inputs
    sha256 = "d" * 36 + "e" * 28
    assert given.dataset.digest == sha256[:36]
    assert json.loads(given.dataset.source)["sha256"] == sha256
    assert json.loads(given.dataset.profile or "")["sha256"] == sha256
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "training")]
    assert snapshot(client)["digits"]["data"] == [("digits", sha256[:36])]


def test_close_leaves_nothing_running(
    ledger: MlflowLedger, home: Path, client: MlflowClient
) -> None:
    for number in range(4):
        ledger.start(config(number))
    ledger.finish(config(0), outcome(0))
    last = reopened(home)
    last.start(config(4))
    last.close(StudyState(rows=[row(0), row(1, TrialState.FAIL, None)], is_done=False))
    found = {name: run["status"] for name, run in snapshot(client).items()}
    assert found == {
        "digits": "KILLED",
        "trial-000": "FINISHED",
        "trial-001": "FAILED",
        "trial-002": "SCHEDULED",
        "trial-003": "SCHEDULED",
        "trial-004": "SCHEDULED",
    }


def test_close_writes_the_note_with_links(ledger: MlflowLedger, client: MlflowClient) -> None:
    run_id = ledger.start(config(0))
    ledger.finish(config(0), outcome(0))
    ledger.close(StudyState(rows=[row(0)], is_done=True))
    found = snapshot(client)["digits"]
    assert found["status"] == "FINISHED"
    note = found["tags"]["mlflow.note.content"]
    assert "[trial-000](#/experiments/1/runs/trial-000?workflowType=machine_learning)" in note
    assert run_id not in note


def test_close_keeps_what_confirming_the_study_came_to(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    ledger.start(config(0))
    ledger.finish(config(0), outcome(0))
    ledger.close(StudyState(rows=[row(0)], is_done=True))
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    run = runs.study_run(client, experiment.experiment_id)
    assert run is not None
    note = run.data.tags["mlflow.note.content"]
    confirmed = confirmed_note("trial 0 wins.", ["val_loss"], [], test_openings=1)
    client.set_tag(run.info.run_id, "mlflow.note.content", with_confirmed(note, confirmed))
    ledger.close(StudyState(rows=[row(0), row(1)], is_done=True))
    after = client.get_run(run.info.run_id).data.tags["mlflow.note.content"]
    assert after.endswith(confirmed)
    assert "2 trials" in after


def test_many_epochs_are_written_whole(ledger: MlflowLedger, client: MlflowClient) -> None:
    run_id = ledger.start(config(0, epochs=300))
    long = curve(0, 300)
    ledger.finish(config(0, epochs=300), outcome(0, curve=long))
    assert len(points(client, run_id)) == 300 * 8 + 4


def test_a_store_that_fails_is_one_sentence(ledger: MlflowLedger, client: MlflowClient) -> None:
    run_id = ledger.start(config(0))
    client.delete_run(run_id)
    with pytest.raises(WorkFailedError, match=r"MLflow cannot finish: .*must be in the 'active'"):
        ledger.finish(config(0), outcome(0))


FOLDS = (FoldScores(0.5, 0.4, 0.7, 0.8), FoldScores(0.3, 0.2, 1 / 3, 0.9))
PICTURES = {"weight_map.png": b"weights", "reconstructions.png": b"rows"}


def test_each_folds_curve_is_kept_and_read_back_to_the_bit(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    folded = tuple(replace(scores, folds=FOLDS) for scores in curve(0))
    run_id = ledger.start(config(0))
    ledger.finish(config(0), outcome(0, curve=folded))
    history = client.get_metric_history(run_id, "val_loss_fold_2")
    assert [(point.step, point.value) for point in history] == [(1, 1 / 3), (2, 1 / 3), (3, 1 / 3)]
    trial = config(0).model_copy(update={"data": DataConfig(name="digits", folds=2)})
    again = read_curve(client, run_id, TrialRecord.of(trial, outcome(0, curve=folded)))
    assert again == folded
    assert curve_sha256(again) == curve_sha256(folded)


def test_what_a_module_logs_is_kept_and_read_back_to_the_bit(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    first, second, third = curve(0)
    logged = (
        replace(first, logged={"val/f1": 1 / 3}),
        replace(second, logged={"val/f1": 0.5, "grad norm": math.inf}),
        replace(third, logged={"val/f1": math.nan, "grad norm": 2.0}),
    )
    run_id = ledger.start(config(0))
    ledger.finish(config(0), outcome(0, curve=logged))
    history = client.get_metric_history(run_id, "val/f1")
    assert [(point.step, point.value) for point in history] == [(1, 1 / 3), (2, 0.5)]
    record = TrialRecord.of(config(0), outcome(0, curve=logged))
    assert record.logged == ("grad norm", "val/f1")
    again = read_curve(client, run_id, record)
    assert [dict(scores.logged) for scores in again] == [
        {"val/f1": 1 / 3},
        {"val/f1": 0.5},
        {"grad norm": 2.0},
    ]
    assert curve_sha256(again) == curve_sha256(logged)


def test_a_curve_without_folds_has_no_metric_of_any(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    run_id = ledger.start(config(0))
    ledger.finish(config(0), outcome(0))
    assert not [name for name in client.get_run(run_id).data.metrics if "fold" in name]


def test_a_loss_without_dropout_that_rises_leaves_a_warning(
    ledger: MlflowLedger, client: MlflowClient, home: Path
) -> None:
    losses = (0.5, 0.4, 0.45, 0.3, 0.3)
    rising = tuple(
        replace(scores, train_loss_no_dropout=loss)
        for scores, loss in zip(curve(0, 5), losses, strict=True)
    )
    falling = tuple(
        replace(scores, train_loss_no_dropout=1 / scores.epoch) for scores in curve(1, 5)
    )
    ids = {}
    for number, losses_of in ((0, rising), (1, falling)):
        ids[number] = ledger.start(config(number, epochs=5))
        ledger.finish(config(number, epochs=5), outcome(number, curve=losses_of))
    expected = "train_loss_no_dropout does not fall at 2 of 4 steps: epoch 3, 5"
    assert client.get_run(ids[0]).data.tags["warning"] == expected
    assert "warning" not in client.get_run(ids[1]).data.tags
    assert [found.warning for found in read_rows(tracking_uri(home), "digits")] == [expected, None]


def test_pictures_lie_beside_the_trial_and_the_bests_beside_the_study(
    client: MlflowClient, home: Path
) -> None:
    space = {"depth": 1, "width": 64, "dropout": 0.1, "batch_size": 32, "learning_rate": 0.001}
    drawing = study("drawing", model={"name": "autoencoder"}, space=space)
    ledger = MlflowLedger(tracking_uri(home), artifact_root(home))
    ledger.open(drawing)
    rows = []
    for number, value in ((0, 0.5), (1, 0.4)):
        pictures = {name: content + bytes([number]) for name, content in PICTURES.items()}
        one = config(number, "drawing")
        run_id = ledger.start(one)
        ledger.finish(one, outcome(number, pictures=pictures))
        folder = folder_of(client.get_run(run_id).info.artifact_uri)
        assert {name: (folder / name).read_bytes() for name in PICTURES} == pictures
        rows.append(replace(row(number, value=value), run_id=run_id))
    ledger.close(StudyState(rows=rows, is_done=True))
    experiment = client.get_experiment_by_name("drawing")
    assert experiment is not None
    study_run = runs.study_run(client, experiment.experiment_id)
    assert study_run is not None
    folder = folder_of(study_run.info.artifact_uri)
    assert (folder / "weight_map.png").read_bytes() == b"weights\x01"
    assert (folder / "reconstructions.png").read_bytes() == b"rows\x01"


def test_what_a_module_logged_lies_in_a_folder_of_the_trial_s_run(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    run_id = ledger.start(config(0))
    files = {"plot.png": b"png", "record.json": b"mine"}
    ledger.finish(config(0), outcome(0, logged_files=files))
    folder = folder_of(client.get_run(run_id).info.artifact_uri)
    assert {name: (folder / "logged" / name).read_bytes() for name in files} == files
    assert (folder / "record.json").read_bytes() != b"mine"
    assert not [name for name in (folder / "logged").iterdir() if name.name.startswith(".")]


def test_a_link_in_place_of_that_folder_is_not_followed(
    ledger: MlflowLedger, client: MlflowClient, tmp_path: Path
) -> None:
    run_id = ledger.start(config(0))
    folder = folder_of(client.get_run(run_id).info.artifact_uri)
    folder.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (folder / "logged").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WorkFailedError, match=r"logged: got a link, expected a folder"):
        ledger.finish(config(0), outcome(0, logged_files={"plot.png": b"png"}))
    assert not list((tmp_path / "elsewhere").iterdir())


def _closed(home: Path, rows: list[TrialRow]) -> dict[tuple[str, int], list[float]]:
    """The points of the study's run after a ledger was opened and closed once more."""
    again = reopened(home)
    again.close(StudyState(rows=rows, is_done=True))
    client = MlflowClient(tracking_uri(home))
    return points(client, again._study_run.info.run_id)


def test_study_that_goes_on_keeps_its_points_and_counts_behind_them(home: Path) -> None:
    first = _closed(home, [row(0, value=0.5), row(1, TrialState.FAIL, None)])
    assert first == {
        **{("best_val_loss", number): [0.5] for number in (0, 1)},
        ("n_complete", 2): [1.0],
        ("n_pruned", 2): [0.0],
        ("n_failed", 2): [1.0],
    }
    assert _closed(home, [row(0, value=0.5), row(1, TrialState.FAIL, None)]) == first
    more = _closed(home, [row(0, value=0.5), row(1, TrialState.FAIL, None), row(2, value=0.4)])
    added = {("best_val_loss", 2): [0.4], ("n_complete", 3): [2.0]}
    assert more == first | added | {("n_pruned", 3): [0.0], ("n_failed", 3): [1.0]}


def test_failed_trial_that_was_trained_again_changes_the_best_value_so_far(home: Path) -> None:
    _closed(home, [row(0, value=0.5), row(1, TrialState.FAIL, None), row(2, value=0.4)])
    after = _closed(home, [row(0, value=0.5), row(1, value=0.3), row(2, value=0.4)])
    best = {number: values for (name, number), values in after.items() if name == "best_val_loss"}
    assert best == {0: [0.5], 1: [0.3], 2: [0.3]}
    assert after["n_complete", 4] == [3.0], "behind the counts of before, which stay"
