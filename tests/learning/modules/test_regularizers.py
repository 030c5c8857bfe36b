"""Laws of what drops: units, channels, connections; and of the largest norm."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load
from torch import Tensor, nn

from pipeline.learning.data import PreparedData
from pipeline.learning.data.labels import Classes
from pipeline.learning.modules.build import build_network
from pipeline.learning.modules.layers import (
    ACTIVATIONS,
    ChannelDropout,
    DropConnectConv2d,
    DropConnectLinear,
    Dropout,
    Dropping,
)
from pipeline.learning.modules.network import Network
from pipeline.trial import TrialState, curve_sha256
from tests.learning.trials import assigned, fit, fit_one, trial

rates = st.floats(0.05, 0.9)
seeds = st.integers(0, 2**32 - 1)
MODELS = ("mlp", "cnn", "autoencoder")
REGULARIZED = [
    *((model, regularizer) for model in MODELS for regularizer in ("dropout", "dropconnect")),
    ("cnn", "channel-dropout"),
]
regularized = pytest.mark.parametrize(("model", "regularizer"), REGULARIZED)


def network(model: str, number: int = 0, **params: Any) -> Network:
    """A network for digits of ten classes; what blocks have is said of those that have them."""
    if model != "cnn":
        params.pop("block_dropout", None)
    return build_network(
        trial(number, model=model, **params), image_shape=(8, 8), labels=Classes(10)
    )


def rows(n: int = 32) -> Tensor:
    """Random images of digits' size."""
    return torch.rand(n, 64, generator=torch.Generator().manual_seed(n))


@regularized
def test_evaluation_is_deterministic_and_uses_every_unit(model: str, regularizer: str) -> None:
    images = rows()
    trained = network(model, regularizer=regularizer, dropout=0.5, input_dropout=0.2)
    plain = network(model, dropout=0.0, input_dropout=0.0, block_dropout=0.0)
    assert all(part.rate == 0 for part in plain.dropping)
    outputs = []
    for step in (0, 5):
        trained.set_step(step)
        outputs.append(trained.eval()(images))
    assert torch.equal(*outputs)
    assert torch.equal(outputs[0], plain.eval()(images))


@regularized
def test_training_drops_by_step_and_no_rate_at_all_equals_no_layer(
    model: str, regularizer: str
) -> None:
    images = rows()
    params: dict[str, Any] = {"regularizer": regularizer, "input_dropout": 0.0}
    dropped = network(model, **params, dropout=0.5, block_dropout=0.5)
    kept = network(model, **params, dropout=0.0, block_dropout=0.0)
    assert torch.equal(kept(images), kept.eval()(images))
    dropped.set_step(1)
    first = dropped(images)
    assert torch.equal(dropped(images), first)
    assert not torch.equal(first, kept(images))
    dropped.set_step(2)
    assert not torch.equal(dropped(images), first)


@settings(max_examples=30)
@given(rate=rates, seed=seeds)
def test_the_expected_activation_stays_what_it_was(rate: float, seed: int) -> None:
    dropping = Dropping(rate, seed=seed, layer=1)
    shape = torch.Size((200, 500))
    mask = dropping.mask(shape, torch.device("cpu"))
    deviation = math.sqrt(rate / (1 - rate) / shape.numel())
    assert abs(mask.mean().item() - 1) < 6 * deviation
    assert set(mask.flatten().tolist()) == {0.0, mask.max().item()}
    assert mask.max().item() == pytest.approx(1 / (1 - rate), rel=1e-3)


@settings(max_examples=30)
@given(rate=st.floats(0.2, 0.8), seed=seeds)
def test_dropped_connections_keep_the_expected_output(rate: float, seed: int) -> None:
    layer = DropConnectLinear(400, 30, Dropping(rate, seed=seed, layer=1))
    x = torch.ones(1, 400)
    outputs = []
    with torch.no_grad():
        for step in range(400):
            layer.dropping.step = step
            outputs.append(layer(x))
        expected = layer.eval()(x)
    spread = torch.cat(outputs).std(0) / math.sqrt(len(outputs))
    assert ((torch.cat(outputs).mean(0) - expected[0]).abs() < 5.5 * spread).all()


@settings(max_examples=20)
@given(seed=seeds)
def test_a_units_mask_is_independent_of_every_others(seed: int) -> None:
    dropping = Dropping(0.5, seed=seed, layer=2)
    masks = []
    for step in range(400):
        dropping.step = step
        masks.append(dropping.mask(torch.Size((1, 40)), torch.device("cpu")))
    correlations = torch.corrcoef(torch.cat(masks).t())
    correlations.fill_diagonal_(0)
    assert correlations.abs().max() < 6 / math.sqrt(400)


def test_a_channel_is_dropped_as_a_whole_and_a_unit_is_not() -> None:
    x = torch.ones(50, 6, 4, 4)
    channels = ChannelDropout(0.5, seed=1, layer=3)(x).flatten(2)
    assert torch.equal(channels.amin(2), channels.amax(2))
    assert 0.3 < channels.eq(0).float().mean() < 0.7
    units = Dropout(0.5, seed=1, layer=3)(x).flatten(2)
    assert not torch.equal(units.amin(2), units.amax(2))


def test_dropped_connections_of_a_convolution_are_the_same_for_every_row() -> None:
    layer = DropConnectConv2d(1, 3, Dropping(0.5, seed=1, layer=1))
    x = torch.rand(1, 1, 8, 8).expand(4, -1, -1, -1)
    y = layer(x)
    assert torch.allclose(y, y[:1].expand_as(y))
    assert not torch.allclose(y, layer.eval()(x))


@pytest.mark.parametrize("model", MODELS)
def test_each_rate_applies_to_the_layer_that_it_names(model: str) -> None:
    for name in ("dropout_1", "dropout_2", "input_dropout"):
        params: dict[str, Any] = {
            "input_dropout": 0.0,
            "dropout_1": 0.0,
            "dropout_2": 0.0,
            "block_dropout": 0.0,
        }
        made = network(model, **params | {name: 0.5})
        dropping = [part.layer for part in made.dropping if part.rate]
        mirrored = [3] if model == "autoencoder" and name == "dropout_1" else []
        assert dropping == [{"input_dropout": 0}.get(name, int(name[-1:], 36)), *mirrored]


def test_a_blocks_rate_applies_to_that_block() -> None:
    params: dict[str, Any] = {"blocks": 2, "filters": 4, "dropout": 0.0, "input_dropout": 0.0}
    made = network("cnn", **params, block_dropout_1=0.0, block_dropout_2=0.4)
    assert [part.layer for part in made.dropping if part.rate] == [130]


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation_that_a_study_may_name_is_the_networks(activation: str) -> None:
    made = network("mlp", activation=activation)
    kinds = [type(part) for part in made.network if isinstance(part, ACTIVATIONS[activation])]
    assert kinds == [ACTIVATIONS[activation]] * 2


@pytest.mark.parametrize("params", [{}, {"activation": "tanh"}], ids=["stacked", "autograd"])
def test_no_hidden_units_weights_grow_beyond_the_largest_norm(
    digits: PreparedData, params: dict[str, Any]
) -> None:
    config = trial(max_norm=0.5, learning_rate=0.05, **params)
    free = trial(learning_rate=0.05, **params)
    norms = {}
    for name, one in {"bound": config, "free": free}.items():
        outcome = fit_one(digits, one)
        assert outcome.weights is not None
        weights = load(outcome.weights)
        norms[name] = [
            weight.norm(dim=1).max().item()
            # The file gives its tensors in no fixed order: sorted, the output layer is the last.
            for key, weight in sorted(weights.items())
            if key.endswith("weight")
        ]
    assert max(norms["bound"][:-1]) <= 0.5 + 1e-6
    assert min(norms["free"][:-1]) > 0.5
    assert norms["bound"][-1] > 0.5


def test_a_largest_norm_changes_no_bit_by_fusing(digits: PreparedData) -> None:
    trials = [assigned(trial(n, max_norm=0.4 + n, learning_rate=0.03)) for n in range(3)]
    together = fit(digits, *trials)
    for one, fused in zip(trials, together, strict=True):
        (alone,) = fit(digits, one)
        assert fused.weights == alone.weights
        assert fused.facts is not None
        assert fused.facts.stack_size == 3


@regularized
def test_every_model_trains_the_same_again_and_beside_others(
    digits: PreparedData, model: str, regularizer: str
) -> None:
    trials = [
        assigned(trial(n, model=model, regularizer=regularizer, input_dropout=0.05 * n), epochs=2)
        for n in range(2)
    ]
    together = fit(digits, *trials)
    assert [outcome.state for outcome in together] == [TrialState.COMPLETE] * 2
    for one, other in zip(trials, together, strict=True):
        (alone,) = fit(digits, one)
        assert curve_sha256(alone.curve) == curve_sha256(other.curve)
        assert alone.weights == other.weights
        assert alone.curve[1].train_loss < alone.curve[0].train_loss


def test_the_autoencoders_stack_gives_the_bits_of_autograd(
    digits: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = trial(model="autoencoder", batch_size=96)
    fused = fit_one(digits, config)
    assert fused.facts is not None
    assert fused.facts.alone_because is None
    monkeypatch.setattr(
        "pipeline.learning.cohort.module.why_not_stackable", lambda _: "for the test"
    )
    separate = fit_one(digits, config)
    assert separate.weights == fused.weights
    assert curve_sha256(separate.curve) == curve_sha256(fused.curve)


def test_an_autoencoder_has_a_reconstruction_loss_and_no_accuracy(digits: PreparedData) -> None:
    outcome = fit_one(digits, trial(model="autoencoder", dropout=0.0, input_dropout=0.0), epochs=6)
    assert [math.isnan(scores.val_accuracy) for scores in outcome.curve] == [True] * 6
    variance = 0.141  # of digits' pixels: what a constant picture reaches
    assert outcome.value is not None
    assert outcome.value < 0.8 * variance


def test_too_many_blocks_for_an_image_fail_with_their_cause(digits: PreparedData) -> None:
    outcome = fit_one(digits, trial(model="cnn", blocks=4))
    assert outcome.state is TrialState.FAIL
    assert outcome.cause is not None
    assert "4 blocks halve images of 8 x 8 to nothing" in outcome.cause


def test_the_convolutional_network_has_the_layers_that_the_walk_through_names() -> None:
    made = network("cnn", blocks=2, filters=32, depth=1, width=128)
    kinds = [
        part for part in made.network if isinstance(part, nn.Conv2d | nn.MaxPool2d | nn.Linear)
    ]
    assert [type(part).__name__ for part in kinds] == [
        *("Conv2d", "Conv2d", "MaxPool2d") * 2,
        *("Linear", "Linear"),
    ]
    assert made(rows(5)).shape == (5, 10)
