"""Scores on the test part follow the arithmetic of validation, on rows that nothing else saw."""

import numpy as np
import pytest
import torch

from pipeline.errors import BadInputError
from pipeline.learning.cohort.rows import Rows
from pipeline.learning.data import PreparedData, open_train, splits
from pipeline.learning.sealed_scores import score, score_on_test
from tests.learning.trials import fit_one, trial


def rows_of(digits: PreparedData, numbers: np.ndarray) -> Rows:
    """A part of the digits, as training holds it."""
    images, labels = open_train(digits)
    tensors = torch.from_numpy(images).flatten(1), torch.from_numpy(labels)
    return Rows(*tensors, torch.from_numpy(numbers), digits.scale)


@pytest.mark.parametrize("folds", [None, 2], ids=["one split", "folds"])
@pytest.mark.parametrize("model", ["mlp", "autoencoder"])
def test_weights_score_on_validation_rows_what_training_said(
    digits: PreparedData, model: str, folds: int | None
) -> None:
    config = trial(model=model, data={"folds": folds} if folds else {})
    outcome = fit_one(digits, config)
    assert outcome.weights is not None
    assert outcome.best is not None
    _, labels = open_train(digits)
    parts = splits(labels, config.data, n_own_test=0, seed=config.seeds["split"])
    found = [
        score(config, outcome.weights, rows_of(digits, one.validation), digits) for one in parts
    ]
    if folds is None:
        assert found[0].loss == pytest.approx(outcome.best.val_loss, rel=1e-6)
    accuracies = {one.accuracy for one in found}
    assert accuracies == {None} if model == "autoencoder" else None not in accuracies


def test_test_rows_are_those_that_the_split_kept(digits: PreparedData) -> None:
    config = trial()
    weights = fit_one(digits, config).weights
    assert weights is not None
    _, labels = open_train(digits)
    (part,) = splits(labels, config.data, n_own_test=0, seed=config.seeds["split"])
    kept = np.setdiff1d(np.arange(labels.size), np.concatenate([part.train, part.validation]))
    assert score_on_test([(config, weights)], digits) == [
        score(config, weights, rows_of(digits, kept), digits)
    ]


def test_every_repeat_is_scored_on_the_same_rows(digits: PreparedData) -> None:
    config = trial()
    weights = fit_one(digits, config).weights
    assert weights is not None
    again = config.model_copy(update={"repeat": 3})
    first, second = score_on_test([(config, weights), (again, weights)], digits)
    assert first == second == score_on_test([(again, weights)], digits)[0]


def test_scoring_leaves_the_process_as_it_was(digits: PreparedData) -> None:
    config = trial()
    weights = fit_one(digits, config).weights
    assert weights is not None
    torch.set_num_threads(2)
    score_on_test([(config, weights)], digits)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_study_without_test_rows_has_nothing_to_open(digits: PreparedData) -> None:
    config = trial(data={"test": 0})
    weights = fit_one(digits, config).weights
    assert weights is not None
    with pytest.raises(BadInputError, match=r"data\.test: got 0"):
        score_on_test([(config, weights)], digits)
