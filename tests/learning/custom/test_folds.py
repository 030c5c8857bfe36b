"""A user's module on folds: one network for each, scores that are their means, bits as ever."""

import math
import random
import threading
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from safetensors.torch import load

from pipeline.app.doctor import examine
from pipeline.app.retraining.reproduce import reproduce
from pipeline.app.study import Study
from pipeline.app.workspace import Workspace
from pipeline.config import TrialConfig, check_study
from pipeline.errors import BadInputError
from pipeline.learning.cohort.member import Progress
from pipeline.learning.custom.datamodule import CustomData
from pipeline.learning.custom.folds import mean_scores
from pipeline.learning.custom.load import load_module
from pipeline.learning.custom.loaders import open_rows
from pipeline.learning.custom.training import Training, expected_of_loaders
from pipeline.learning.data import PreparedData
from pipeline.learning.sealed_scores import score_custom_data, score_on_test
from pipeline.trial import (
    Assignment,
    Cutoffs,
    EpochScores,
    FoldScores,
    TrialOutcome,
    TrialRecord,
    TrialState,
    curve_sha256,
    ignore,
)
from tests.app.studies import check_ledgers_agree, points, table, trial_runs
from tests.learning.custom.trials import MLP, MODULES, fit, fit_on_own, own_trial

N_FOLDS = 3
N_TRIALS = 3


def folded(model: str = "Plain", *, data: str | None = None, **params: Any) -> TrialConfig:
    """A trial on three folds."""
    config = own_trial(model, data=data, **params)
    return config.model_copy(update={"data": config.data.model_copy(update={"folds": N_FOLDS})})


def bits(outcome: TrialOutcome) -> tuple[str, str | None]:
    """What is equal where two trainings are the same."""
    assert outcome.state is not TrialState.FAIL, outcome.cause
    return curve_sha256(outcome.curve), outcome.weights_sha256


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Any:
    """However a trial ends, its folds' threads end with it."""
    before = set(threading.enumerate())  # of other tests, which may end meanwhile
    yield
    assert set(threading.enumerate()) <= before


def test_scores_are_the_means_over_folds_and_each_fold_s_weights_are_kept(
    digits: PreparedData,
) -> None:
    outcome = fit(digits, folded(hidden=8))
    assert outcome.state is TrialState.COMPLETE, outcome.cause
    assert len(outcome.curve) == 3
    for scores in outcome.curve:
        assert len({fold.val_loss for fold in scores.folds}) == N_FOLDS
        for name in FoldScores._fields:
            mean = fmean(getattr(fold, name) for fold in scores.folds)
            assert getattr(scores, name) == mean
            assert math.isfinite(mean)
        assert scores.measured["val_loss_fold_2"] == scores.folds[1].val_loss
    assert outcome.weights is not None
    names = load(outcome.weights)
    assert {name.partition(".")[0] for name in names} == {"fold_1", "fold_2", "fold_3"}
    firsts = [names[f"fold_{fold}.layers.1.weight"] for fold in (1, 2, 3)]
    assert not torch.equal(firsts[0], firsts[1])
    assert outcome.n_parameters == 64 * 8 + 8 + 2 * 8 + 8 * 10 + 10
    assert min(outcome.seconds.values()) >= 0


@pytest.mark.parametrize("epochs", [1, 3])
def test_each_fold_trains_to_the_bit_as_if_it_were_alone(digits: PreparedData, epochs: int) -> None:
    config = folded("NoisyValidation")
    outcome = fit(digits, config, epochs=epochs)
    assert outcome.weights is not None
    together = load(outcome.weights)
    assignment = Assignment(config=config, epochs=epochs)
    for fold, loaders in enumerate(open_rows(assignment, digits), start=1):
        progress = Progress(assignment)
        alone = Training(progress, loaders, report=ignore, fold=fold)
        with expected_of_loaders():
            alone.run(is_due=lambda: False, save=ignore)
        for ours, scores in zip(progress.curve, outcome.curve, strict=True):
            theirs = scores.folds[fold - 1]
            assert tuple(getattr(ours, name) for name in FoldScores._fields) == theirs
        if epochs == 1:  # else the best epoch of the means need not be a fold's own
            assert alone.weights is not None
            for name, value in alone.weights.items():
                assert torch.equal(value, together[f"fold_{fold}.{name}"])


def test_folds_give_the_same_bits_again_whatever_happens_to_the_generators(
    digits: PreparedData,
) -> None:
    first = fit(digits, folded())
    torch.rand(3)
    random.random()  # noqa: S311 - the generator that is meant
    assert bits(fit(digits, folded())) == bits(first)


@pytest.mark.parametrize("model", ["Plain", "mlp"])
def test_a_data_module_of_one_s_own_is_cut_into_folds(model: str) -> None:
    params = MLP if model == "mlp" else {"n_inputs": 8, "n_classes": 4}
    config = folded(model, data="Blobs", **params)
    outcome, again = (fit_on_own(config) for _ in range(2))
    assert outcome.state is TrialState.COMPLETE, outcome.cause
    assert all(len({one.val_loss for one in scores.folds}) == 3 for scores in outcome.curve)
    assert all(math.isfinite(scores.train_loss_no_dropout) for scores in outcome.curve)
    assert bits(outcome) == bits(again)
    whole = fit_on_own(own_trial(model, data="Blobs", **params))
    assert outcome.facts
    assert whole.facts
    assert outcome.facts.data_sha256 == whole.facts.data_sha256
    assert outcome.facts.split_sha256 != whole.facts.split_sha256


def test_a_stopping_rule_and_patience_see_the_means(digits: PreparedData) -> None:
    cutoffs = Cutoffs(rule="some rule", limits=(math.inf, 0.0, math.inf))
    pruned = fit(digits, folded("Worsening"), cutoffs=cutoffs)
    assert (pruned.state, len(pruned.curve)) == (TrialState.PRUNED, 2)
    assert pruned.weights_sha256 == fit(digits, folded("Worsening"), epochs=1).weights_sha256
    patient = fit(digits, folded("Worsening"), epochs=9, patience=2)
    assert (patient.state, len(patient.curve)) == (TrialState.COMPLETE, 3)


ENDS = {
    "Raising": (TrialState.FAIL, 1, "ZeroDivisionError: division by zero (tests"),
    "Silent": (TrialState.FAIL, 0, "val_loss was not logged by the end of epoch 1"),
    "Leaving": (TrialState.FAIL, 0, "SystemExit: enough"),
    "Interrupting": (TrialState.FAIL, 0, ""),
    "Diverging": (TrialState.FAIL, 2, "diverged: "),
    "WithNotes": (TrialState.FAIL, 1, "TypeError: state_dict()"),
    "Contented": (TrialState.COMPLETE, 2, ""),
}


@pytest.mark.parametrize(("model", "end"), ENDS.items(), ids=ENDS)
def test_a_trial_ends_as_its_first_fold_that_ends(
    digits: PreparedData, model: str, end: tuple[TrialState, int, str]
) -> None:
    outcome = fit(digits, folded(model))
    state, n_epochs, cause = end
    assert (outcome.state, len(outcome.curve)) == (state, n_epochs)
    assert (outcome.cause or "").startswith(cause)


def test_what_a_module_logs_beside_is_averaged_where_all_folds_have_it() -> None:
    one, two = (
        EpochScores(
            number=0,
            epoch=1,
            ended_at_ms=fold,
            train_loss=float(fold),
            train_loss_no_dropout=float(fold),
            val_loss=float(fold),
            train_accuracy=math.nan,
            val_accuracy=0.5,
            learning_rate=0.1,
            epoch_seconds=1.5,
            logged={"val_f1": 0.2 * fold, "seldom": 1.0} if fold == 1 else {"val_f1": 0.4},
        )
        for fold in (1, 2)
    )
    scores = mean_scores([one, two])
    assert scores.logged == {"val_f1": pytest.approx(0.3)}
    assert (scores.val_loss, scores.val_accuracy, scores.learning_rate) == (1.5, 0.5, 0.1)
    assert (scores.epoch_seconds, scores.ended_at_ms) == (3.0, 2)
    assert math.isnan(scores.train_accuracy)
    assert scores.folds == (FoldScores(1.0, 1.0, 1.0, 0.5), FoldScores(2.0, 2.0, 2.0, 0.5))


def test_a_fold_s_network_is_loaded_by_its_number(digits: PreparedData) -> None:
    config = folded(hidden=8)
    outcome = fit(digits, config)
    assert outcome.weights is not None
    record = TrialRecord.of(config, outcome)
    first, last = (load_module(record, outcome.weights, fold=fold) for fold in (1, 3))
    names = load(outcome.weights)
    for fold, module in ((1, first), (3, last)):
        weight = module.state_dict()["layers.1.weight"]
        assert torch.equal(weight, names[f"fold_{fold}.layers.1.weight"])
    for other in (None, 4):
        with pytest.raises(ValueError, match="for each fold, 1 to 3"):
            load_module(record, outcome.weights, fold=other)
    alone = fit(digits, own_trial(hidden=8))
    assert alone.weights is not None
    with pytest.raises(ValueError, match="fold is 1, but the trial has one network"):
        load_module(TrialRecord.of(own_trial(hidden=8), alone), alone.weights, fold=1)


def test_the_test_part_is_scored_by_the_mean_over_folds(digits: PreparedData) -> None:
    config = folded()
    weights = fit(digits, config).weights
    assert weights is not None
    (found,) = score_on_test([(config, weights)], digits)
    assert 0 < found.loss < 3
    own = folded(data="Blobs", n_inputs=8, n_classes=4)
    outcome = fit_on_own(own)
    assert outcome.weights is not None
    scores = score_custom_data(own, outcome.weights)
    assert score_on_test([(own, outcome.weights)], CustomData(str(own.data.class_path))) == [scores]


def test_a_refit_trains_one_network_on_all_rows_but_the_test_s(digits: PreparedData) -> None:
    for outcome, alone in (
        (
            fit(digits, folded(), epochs=2, is_refit=True),
            fit(digits, own_trial(), epochs=2, is_refit=True),
        ),
        (
            fit_on_own(folded(data="Blobs", n_inputs=8), epochs=2, is_refit=True),
            fit_on_own(own_trial(data="Blobs", n_inputs=8), epochs=2, is_refit=True),
        ),
    ):
        assert outcome.state is TrialState.COMPLETE, outcome.cause
        assert outcome.weights is not None
        assert not any(name.startswith("fold_") for name in load(outcome.weights))
        assert all(math.isnan(scores.val_loss) for scores in outcome.curve)
        assert outcome.curve[-1].train_loss < outcome.curve[0].train_loss
        assert outcome.weights_sha256 == alone.weights_sha256


def study_in(home: Path, **data: Any) -> Study:
    """A small study of a module of one's own on folds."""
    given = {
        "name": "folded",
        "data": {"folds": 2} | data,
        "model": {"class_path": f"{MODULES}.Plain"},
        "space": {
            "hidden": {"choices": [4, 16]},
            "dropout": {"low": 0.0, "high": 0.6},
            "batch_size": {"choices": [20, 30]},
        },
        "training": {"epochs": 2, "device": "cpu"},
        "search": {"trials": N_TRIALS, "stopping": "halving", "first_rung": 1, "block": 1},
    }
    return Study(
        config=check_study(given, "own.yaml"), workspace=Workspace(home=home, tracking_uri=None)
    )


DATA = {"built-in": {"name": "digits"}, "own": {"class_path": f"{MODULES}.Pictures"}}


@pytest.fixture(scope="module", params=DATA)
def study(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study that one worker has run, on built-in data and on data of one's own."""
    ran = study_in(tmp_path_factory.mktemp("folded"), **DATA[request.param])
    result = ran.run(workers=1)
    assert result.counts["failed"] == 0, [row.cause for row in result.trials]
    return ran


@pytest.mark.slow
def test_two_workers_give_the_table_of_one(study: Study, tmp_path: Path) -> None:
    home = study.workspace.home
    Study(config=study.config, workspace=Workspace(home=tmp_path, tracking_uri=None)).run(workers=2)
    assert table(home, "folded") == table(tmp_path, "folded")
    check_ledgers_agree(tmp_path, N_TRIALS, "folded")


@pytest.mark.slow
def test_the_best_trial_is_reproduced_and_mlflow_has_each_fold_s_curve(study: Study) -> None:
    home = study.workspace.home
    (best,) = [one for one in trial_runs(home, "folded") if one.info.run_id == result_of(study)]
    folds = zip(*(fold_losses(home, best, number) for number in (1, 2)), strict=True)
    assert [value for _, value in points(home, best, "val_loss")] == list(map(fmean, folds))
    again = study.reproduce().comparison
    assert (again.verdict, again.differences) == ("identical", ())
    assert study.load_model(fold=2).training is False


@pytest.mark.slow
def test_a_refit_is_reproduced_and_a_confirmation_scores_all_folds(study: Study) -> None:
    again = reproduce(study.workspace, study.refit().run_id).comparison
    assert (again.verdict, again.differences) == ("identical", ())
    confirmed = study.confirm(top=1, seeds=1, workers=1)
    assert confirmed.answer.candidates[0].test_loss.mean is not None
    assert examine(study.workspace).is_healthy


def result_of(study: Study) -> str | None:
    """The run of the best trial."""
    best = study.show().best
    assert best is not None
    return best.run_id


def fold_losses(home: Path, run: Any, fold: int) -> list[float]:
    """A fold's curve in MLflow."""
    return [value for _, value in points(home, run, f"val_loss_fold_{fold}")]


@pytest.mark.slow
def test_data_that_cannot_be_cut_is_refused_before_anything_runs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    study = study_in(home, class_path="tests.learning.custom.divided.Apart")
    with pytest.raises(BadInputError, match=r"Apart cannot be divided anew: its training and"):
        study.run(workers=1)
    assert not list(home.rglob("mlflow.db")) + list(home.rglob("optuna.journal"))
