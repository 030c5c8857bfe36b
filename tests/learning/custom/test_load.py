"""A user's module is built again from its record, with the weights that its trial left."""

from typing import Any

import pytest
import torch

from pipeline.learning.custom.classes import seed_all
from pipeline.learning.custom.load import load_module
from pipeline.learning.custom.training import expected_of_loaders, make_trainer
from pipeline.learning.data import PreparedData
from pipeline.trial import TrialOutcome, TrialRecord, TrialState
from tests.learning.custom.modules import Blobs
from tests.learning.custom.trials import fit, fit_on_own, own_trial


def recorded(config: Any, outcome: TrialOutcome) -> tuple[TrialRecord, bytes]:
    """What a ledger holds of a trial that is complete."""
    assert outcome.state is TrialState.COMPLETE, outcome.cause
    assert outcome.weights is not None
    return TrialRecord.of(config, outcome), outcome.weights


def test_a_module_on_built_in_data_predicts_what_it_scored(digits: PreparedData) -> None:
    config = own_trial(hidden=8)
    outcome = fit(digits, config)
    module = load_module(*recorded(config, outcome))
    assert not module.training
    assert module.get_submodule("layers.1").out_features == 8
    assert module(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    again = load_module(*recorded(config, outcome))
    images = torch.rand(3, 1, 8, 8)
    assert torch.equal(module(images), again(images))


def test_a_module_on_its_own_data_scores_its_best_loss_again() -> None:
    config = own_trial(data="Blobs")
    outcome = fit_on_own(config)
    module = load_module(*recorded(config, outcome))
    assert module.get_submodule("layers.1").in_features == 8
    seed_all(config.seeds["split"])
    data = Blobs()
    data.setup("fit")
    loader = data.val_dataloader()
    with expected_of_loaders():
        (scores,) = make_trainer(config.training).validate(module, loader, verbose=False)
    assert scores["val_loss"] == outcome.value


def test_what_the_record_does_not_hold_is_asked_for_in_a_sentence(digits: PreparedData) -> None:
    config = own_trial()
    record, weights = recorded(config, fit(digits, config))
    assert record.facts is not None
    blank = record.model_copy(update={"facts": record.facts.model_copy(update={"n_classes": None})})
    with pytest.raises(ValueError, match="asks for n_classes, which the trial's record does not"):
        load_module(blank, weights)


def test_weights_of_another_module_are_refused(digits: PreparedData) -> None:
    config = own_trial(hidden=8)
    other = own_trial(hidden=9)
    _, weights = recorded(config, fit(digits, config))
    record, _ = recorded(other, fit(digits, other))
    with pytest.raises(
        ValueError, match=r"weights are not of tests\S+Plain as it is now: .*size mismatch"
    ):
        load_module(record, weights)
