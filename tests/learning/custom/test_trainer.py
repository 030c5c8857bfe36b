"""A user's own module trains alone and gets every promise."""

import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load

from pipeline.learning.cohort.rows import load_splits
from pipeline.learning.custom.callbacks import NoDropoutScore
from pipeline.learning.custom.trainer import ALONE_BECAUSE, fit_custom
from pipeline.learning.data import PreparedData
from pipeline.learning.sealed_scores import score_custom
from pipeline.trial import (
    PHASES,
    Assignment,
    Cutoffs,
    EpochScores,
    TrialOutcome,
    TrialState,
    curve_sha256,
)
from tests.learning.custom.trials import fit, own_trial


def bits(outcome: TrialOutcome) -> tuple[str, str | None]:
    """What is equal where two trainings are the same."""
    assert outcome.state is not TrialState.FAIL, outcome.cause
    return curve_sha256(outcome.curve), outcome.weights_sha256


def test_a_module_with_batch_norm_and_dropout_gives_the_same_bits_again(
    digits: PreparedData,
) -> None:
    first = fit(digits, own_trial(hidden=16))
    torch.rand(3)  # whatever happens to the global generators
    random.random()  # noqa: S311 - the generator that is meant
    np.random.rand(2)  # noqa: NPY002 - the generator that is meant
    fit(digits, own_trial(hidden=8))
    assert bits(fit(digits, own_trial(hidden=16))) == bits(first)


def test_new_seeds_of_a_repeat_give_other_bits(digits: PreparedData) -> None:
    assert bits(fit(digits, own_trial())) != bits(fit(digits, own_trial(repeat=1)))


def test_a_trial_knows_its_weights_its_scores_and_why_it_trained_alone(
    digits: PreparedData,
) -> None:
    heard: list[EpochScores] = []
    config = own_trial(hidden=16)
    outcome = fit_custom(Assignment(config=config, epochs=3), digits, heard.append)
    assert outcome.state is TrialState.COMPLETE
    assert outcome.n_parameters == 64 * 16 + 16 + 2 * 16 + 16 * 10 + 10
    assert outcome.curve == tuple(heard)
    assert [scores.epoch for scores in heard] == [1, 2, 3]
    assert all(math.isfinite(score) for scores in heard for score in scores.measured.values())
    assert outcome.facts is not None
    assert outcome.facts.alone_because == ALONE_BECAUSE
    assert outcome.facts.data_sha256 == digits.sha256
    assert "modules.py" in outcome.facts.sources
    assert (outcome.facts.stack_index, outcome.facts.stack_size) == (0, 1)
    assert set(outcome.seconds) == set(PHASES)
    assert min(outcome.seconds.values()) >= 0
    assert outcome.weights is not None
    assert "layers.2.running_mean" in load(outcome.weights)


def test_the_learning_rate_is_that_of_an_epoch_s_steps_before_the_schedule_moves_on(
    digits: PreparedData,
) -> None:
    outcome = fit(digits, own_trial())
    assert [scores.learning_rate for scores in outcome.curve] == [0.2, 0.1, 0.05]


def test_the_curve_without_dropout_is_measured_and_changes_no_bit(
    digits: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_probe = fit(digits, own_trial("NoisyValidation"))
    monkeypatch.setattr(NoDropoutScore, "loss", lambda *_: math.nan)
    without = fit(digits, own_trial("NoisyValidation"))
    assert all(0 < scores.train_loss_no_dropout < 2 for scores in with_probe.curve)
    assert all(math.isnan(scores.train_loss_no_dropout) for scores in without.curve)
    assert without.weights_sha256 == with_probe.weights_sha256
    for name in ("train_loss", "val_loss", "val_accuracy"):
        assert [getattr(scores, name) for scores in without.curve] == [
            getattr(scores, name) for scores in with_probe.curve
        ]


def test_a_module_that_logs_a_metric_object_has_its_curve_without_dropout(
    digits: PreparedData,
) -> None:
    with_metric, plain = fit(digits, own_trial("WithMetric")), fit(digits, own_trial("Plain"))
    assert with_metric.weights_sha256 == plain.weights_sha256
    assert with_metric.curve[-1].val_accuracy == pytest.approx(plain.curve[-1].val_accuracy)
    assert [scores.train_loss_no_dropout for scores in with_metric.curve] == [
        scores.train_loss_no_dropout for scores in plain.curve
    ]


def test_a_module_that_keeps_a_tensor_of_its_graph_has_the_curve_of_another(
    digits: PreparedData,
) -> None:
    keeping, plain = (fit(digits, own_trial(name)) for name in ("KeepingLoss", "Plain"))
    assert [scores.train_loss_no_dropout for scores in keeping.curve] == [
        scores.train_loss_no_dropout for scores in plain.curve
    ]


def test_a_module_that_cannot_be_copied_has_no_curve_without_dropout(
    digits: PreparedData,
) -> None:
    outcome = fit(digits, own_trial("NotCopied", hidden=16))
    assert outcome.weights_sha256 == fit(digits, own_trial(hidden=16)).weights_sha256
    assert all(math.isnan(scores.train_loss_no_dropout) for scores in outcome.curve)
    assert outcome.warning is None


def test_what_training_step_returns_is_the_training_loss_where_none_is_logged(
    digits: PreparedData,
) -> None:
    quiet, loud = fit(digits, own_trial("Quiet")), fit(digits, own_trial("Plain"))
    assert quiet.weights_sha256 == loud.weights_sha256
    for without, logged in zip(quiet.curve, loud.curve, strict=True):
        assert without.train_loss == pytest.approx(logged.train_loss, rel=0.02)
        assert math.isnan(without.train_accuracy)


def test_what_a_module_logs_in_its_own_hook_at_the_epoch_s_end_counts(
    digits: PreparedData,
) -> None:
    outcome = fit(digits, own_trial("LateLogging"))
    assert [scores.train_loss for scores in outcome.curve] == [42.0] * 3


def test_manual_optimisation_trains(digits: PreparedData) -> None:
    outcome = fit(digits, own_trial("ByHand", hidden=16))
    assert outcome.state is TrialState.COMPLETE
    assert outcome.curve[-1].val_loss < outcome.curve[0].val_loss


def test_a_stopping_rule_prunes_at_its_epoch_and_the_best_weights_are_kept(
    digits: PreparedData,
) -> None:
    cutoffs = Cutoffs(rule="some rule", limits=(math.inf, 0.0, math.inf))
    pruned = fit(digits, own_trial("Worsening"), cutoffs=cutoffs)
    assert pruned.state is TrialState.PRUNED
    assert pruned.cause == "some rule: lowest val_loss 1 above 0 at epoch 2"
    assert len(pruned.curve) == 2
    first_epoch = fit(digits, own_trial("Worsening"), epochs=1)
    assert pruned.weights_sha256 == first_epoch.weights_sha256


def test_a_trial_without_progress_stops_early(digits: PreparedData) -> None:
    outcome = fit(digits, own_trial("Worsening"), epochs=9, patience=2)
    assert outcome.state is TrialState.COMPLETE
    assert [scores.val_loss for scores in outcome.curve] == [1.0, 2.0, 3.0]


def test_a_module_that_ends_its_own_training_is_complete(digits: PreparedData) -> None:
    outcome = fit(digits, own_trial("Contented"))
    assert outcome.state is TrialState.COMPLETE
    assert len(outcome.curve) == 2


@pytest.mark.parametrize(
    ("model", "cause", "n_epochs"),
    [
        ("Silent", "val_loss was not logged by the end of epoch 1", 0),
        ("Diverging", "diverged: train_loss 0.", 2),
        ("Raising", "ZeroDivisionError: division by zero (tests.learning.custom.modules:", 1),
        ("Leaving", "SystemExit: enough, in tests.learning.custom.modules:", 0),
        ("Interrupting", "KeyboardInterrupt, in tests.learning.custom.modules:", 0),
        ("WithNotes", "TypeError: state_dict()['_extra_state'] is a dict", 1),
        ("NotThere", "BadInputError: trial: model.class_path: ", 0),
    ],
)
def test_what_a_module_does_wrong_ends_its_trial_with_a_cause(
    digits: PreparedData, model: str, cause: str, n_epochs: int
) -> None:
    outcome = fit(digits, own_trial(model))
    assert outcome.state is TrialState.FAIL
    assert (outcome.cause or "").startswith(cause)
    assert len(outcome.curve) == n_epochs


def test_tied_weights_are_written_under_both_names(digits: PreparedData) -> None:
    outcome = fit(digits, own_trial("Tied"))
    assert outcome.weights is not None
    weights = load(outcome.weights)
    assert torch.equal(weights["again.weight"], weights["layers.1.weight"])


def test_a_constructor_with_open_arguments_gets_the_whole_space(digits: PreparedData) -> None:
    assert fit(digits, own_trial("Takes", one=1, batch_size=50)).state is TrialState.COMPLETE


def test_the_batch_size_of_the_space_is_that_of_the_loader(digits: PreparedData) -> None:
    assert bits(fit(digits, own_trial(batch_size=64))) == bits(fit(digits, own_trial()))
    assert bits(fit(digits, own_trial(batch_size=50))) != bits(fit(digits, own_trial()))


def test_rows_are_scored_by_the_module_s_own_validation_step(digits: PreparedData) -> None:
    config = own_trial()
    outcome = fit(digits, config)
    ((parts,), _) = load_splits(digits, config.data, config.seeds["split"], is_refit=False)
    assert outcome.weights is not None
    assert parts.validation is not None
    scored = score_custom(config, digits, outcome.weights, parts.validation)
    assert scored[:2] == (outcome.curve[-1].val_loss, outcome.curve[-1].val_accuracy)
    assert scored.metrics == {}


def test_a_refit_trains_on_all_rows_but_the_test_s_and_keeps_the_last_weights(
    digits: PreparedData,
) -> None:
    outcome = fit(digits, own_trial("Worsening"), is_refit=True)
    assert outcome.state is TrialState.COMPLETE
    assert all(math.isnan(scores.val_loss) for scores in outcome.curve)
    assert len(outcome.curve) == 3
    assert outcome.weights is not None
    n_steps = load(outcome.weights)["layers.2.num_batches_tracked"]
    assert n_steps == 3 * math.ceil(round(1797 * 0.8) / 64)


def test_a_module_gets_the_precision_that_the_study_asks_for(digits: PreparedData) -> None:
    half: dict[str, Any] = {"precision": "bf16-mixed"}
    assert bits(fit(digits, own_trial(training=half))) != bits(fit(digits, own_trial()))
