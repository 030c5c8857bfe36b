"""Trials that predict numbers: fused like others, scored in the targets' units, split by chance."""

import json
import math
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score

from pipeline.learning.cohort.rows import load_splits, mean_scores, target_scores
from pipeline.learning.custom.loaders import open_rows
from pipeline.learning.data import PreparedData, splits
from pipeline.trial import Assignment, Cutoffs, Facts, TrialRecord, TrialState, curve_sha256
from tests.learning.cohort.test_stack import bits
from tests.learning.modules.test_regression import predicting
from tests.learning.trials import assigned, fit, fit_one, trial

EPOCHS = 5
SPLIT_OF_DIGITS = "a198d877c60ac027e21ff5f83cbd82ee5ba79cc2391a8d3b39e13d8c0b60e7b8"
"""By the version before rows of numbers were split."""


def leaving(number: int, **changes: Any) -> Assignment:
    """A trial with rates, learning rate and decay of its own, that ends at an epoch of its own."""
    config = predicting(
        number,
        dropout_1=0.6 * (number % 5) / 4,
        dropout_2=0.5 * (number % 2),
        learning_rate=0.001 * (1 + number),
        weight_decay=0.02 * (number % 4),
        training={"epochs": EPOCHS} | changes.pop("training", {}),
        **changes,
    )
    epoch = 1 + number % EPOCHS
    if number % 2:
        return assigned(config, epochs=epoch)
    limits = tuple(0.0 if 1 + i == epoch else math.inf for i in range(EPOCHS))
    return assigned(config, cutoffs=Cutoffs(rule="some rule", limits=limits))


CASES: list[Any] = [
    pytest.param({}, 9, id="mse"),
    pytest.param({"loss": "mae"}, 3, id="mae"),
    pytest.param({"loss": "huber"}, 3, id="huber"),
    pytest.param({"training": {"precision": "bf16-mixed"}}, 3, id="bfloat16"),
    pytest.param({"data": {"folds": 2}}, 3, id="folds"),
    pytest.param({"training": {"optimizer": "sgd"}, "max_norm": 0.8}, 3, id="sgd, largest norm"),
]


@pytest.mark.parametrize(("changes", "n_members"), CASES)
def test_fused_trials_equal_lone_ones_to_the_bit_whoever_leaves_when(
    numbers: PreparedData, changes: dict[str, Any], n_members: int
) -> None:
    assignments = [leaving(number, **dict(changes)) for number in range(n_members)]
    together = fit(numbers, *assignments)
    assert together[0].facts is not None
    assert (together[0].facts.stack_size, together[0].facts.alone_because) == (n_members, None)
    for assignment, fused in zip(assignments, together, strict=True):
        (alone,) = fit(numbers, assignment)
        assert alone.curve[0].logged.keys() == {"val_mae", "val_r2"}
        assert bits(fused) == bits(alone)


def test_autograd_and_the_stack_give_the_same_bits(
    numbers: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    fused = bits(fit_one(numbers, predicting(4)))
    monkeypatch.setattr(
        "pipeline.learning.cohort.module.why_not_stackable", lambda _: "for the test"
    )
    assert bits(fit_one(numbers, predicting(4))) == fused


def test_the_loss_falls_and_more_is_explained(numbers: PreparedData) -> None:
    outcome = fit_one(numbers, predicting(dropout=0.0), epochs=12)
    first, last = outcome.curve[0], outcome.curve[-1]
    assert last.val_loss < 0.3 < first.val_loss
    assert first.logged["val_r2"] < 0.75 < last.logged["val_r2"]
    assert last.logged["val_mae"] < 1.4
    assert math.isnan(last.val_accuracy)
    assert math.isnan(last.train_accuracy)
    assert "val_accuracy" in last.measured


@pytest.mark.parametrize("n_targets", [1, 3])
def test_scores_are_those_of_scikit_learn(n_targets: int) -> None:
    generator = np.random.default_rng(n_targets)
    truth = generator.normal(150, 70, (90, n_targets)).astype(np.float32)
    predicted = truth + generator.normal(0, 40, truth.shape).astype(np.float32)
    found = target_scores(torch.from_numpy(predicted - truth), torch.from_numpy(truth))
    assert found["mae"] == pytest.approx(mean_absolute_error(truth, predicted))
    assert found["r2"] == pytest.approx(r2_score(truth, predicted))


def test_r2_of_rows_whose_target_does_not_vary_is_not_known() -> None:
    labels, errors = torch.full((4,), 2.0), torch.ones(1, 4, 1)
    (scores,) = mean_scores(torch.ones(1, 4), errors, labels)
    assert (scores.loss, scores.mae) == (1.0, 1.0)
    assert math.isnan(scores.r2)
    assert scores.of_targets == {"mae": 1.0}


def test_targets_are_standardised_by_the_training_rows_alone(numbers: PreparedData) -> None:
    config = predicting()
    (parts,), _ = load_splits(numbers, config.data, config.seeds["split"], is_refit=False)
    trained = parts.training.labels[parts.training.numbers].double()
    everything = parts.training.labels.double()
    assert parts.labels.n_outputs == 1
    assert parts.labels.mean == (trained.mean().item(),)  # type: ignore[union-attr]
    assert parts.labels.mean != (everything.mean().item(),)  # type: ignore[union-attr]


def test_rows_of_numbers_are_split_by_chance_and_not_by_value(numbers: PreparedData) -> None:
    config = predicting()
    labels = np.arange(500, dtype=np.float32)
    kwargs: dict[str, Any] = {"n_own_test": 0, "seed": 7}
    (part,) = splits(labels, config.data, **kwargs)
    assert [part.train.size, part.validation.size, part.test.size] == [320, 80, 100]
    (again,) = splits(np.stack([labels[::-1]] * 3, 1), config.data, **kwargs)
    assert again.sha256 == part.sha256, "the values do not matter, nor how many there are of a row"
    assert splits(labels, config.data, n_own_test=0, seed=8)[0].sha256 != part.sha256
    folds = splits(labels, predicting(data={"folds": 4}).data, **kwargs)
    assert sorted(np.concatenate([one.validation for one in folds])) == sorted(
        np.concatenate([part.train, part.validation])
    )
    assert numbers.task == "regression"


def test_classes_are_split_as_they_were(digits: PreparedData) -> None:
    config = trial()
    _, split = load_splits(digits, config.data, config.seeds["split"], is_refit=False)
    assert split == SPLIT_OF_DIGITS


def test_a_trials_scores_are_the_means_over_its_folds(numbers: PreparedData) -> None:
    outcome = fit_one(numbers, predicting(data={"folds": 3}))
    assert outcome.state is TrialState.COMPLETE
    for scores in outcome.curve:
        assert scores.val_loss == fmean(fold.val_loss for fold in scores.folds)
        assert 0 < scores.logged["val_r2"] < 1


def test_a_refit_standardises_by_all_rows_that_it_trains_on(numbers: PreparedData) -> None:
    outcome = fit_one(numbers, predicting(), epochs=2, is_refit=True)
    assert outcome.state is TrialState.COMPLETE
    assert outcome.curve[0].logged == {}
    (parts,), _ = load_splits(numbers, predicting().data, 1, is_refit=True)
    assert parts.validation is None
    assert parts.labels.n_outputs == 1


def test_a_trial_of_numbers_that_diverges_fails(numbers: PreparedData) -> None:
    wild = predicting(training={"optimizer": "sgd"}, learning_rate=1_000.0)
    outcome = fit_one(numbers, wild)
    assert outcome.state is TrialState.FAIL
    assert str(outcome.cause).startswith("diverged: ")


def test_a_users_module_gets_numbers_as_they_are_and_no_number_of_classes(
    numbers: PreparedData,
) -> None:
    (loaders,) = open_rows(assigned(predicting()), numbers)
    _, labels = next(iter(loaders.fit_arguments()["train_dataloaders"]))
    assert (labels.dtype, labels.shape) == (torch.float32, (100,))
    assert labels.unique().tolist() == list(range(10))
    with pytest.raises(ValueError, match="asks for n_classes, but the labels are numbers"):
        loaders.arguments["n_classes"]()


def test_an_autoencoder_reads_rows_of_numbers_and_leaves_them(numbers: PreparedData) -> None:
    outcome = fit_one(numbers, trial(model="autoencoder", data={"task": "regression"}))
    assert outcome.state is TrialState.COMPLETE, outcome.cause
    assert outcome.curve[0].logged == {}


def test_a_record_says_how_many_targets_there_are_and_of_classes_nothing(
    numbers: PreparedData, digits: PreparedData
) -> None:
    facts = []
    for data, config in ((numbers, predicting()), (digits, trial())):
        outcome = fit_one(data, config)
        facts.append(json.loads(TrialRecord.of(config, outcome).file)["facts"])
        assert curve_sha256(outcome.curve)
    assert (facts[0]["n_classes"], facts[0]["n_targets"]) == (None, 1)
    assert facts[0]["target_mean"] == pytest.approx([4.5], abs=0.1)
    assert facts[0]["target_std"] == pytest.approx([2.9], abs=0.1)
    assert "class_names" not in facts[0]
    assert facts[1]["n_classes"] == 10
    assert facts[1]["class_names"] == list("0123456789")
    assert facts[1].keys().isdisjoint({"n_targets", "target_mean", "target_std"})
    earlier = {name: value for name, value in facts[1].items() if name != "class_names"}
    assert Facts.model_validate(earlier).class_names is None
