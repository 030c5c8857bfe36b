"""What some trials have more than others in MLflow: folds, pictures, a warning."""

from dataclasses import replace
from pathlib import Path

from mlflow.tracking import MlflowClient

from pipeline.tracking import runs
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.points import read_curve
from pipeline.tracking.reader import read_rows
from pipeline.tracking.store import artifact_root, tracking_uri
from pipeline.trial import FoldScores, curve_sha256
from tests.tracking.builders import config, curve, folder_of, outcome, row, study

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
    again = read_curve(client, run_id, 0, n_folds=2)
    assert again == folded
    assert curve_sha256(again) == curve_sha256(folded)


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
    for number, scores in ((0, rising), (1, falling)):
        ids[number] = ledger.start(config(number, epochs=5))
        ledger.finish(config(number, epochs=5), outcome(number, curve=scores))
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
    ledger.close(rows, is_done=True)
    experiment = client.get_experiment_by_name("drawing")
    assert experiment is not None
    study_run = runs.study_run(client, experiment.experiment_id)
    assert study_run is not None
    folder = folder_of(study_run.info.artifact_uri)
    assert (folder / "weight_map.png").read_bytes() == b"weights\x01"
    assert (folder / "reconstructions.png").read_bytes() == b"rows\x01"
