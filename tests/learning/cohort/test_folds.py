"""Folds: one network for each, scores that are their means, bits as ever."""

import math
from statistics import fmean
from typing import Any

import pytest
import torch
from safetensors.torch import load

from pipeline.config import TrialConfig
from pipeline.learning.cohort.rows import load_splits
from pipeline.learning.data import PreparedData
from pipeline.trial import Cutoffs, FoldScores, TrialState, curve_sha256
from tests.learning.trials import assigned, fit, fit_one, trial

N_FOLDS = 3
FIELDS = ("train_loss", "train_loss_no_dropout", "val_loss", "val_accuracy")


def folded(number: int = 0, **params: Any) -> TrialConfig:
    """A trial on three folds."""
    return trial(number, data={"folds": N_FOLDS}, **params)


def test_a_trials_scores_are_the_means_over_its_folds(digits: PreparedData) -> None:
    outcome = fit_one(digits, folded())
    assert outcome.state is TrialState.COMPLETE
    for scores in outcome.curve:
        assert len(scores.folds) == N_FOLDS
        assert len({fold.val_loss for fold in scores.folds}) == N_FOLDS
        for name in FIELDS:
            mean = fmean(getattr(fold, name) for fold in scores.folds)
            assert getattr(scores, name) == mean
        assert scores.measured["val_loss_fold_2"] == scores.folds[1].val_loss
    assert outcome.value == min(scores.val_loss for scores in outcome.curve)


def test_each_folds_network_is_kept_and_validated_on_its_own_rows(digits: PreparedData) -> None:
    config = folded()
    outcome = fit_one(digits, config)
    assert outcome.weights is not None
    assert outcome.best is not None
    names = load(outcome.weights)
    assert {name.partition(".")[0] for name in names} == {"fold_1", "fold_2", "fold_3"}
    firsts = [names[f"fold_{fold}.network.1.weight"] for fold in (1, 2, 3)]
    assert not torch.equal(firsts[0], firsts[1])
    parts, _ = load_splits(digits, config.data, config.seeds["split"], is_refit=False)
    validated = [set(part.validation.numbers.tolist()) for part in parts if part.validation]
    trained = [set(part.training.numbers.tolist()) for part in parts]
    assert len(set.union(*validated)) == sum(map(len, validated))
    assert all(not (rows & others) for rows, others in zip(validated, trained, strict=True))
    assert outcome.n_parameters == sum(
        value.numel() for name, value in names.items() if name.startswith("fold_1.")
    )


def test_folds_are_fused_with_those_of_companions_and_keep_their_bits(
    digits: PreparedData,
) -> None:
    trials = [
        assigned(folded(0), epochs=3),
        assigned(folded(1, dropout=0.5), epochs=1),
        assigned(folded(2, input_dropout=0.0), cutoffs=Cutoffs(rule="r", limits=(9.0, 0.0, 9.0))),
    ]
    together = fit(digits, *trials)
    assert [len(outcome.curve) for outcome in together] == [3, 1, 2]
    assert together[2].state is TrialState.PRUNED
    for one, fused in zip(trials, together, strict=True):
        (alone,) = fit(digits, one)
        assert fused.weights == alone.weights
        assert curve_sha256(fused.curve) == curve_sha256(alone.curve)
        assert fused.facts is not None
        assert fused.facts.stack_size == 3


def test_a_fold_that_diverges_ends_the_trial(digits: PreparedData) -> None:
    config = trial(data={"folds": N_FOLDS}, training={"optimizer": "sgd"}, learning_rate=1_000.0)
    outcome = fit_one(digits, config)
    assert outcome.state is TrialState.FAIL
    assert outcome.cause is not None
    assert "diverged" in outcome.cause


def test_a_refit_of_a_trial_with_folds_trains_one_network(digits: PreparedData) -> None:
    outcome = fit_one(digits, folded(), epochs=1, is_refit=True)
    assert outcome.weights is not None
    assert {name.partition(".")[0] for name in load(outcome.weights)} == {"network"}
    assert outcome.curve[0].folds == ()
    assert math.isnan(outcome.curve[0].val_loss)


def test_a_curves_digest_knows_each_fold(digits: PreparedData) -> None:
    (first, *_), _ = fit_one(digits, folded(), epochs=1).curve, None
    swapped = (first.folds[1], first.folds[0], first.folds[2])
    other = first.__class__(
        **{name: getattr(first, name) for name in first.__slots__ if name != "folds"},
        folds=swapped,
    )
    assert isinstance(first.folds[0], FoldScores)
    assert curve_sha256([first]) != curve_sha256([other])


@pytest.mark.parametrize("model", ["cnn", "autoencoder"])
def test_every_model_has_folds(digits: PreparedData, model: str) -> None:
    config = trial(model=model, data={"folds": 2}, training={"epochs": 1})
    outcome = fit_one(digits, config)
    assert outcome.state is TrialState.COMPLETE
    assert len(outcome.curve[0].folds) == 2
