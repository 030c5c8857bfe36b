"""The saved views of a study follow from its file; what a user has saved stays."""

import base64
import json
import zlib
from hashlib import sha256
from typing import Any

from mlflow.entities import Experiment
from mlflow.tracking import MlflowClient

from pipeline.config import StudyConfig
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.views import has_views, page_of, page_to_compare, views_of, write_views
from tests.tracking.builders import study

RANGES: dict[str, Any] = {
    "space": {
        "depth": {"low": 1, "high": 2},
        "width": 64,
        "input_dropout": {"low": 0.0, "high": 0.2},
        "dropout": {"low": 0.0, "high": 0.5, "per_layer": True},
        "batch_size": 32,
        "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    }
}
HIGHEST = {"metric": "val_accuracy", "direction": "maximize"}


def states(given: StudyConfig) -> dict[str, dict[str, Any]]:
    """What MLflow's page reads from the tags, by the view's key."""
    packed = {view.key: json.loads(view.tag)["state"] for view in views_of(given)}
    assert all(text.startswith("deflate;") for text in packed.values())
    plain = {key: base64.b64decode(text.partition(";")[2]) for key, text in packed.items()}
    return {key: json.loads(zlib.decompress(text)) for key, text in plain.items()}


def experiment(client: MlflowClient) -> Experiment:
    """The study's experiment."""
    found = client.get_experiment_by_name("digits")
    assert found is not None
    return found


def test_leaderboard_has_the_best_first_and_the_searched_rates_before_other_settings() -> None:
    board = states(study(**RANGES))["leaderboard"]
    assert board["selectedColumns"] == [
        *("metrics.`best_val_loss`", "metrics.`best_epoch`"),
        *("params.`input_dropout`", "params.`dropout_1`", "params.`dropout_2`"),
        *("params.`depth`", "params.`learning_rate`"),
        *("metrics.`dropout_mean`", "metrics.`n_parameters`"),
    ]
    assert (board["orderByKey"], board["orderByAsc"]) == ("metrics.`best_val_loss`", True)
    assert board["searchFilter"] == "tags.trial_state = 'COMPLETE'"


def test_leaderboard_is_turned_round_where_the_objective_is_maximised() -> None:
    board = states(study(objective=HIGHEST))["leaderboard"]
    assert (board["orderByKey"], board["orderByAsc"]) == ("metrics.`best_val_accuracy`", False)


def test_curves_are_of_the_objective_and_of_the_gap() -> None:
    view = states(study(objective=HIGHEST, **RANGES))["curves"]
    lines = [one["metricKey"] for one in view["compareRunCharts"] if one["type"] == "LINE"]
    assert lines == ["val_accuracy", "generalization_gap", "train_loss_no_dropout"]
    (parallel,) = (one for one in view["compareRunCharts"] if one["type"] == "PARALLEL")
    assert parallel["selectedMetrics"] == ["dropout_mean", "best_val_accuracy"]
    shared = ["input_dropout", "dropout_1", "depth", "learning_rate"]
    assert parallel["selectedParams"] == shared, "not every trial has a second layer"
    sections = {one["uuid"] for one in view["compareRunSections"]}
    assert {one["metricSectionId"] for one in view["compareRunCharts"]} < sections


def test_all_trials_tell_their_state_and_cause() -> None:
    columns = states(study())["trials"]["selectedColumns"]
    assert columns[0] == "tags.`trial_state`"
    assert columns[-1] == "tags.`cause`"


def test_views_of_a_study_with_very_many_parameters_fit_into_a_tag() -> None:
    names = [f"a{sha256(bytes([number])).hexdigest()}" for number in range(200)]
    own = {"class_path": "theirs.Net"}
    wide = study(model=own, space={name: {"low": 0.0, "high": 1.0} for name in names})
    assert max(len(view.tag) for view in views_of(wide)) < 20_000


def test_views_are_in_the_experiment_once_the_ledger_is_open(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    del ledger
    tags = experiment(client).tags
    assert has_views(experiment(client))
    for view in views_of(study()):
        assert tags[f"mlflow.sharedViewState.{view.key}"] == view.tag
        assert len(view.tag) < 5_000


def test_view_of_an_earlier_version_is_replaced_and_one_that_a_user_saved_is_not(
    ledger: MlflowLedger, client: MlflowClient
) -> None:
    del ledger
    earlier = '{"name": "Leaderboard", "createdAt": 0, "updatedAt": 0, "state": "{}"}'
    saved = '{"name":"Mine","createdAt":0,"updatedAt":1764201600000,"state":"{}"}'
    key = "mlflow.sharedViewState."
    for name, text in (("leaderboard", earlier), ("curves", saved)):
        client.set_experiment_tag(experiment(client).experiment_id, key + name, text)
    write_views(client, experiment(client), study())
    tags = experiment(client).tags
    assert json.loads(tags[f"{key}leaderboard"])["state"] != "{}"
    assert tags[f"{key}curves"] == saved


def test_pages_open_in_the_mode_for_training() -> None:
    chart = "#/experiments/7/runs?workflowType=machine_learning&compareRunsMode=CHART&"
    assert page_of("7", "curves") == f"{chart}viewStateShareKey=curves"
    compare = "#/compare-runs?runs=%5B%22a%22%2C%22b%22%5D&experiments=%5B%227%22%5D"
    assert page_to_compare("7", ["a", "b"]) == f"{compare}&workflowType=machine_learning"
