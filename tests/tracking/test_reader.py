"""Trials come back from MLflow as they were written, or with one clear error."""

import json
import math
from pathlib import Path
from typing import Any, Literal

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pipeline.config import Finalist, Resources
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.tracking import reader
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.reader import has_study, read_resources, read_rows, read_run, read_trial
from pipeline.tracking.store import artifact_root, read_run_ids, tracking_uri
from pipeline.trial import TrialRecord, TrialState, curve_sha256
from tests.tracking.builders import PARAMS, config, curve, folder_of, outcome, scores, study


@pytest.fixture
def uri(home: Path, ledger: MlflowLedger) -> str:
    """A study of five trials: two equally good, one worse, one pruned, one running."""
    values = {0: 0.9, 1: 0.5, 2: 0.5}
    for number, value in values.items():
        best = (scores(number, 1, val_loss=1.0), scores(number, 2, val_loss=value))
        ledger.finish(config(number), outcome(number, curve=best))
    low = (scores(3, 1, val_loss=0.1),)
    ledger.finish(config(3), outcome(3, TrialState.PRUNED, cause="median", curve=low))
    ledger.start(config(4))
    ledger.flush()
    return tracking_uri(home)


def record_of(client: MlflowClient, run_id: str) -> Path:
    """Where a run's record lies on disk."""
    return folder_of(client.get_run(run_id).info.artifact_uri) / "record.json"


def test_a_trial_reads_back_as_it_was_written(home: Path, ledger: MlflowLedger) -> None:
    run_id = ledger.start(config(0))
    ledger.finish(config(0), outcome(0))
    for trial in (
        read_trial(tracking_uri(home), "digits", 0),
        read_run(tracking_uri(home), run_id),
    ):
        assert trial.run_id == run_id
        assert trial.record == TrialRecord.of(config(0), outcome(0))
        assert trial.curve == curve(0)
        assert trial.weights == outcome(0).weights
        assert curve_sha256(trial.curve) == trial.record.curves_sha256


def test_a_run_is_found_by_as_many_digits_as_tell_it_from_others(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = str(read_rows(uri, "digits")[1].run_id)
    assert read_run(uri, run_id[:8]).run_id == run_id
    assert sorted(read_run_ids(uri)) == sorted(run.info.run_id for run in _all_runs(uri))
    with pytest.raises(
        BadInputError, match=r"got '0{31}', which begins no run id and names no study"
    ):
        read_run(uri, "0" * 31)
    monkeypatch.setattr(reader, "SHOWN_RUNS", 2)
    with pytest.raises(BadInputError, match=r"several run ids begin.* \(trial-\d+\), .*others$"):
        reader._only_run(MlflowClient(uri), "", "here")


def _all_runs(uri: str) -> list[Run]:
    client = MlflowClient(uri)
    experiments = [one.experiment_id for one in client.search_experiments()]
    return list(client.search_runs(experiments))


def test_no_run_ids_are_read_of_a_server_or_of_what_is_no_store(tmp_path: Path) -> None:
    damaged = tmp_path / "mlflow.db"
    damaged.write_bytes(b"no database" * 100)
    assert read_run_ids(f"sqlite:///{damaged}") == []
    assert read_run_ids(f"sqlite:///{tmp_path}/absent.db") == []
    assert read_run_ids("http://127.0.0.1:9") == []


def test_a_studys_name_may_look_like_a_run_id(uri: str, ledger: MlflowLedger, home: Path) -> None:
    del ledger
    named = MlflowLedger(uri, artifact_root(home))
    named.open(study("deadbeef"))
    assert has_study(uri, "deadbeef")
    assert not has_study(uri, "deadbee")


def test_the_resources_of_a_study_are_those_of_its_last_run(
    home: Path, ledger: MlflowLedger
) -> None:
    ledger.start(config(0))
    ledger.finish(config(0), outcome(0))
    trial = read_trial(tracking_uri(home), "digits", 0)
    assert read_resources(trial) == Resources()
    MlflowLedger(tracking_uri(home), artifact_root(home)).open(study(resources={"gpus": 0.25}))
    assert read_resources(trial) == Resources(gpus=0.25)
    client = MlflowClient(tracking_uri(home))
    parent = client.get_run(trial.run_id).data.tags["mlflow.parentRunId"]
    client.set_tag(parent, "resources", '{"gpus": "all"}')
    with pytest.raises(WorkFailedError, match=r"digits\): tag resources is damaged"):
        read_resources(trial)


def test_a_curve_that_lost_an_epoch_is_not_whole(home: Path, ledger: MlflowLedger) -> None:
    nan = (scores(0, 1), scores(0, 2, val_loss=math.inf))
    ledger.finish(config(0), outcome(0, TrialState.FAIL, curve=nan))
    trial = read_trial(tracking_uri(home), "digits", 0)
    assert math.isnan(trial.curve[1].val_loss)
    assert curve_sha256(trial.curve) != trial.record.curves_sha256


def test_of_a_point_that_stands_twice_the_latest_is_read(
    home: Path, ledger: MlflowLedger, client: MlflowClient
) -> None:
    ledger.finish(config(0), outcome(0))
    client.log_metric(ledger.run_ids[0], "val_loss", 0.125, step=2)
    trial = read_trial(tracking_uri(home), "digits", 0)
    assert trial.curve[1].val_loss == 0.125
    assert curve_sha256(trial.curve) != trial.record.curves_sha256


def test_a_record_is_known_by_the_digest_that_its_run_is_tagged_with(
    home: Path, ledger: MlflowLedger, client: MlflowClient
) -> None:
    ledger.finish(config(0), outcome(0))
    trial = read_trial(tracking_uri(home), "digits", 0)
    assert trial.record_sha256 == trial.tags["record_sha256"]
    path = record_of(client, ledger.run_ids[0])
    path.write_text(path.read_text().replace('"torch": "2.13.0"', '"torch": "2.14.0"'))
    changed = read_trial(tracking_uri(home), "digits", 0)
    assert changed.record_sha256 != changed.tags["record_sha256"]


def test_the_best_trial_is_complete_and_the_first_of_equals(uri: str) -> None:
    assert read_trial(uri, "digits", "best").record.trial.number == 1


def _finish_finalists(ledger: MlflowLedger, values: dict[int, float], mark: Finalist) -> None:
    for number, value in values.items():
        best = (scores(number, 1, val_loss=1.0), scores(number, 2, val_loss=value))
        ledger.finish(config(number, finalist=mark), outcome(number, curve=best))


def test_the_best_trial_is_a_finalist_s_when_all_of_them_have_ended(
    uri: str, ledger: MlflowLedger
) -> None:
    mark = Finalist(setting_of=0, first=5, last=7)
    _finish_finalists(ledger, {5: 0.8, 6: 0.6}, mark)
    assert read_trial(uri, "digits", "best").record.trial.number == 1
    _finish_finalists(ledger, {7: 0.7}, mark)
    best = read_trial(uri, "digits", "best")
    assert best.record.trial.number == 6
    assert best.record.trial.finalist == mark
    assert {name: best.tags[name] for name in ("finalist_of", "finalists")} == {
        "finalist_of": "0",
        "finalists": "5-7",
    }
    assert [row.finalist for row in read_rows(uri, "digits")] == [None] * 5 + [mark] * 3


@pytest.mark.parametrize(
    ("of", "all_"), [("0", "9" * 5_000), ("x", "1-2"), ("1", "1-2-3"), ("1", ""), ("٣", "1-2")]
)
def test_tags_that_name_no_finalist_make_none(
    uri: str, ledger: MlflowLedger, client: MlflowClient, of: str, all_: str
) -> None:
    client.set_tag(ledger.run_ids[0], "finalist_of", of)
    client.set_tag(ledger.run_ids[0], "finalists", all_)
    assert read_rows(uri, "digits")[0].finalist is None


def test_a_pruned_trial_can_be_read(uri: str) -> None:
    assert read_trial(uri, "digits", 3).record.cause == "median"


def test_rows_are_the_study_s_table(uri: str) -> None:
    rows = read_rows(uri, "digits")
    assert [row.number for row in rows] == [0, 1, 2, 3, 4]
    assert [row.value for row in rows] == [0.9, 0.5, 0.5, None, None]
    assert [row.best_epoch for row in rows] == [2, 2, 2, 1, None]
    assert rows[0].params == PARAMS
    assert [type(value) for value in rows[0].params.values()] == [
        type(PARAMS[k]) for k in rows[0].params
    ]
    assert rows[0].weights_sha256 == outcome(0).weights_sha256
    assert rows[3].cause == "median"
    assert [row.state for row in rows[3:]] == [TrialState.PRUNED, TrialState.RUNNING]


@pytest.mark.parametrize(
    ("name", "number", "message"),
    [
        ("mnist", 0, r"study: got 'mnist', expected one of: digits"),
        ("digits", 5, r"trial: got 5, expected 'best' or a number from 0 to 4"),
        ("digits", 4, r"trial: got a trial that is RUNNING, expected a finished trial"),
    ],
    ids=["study", "number", "running"],
)
def test_reading_names_what_there_is(
    uri: str, name: str, number: int | Literal["best"], message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        read_trial(uri, name, number)


def test_no_trial_is_the_best_of_none(home: Path, ledger: MlflowLedger) -> None:
    ledger.start(config(0))
    with pytest.raises(BadInputError, match=r"'best' among 1 trials of which none is complete"):
        read_trial(tracking_uri(home), "digits", "best")


@pytest.mark.parametrize("run_id", ["0" * 32, "'; DROP TABLE runs", "../../etc"])
def test_an_unknown_run_is_an_error(uri: str, run_id: str) -> None:
    with pytest.raises(BadInputError, match="the run id of a trial"):
        read_run(uri, run_id)


def test_the_study_s_own_run_is_no_trial(uri: str, client: MlflowClient) -> None:
    found = client.search_runs(["1"], "tags.study_run = 'true'")
    with pytest.raises(BadInputError, match="got the run 'digits'"):
        read_run(uri, found[0].info.run_id)


def test_reading_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such file"):
        read_rows(tracking_uri(tmp_path / "nowhere"), "digits")
    assert list(tmp_path.iterdir()) == []


def changed(**changes: Any) -> str:
    """A record with other top-level values."""
    record = TrialRecord.of(config(0), outcome(0)).model_dump(mode="json")
    return json.dumps(record | changes)


DAMAGED = {
    "empty": "",
    "torn": changed()[:200],
    "no record": "[]",
    "unknown key": changed(__reduce__="os.system"),
    "wrong type": changed(epochs_run="many"),
    "deep": "[" * 100_000,
    "foreign": changed(trial=config(7).model_dump(mode="json")),
    "later format": changed(format=2),
    "not unicode": "\udcff",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_record_is_named(
    uri: str, client: MlflowClient, ledger: MlflowLedger, content: str
) -> None:
    run_id = ledger.run_ids[0]
    record_of(client, run_id).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(WorkFailedError, match=rf"run {run_id} \(trial-000\): record.json is dam"):
        read_trial(uri, "digits", 0)


def test_a_lost_record_is_named(uri: str, client: MlflowClient, ledger: MlflowLedger) -> None:
    record_of(client, ledger.run_ids[0]).unlink()
    with pytest.raises(
        WorkFailedError, match=r"\(trial-000\): record.json is damaged: it is missing"
    ):
        read_trial(uri, "digits", 0)


def test_changed_weights_are_read_as_they_lie(
    uri: str, client: MlflowClient, ledger: MlflowLedger
) -> None:
    path = record_of(client, ledger.run_ids[0]).with_name("weights.safetensors")
    path.write_bytes(b"another network")
    assert read_trial(uri, "digits", 0).weights == b"another network"


def test_a_trial_without_weights_has_none(home: Path) -> None:
    ledger = MlflowLedger(tracking_uri(home), artifact_root(home))
    ledger.open(study())
    ledger.finish(config(0), outcome(0, TrialState.FAIL, weights=None))
    assert read_trial(tracking_uri(home), "digits", 0).weights is None
