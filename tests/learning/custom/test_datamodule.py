"""A user's own data module, with an own or a built-in model."""

import math

import pytest
from safetensors.torch import load

from pipeline.errors import BadInputError
from pipeline.learning.custom.datamodule import CustomData, content_of, prepare_custom_data
from pipeline.learning.sealed_scores import score_custom_data
from pipeline.trial import TrialState, curve_sha256
from tests.learning.custom.trials import MLP, MODULES, fit_on_own, own_trial

BLOBS = f"{MODULES}.Blobs"


def test_an_own_module_trains_on_an_own_data_module_without_its_test_rows() -> None:
    outcome = fit_on_own(own_trial(data="Sealed", n_inputs=8))
    assert outcome.state is TrialState.COMPLETE
    assert outcome.curve[-1].val_loss < outcome.curve[0].val_loss
    assert all(math.isfinite(scores.train_loss_no_dropout) for scores in outcome.curve)


def test_a_built_in_model_trains_on_an_own_data_module() -> None:
    outcome = fit_on_own(own_trial("mlp", data="Blobs", **MLP))
    assert outcome.state is TrialState.COMPLETE
    assert outcome.weights is not None
    shapes = {tuple(weight.shape) for weight in load(outcome.weights).values()}
    assert shapes == {(12, 8), (12,), (4, 12), (4,)}
    assert outcome.facts is not None
    assert "data module" in (outcome.facts.alone_because or "")


def test_an_own_data_module_gives_the_same_bits_again() -> None:
    first, again = (fit_on_own(own_trial("mlp", data="Blobs", **MLP)) for _ in range(2))
    assert curve_sha256(first.curve) == curve_sha256(again.curve)
    assert first.weights_sha256 == again.weights_sha256
    assert first.facts == again.facts


def test_a_random_split_is_the_study_s_whatever_the_trial_s_batch_size() -> None:
    one, two = (content_of(BLOBS, f'{{"batch_size": {size}}}', 7) for size in (20, 30))
    assert one == two
    assert one.n_validation == 50


def test_other_content_or_another_split_has_another_digest() -> None:
    digests = {
        content_of(BLOBS, "{}", 7).facts.data_sha256,
        content_of(BLOBS, '{"spread": 0.5}', 7).facts.data_sha256,
        content_of(BLOBS, "{}", 8).facts.data_sha256,
    }
    assert len(digests) == 3


def test_a_model_that_needs_the_number_of_classes_says_so() -> None:
    outcome = fit_on_own(own_trial("mlp", data="Nameless", **MLP))
    assert outcome.state is TrialState.FAIL
    expected = (
        f"ValueError: {MODULES}.Nameless has no attribute n_classes, which the model asks for"
    )
    assert (outcome.cause or "").startswith(expected)


def test_data_that_cannot_be_prepared_is_bad_input() -> None:
    config = own_trial(data="Unprepared").data
    with pytest.raises(BadInputError, match="Unprepared raises OSError: the disk"):
        prepare_custom_data(config, {"batch_size": 8}, where="study.yaml")


def test_prepared_data_is_named_by_its_class() -> None:
    assert prepare_custom_data(own_trial(data="Blobs").data, {}, where="study.yaml") == CustomData(
        BLOBS
    )


def test_the_test_rows_are_scored_by_the_module_s_own_validation_step() -> None:
    config = own_trial(data="Blobs", n_inputs=8)
    outcome = fit_on_own(config)
    assert outcome.weights is not None
    loss, accuracy, _ = score_custom_data(config, outcome.weights)
    assert accuracy is not None
    assert loss == pytest.approx(outcome.curve[-1].val_loss, abs=0.3)
    assert 0.7 < accuracy <= 1
