"""The learning rate over the epochs."""

import math
from typing import Any

import pytest

from pipeline.config import TrialConfig
from pipeline.learning.data import PreparedData
from pipeline.learning.data.labels import Classes
from pipeline.learning.modules.build import build_network
from pipeline.trial import TrialState, curve_sha256
from tests.learning.trials import assigned, fit, fit_one, trial

EPOCHS = {"epochs": 4}
COSINE: dict[str, Any] = {"schedule": "cosine", "training": EPOCHS}


def rate_at(config: TrialConfig, epoch: int) -> float:
    """The learning rate of a trial's network in an epoch."""
    network = build_network(config, image_shape=(8, 8), labels=Classes(10))
    return network.optimization.learning_rate_at(epoch)


def test_a_constant_schedule_stays_at_the_trials_learning_rate() -> None:
    config = trial(learning_rate=0.01)
    assert [rate_at(config, epoch) for epoch in (1, 2, 3)] == [0.01] * 3


def test_a_cosine_falls_from_the_trials_learning_rate_towards_zero() -> None:
    config = trial(learning_rate=0.01, **COSINE)
    rates = [rate_at(config, epoch) for epoch in range(1, 5)]
    assert rates[0] == 0.01
    assert rates[2] == pytest.approx(0.005)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0
    assert math.isclose(rate_at(config, 5), 0.0, abs_tol=1e-12)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_a_schedule_fuses_without_a_bit_changed_and_is_what_the_curve_says(
    digits: PreparedData, optimizer: str
) -> None:
    cosine = COSINE | {"training": EPOCHS | {"optimizer": optimizer}}
    trials = [assigned(trial(n, learning_rate=0.01 * n, **cosine)) for n in (1, 2)]
    together = fit(digits, *trials)
    for one, fused in zip(trials, together, strict=True):
        (alone,) = fit(digits, one)
        assert alone.weights == fused.weights
        rates = [scores.learning_rate for scores in fused.curve]
        assert rates == [rate_at(one.config, epoch) for epoch in range(1, 5)]
    constant = fit_one(digits, trial(1, learning_rate=0.01, **cosine | {"schedule": "constant"}))
    assert constant.weights != together[0].weights


def test_trials_of_different_epochs_fuse_without_a_bit_changed(digits: PreparedData) -> None:
    trials = [
        assigned(trial(n, schedule="cosine", training={"epochs": epochs}, epochs=epochs))
        for n, epochs in enumerate((2, 4, 3))
    ]
    together = fit(digits, *trials)
    for one, fused in zip(trials, together, strict=True):
        (alone,) = fit(digits, one)
        assert (alone.weights, alone.state) == (fused.weights, TrialState.COMPLETE)
        assert curve_sha256(alone.curve) == curve_sha256(fused.curve)
        n_epochs = one.config.training.epochs
        rates = [scores.learning_rate for scores in fused.curve]
        assert rates == [rate_at(one.config, epoch) for epoch in range(1, n_epochs + 1)]
        assert fused.facts is not None
        assert fused.facts.stack_size == 3


def test_autograd_and_the_stack_follow_the_schedule_alike(
    digits: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = trial(**COSINE)
    fused = fit_one(digits, config)
    monkeypatch.setattr(
        "pipeline.learning.cohort.module.why_not_stackable", lambda _: "for the test"
    )
    separate = fit_one(digits, config)
    assert separate.weights == fused.weights
    assert curve_sha256(separate.curve) == curve_sha256(fused.curve)


def test_a_trial_of_fewer_epochs_takes_the_same_way(digits: PreparedData) -> None:
    config = trial(**COSINE)
    whole, part = (fit_one(digits, config, epochs=epochs) for epochs in (4, 2))
    assert curve_sha256(whole.curve[:2]) == curve_sha256(part.curve)
