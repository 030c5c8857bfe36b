"""What the dropout layer does to what passes through it."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pipeline.learning.modules.layers import Dropout

rates = st.floats(0, 0.99)
rows = st.integers(1, 40)
units = st.integers(1, 40)


@given(rate=rates, n_rows=rows, n_units=units, less=st.integers(0, 39))
def test_a_shorter_last_batch_uses_the_first_of_the_same_entries(
    rate: float, n_rows: int, n_units: int, less: int
) -> None:
    layer = Dropout(rate, seed=1, layer=1)
    n_short = max(1, n_rows - less)
    full = layer(torch.ones(n_rows, n_units))
    assert torch.equal(layer(torch.ones(n_short, n_units)), full[:n_short])


@given(n_rows=rows, n_units=units)
def test_rate_zero_is_no_layer_to_the_bit(n_rows: int, n_units: int) -> None:
    x = torch.randn(n_rows, n_units)
    assert torch.equal(Dropout(0.0, seed=1, layer=0)(x), x)


@given(rate=rates, step=st.integers(0, 1_000))
def test_evaluation_uses_each_unit_at_any_step(rate: float, step: int) -> None:
    layer = Dropout(rate, seed=1, layer=1).eval()
    layer.step = step
    x = torch.randn(8, 8)
    assert torch.equal(layer(x), x)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_inverted_scaling_keeps_the_expected_activation(rate: float) -> None:
    layer, n_steps = Dropout(rate, seed=5, layer=1), 2_000
    x = torch.linspace(-2, 2, 64)
    total = torch.zeros(16, 64, dtype=torch.float64)
    for layer.step in range(n_steps):
        total += layer(x.expand(16, 64))
    deviation = (total.mean(0) / n_steps - x).abs() / x.abs()
    assert float(deviation.max()) < 4.5 * math.sqrt(rate / (1 - rate) / (16 * n_steps))


def test_kept_values_are_scaled_and_dropped_ones_are_zero() -> None:
    y = Dropout(0.25, seed=5, layer=1)(torch.full((50, 50), 3.0))
    assert set(y.unique().tolist()) == {0.0, 4.0}


def test_dropped_values_get_no_gradient_and_kept_ones_get_the_scale() -> None:
    x = torch.ones(20, 20, requires_grad=True)
    y = Dropout(0.5, seed=5, layer=1)(x)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())


def test_a_layer_takes_nothing_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    Dropout(0.5, seed=5, layer=1)(torch.ones(20, 20))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_layer_has_no_state_to_save_and_shows_its_rate() -> None:
    layer = Dropout(0.5, seed=5, layer=1)
    assert not layer.state_dict()
    assert repr(nn.Sequential(layer)).count("Dropout(rate=0.5, layer=1)") == 1
