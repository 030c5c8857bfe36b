"""What a user's module logs on the test part, and what it may not do there."""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from pipeline.cli.render.retrainings import confirmed_lines
from pipeline.config import TrialConfig
from pipeline.errors import WorkFailedError
from pipeline.learning.custom.load import load_module
from pipeline.learning.custom.logged import MOST, sealed_metrics
from pipeline.learning.data import PreparedData
from pipeline.learning.sealed_scores import score_custom_data, score_on_test
from pipeline.tracking.store import tracking_uri
from pipeline.trial import TrialOutcome, TrialRecord
from tests.learning.custom.modules import Blobs
from tests.learning.custom.test_folds import study_in
from tests.learning.custom.trials import fit, fit_on_own, own_trial

HERE = "tests.learning.custom.tested"


def own(model: str, data: str | None = None, **params: Any) -> TrialConfig:
    """A trial of a module of ``tested.py``."""
    config = own_trial("Plain", data=data, **params)
    path = f"{HERE}.{model}"
    return config.model_copy(update={"model": config.model.model_copy(update={"class_path": path})})


def weights_of(outcome: TrialOutcome) -> bytes:
    """Of a trial that is complete."""
    assert outcome.weights is not None, outcome.cause
    return outcome.weights


def test_what_test_step_logs_is_kept_by_its_own_names_beside_the_study_s_scores(
    digits: PreparedData, capsys: pytest.CaptureFixture[str]
) -> None:
    config = own("Tested")
    weights = weights_of(fit(digits, config, epochs=1))
    (scores,) = score_on_test([(config, weights)], digits)
    (plain,) = score_on_test([(own("Validated"), weights)], digits)
    assert scores.metrics.keys() == {"test/error", "test_loss", "twice"}
    assert scores.metrics["test_loss"] == 7.0
    assert scores.accuracy is not None
    assert scores.metrics["test/error"] == pytest.approx(1 - scores.accuracy)
    assert (scores.loss, scores.accuracy) == (plain.loss, plain.accuracy)
    assert capsys.readouterr().out == "", "the standard output is the command's answer"


def test_without_a_test_step_what_validation_logs_of_the_test_rows_is_kept(
    digits: PreparedData,
) -> None:
    config = own("Validated")
    (scores,) = score_on_test([(config, weights_of(fit(digits, config, epochs=1)))], digits)
    assert scores.accuracy is not None
    assert scores.metrics == {"val_error": pytest.approx(1 - scores.accuracy)}


def test_an_own_data_module_s_test_rows_are_what_test_step_sees() -> None:
    config = own("Tested", data="Blobs", n_inputs=8, n_classes=4)
    outcome = fit_on_own(config)
    scores = score_custom_data(config, weights_of(outcome))
    module = load_module(TrialRecord.of(config, outcome), weights_of(outcome))
    data = Blobs()
    data.setup("test")
    wrong = [(module(rows).argmax(1) != labels).float() for rows, labels in data.test_dataloader()]
    assert 0 <= scores.metrics["test/error"] <= 1
    assert len(wrong) == 1


def test_of_folds_the_means_of_what_all_of_them_log_are_kept(digits: PreparedData) -> None:
    config = own("Tested")
    folded = config.model_copy(update={"data": config.data.model_copy(update={"folds": 2})})
    weights = weights_of(fit(digits, folded, epochs=1))
    (scores,) = score_on_test([(folded, weights)], digits)
    assert scores.accuracy is not None
    assert scores.metrics["test/error"] == pytest.approx(1 - scores.accuracy)
    assert scores.metrics["test_loss"] == fmean([7.0, 7.0])


@pytest.mark.parametrize(
    ("model", "said"),
    [("Failing", "LookupError: no such metric"), ("Gone", "SystemExit: enough")],
)
def test_a_module_that_raises_on_the_test_part_is_told_in_a_sentence(
    digits: PreparedData, model: str, said: str
) -> None:
    config = own(model)
    weights = weights_of(fit(digits, config, epochs=1))
    expected = rf"^trial 0 cannot be scored on the test part: {said}.*tested:\d+"
    with pytest.raises(WorkFailedError, match=expected):
        score_on_test([(config, weights)], digits)


@pytest.mark.parametrize(
    ("logged", "kept"),
    [
        ({"test_acc": 1.0}, ["test_acc"]),
        ({"/etc/passwd": 1.0, "..": 1.0, "a/../b": 1.0, "": 1.0}, []),
        ({"a\nb": 1.0, "é=1": 1.0}, []),
        ({"x" * 251: 1.0}, []),
        ({"acc": 1.0, "acc_step": 1.0, "acc_epoch": 1.0}, ["acc"]),
        ({"endless": float("inf"), "none": float("nan")}, []),
        ({f"m{number}": 1.0 for number in range(MOST + 9)}, [f"m{n}" for n in range(MOST)]),
    ],
    ids=["test", "paths", "characters", "long", "twins", "not finite", "many"],
)
def test_names_that_mlflow_does_not_take_are_left_out(
    logged: dict[str, float], kept: list[str]
) -> None:
    assert list(sealed_metrics(logged, is_tested=True)) == kept


def test_the_study_s_own_scores_are_not_told_twice() -> None:
    logged = {"val_loss": 1.0, "val_accuracy": 1.0, "val_f1": 1.0}
    assert list(sealed_metrics(logged, is_tested=False)) == ["val_f1"]


@pytest.mark.slow
def test_confirming_gives_an_interval_for_each_score_and_opens_the_test_part_once(
    tmp_path: Path,
) -> None:
    base = study_in(tmp_path, name="digits", folds=None)
    model = base.config.model.model_copy(update={"class_path": f"{HERE}.Tested"})
    study = type(base)(
        config=base.config.model_copy(update={"model": model}), workspace=base.workspace
    )
    study.run(workers=2)
    client = MlflowClient(tracking_uri(tmp_path))
    assert not _openings(client), "the search has not opened it"
    confirmed = study.confirm(top=2, seeds=2, workers=2)
    assert confirmed.test_openings == 1 == _openings(client)
    told = json.loads(json.dumps(confirmed.as_json()))["candidates"][0]
    assert told["metrics"].keys() == {"test/error", "test_loss", "twice"}
    error, accuracy = told["metrics"]["test/error"], told["test_accuracy"]
    assert error["low"] <= error["mean"] <= error["high"]
    assert error["mean"] == pytest.approx(1 - accuracy["mean"])
    shown = "\n".join(confirmed_lines(confirmed))
    assert "test/error" in shown
    metrics = client.get_run(confirmed.run_id).data.metrics
    assert metrics["test/error_mean"] == pytest.approx(error["mean"])
    assert metrics["test_step/test_loss_mean"] == 7.0
    assert {"test_loss_mean", "test_twice_low"} <= metrics.keys()


def _openings(client: MlflowClient) -> int:
    """How often a study's test part was opened, by its run."""
    experiment = client.get_experiment_by_name("folded")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], "tags.study_run != ''")
    return int(run.data.tags.get("test_openings", 0))
