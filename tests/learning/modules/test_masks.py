"""The laws of masks and of the rows' order, statistical ones at fixed seeds."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pipeline.learning.modules.masks import (
    LEVELS,
    N_LAYERS,
    N_UNITS,
    counters,
    dropped_levels,
    keep_mask,
    random_levels,
    row_order,
    step_key,
)

CPU = torch.device("cpu")
RATES = (0.0001, 0.01, 0.1, 0.25, 0.3, 0.5, 0.7, 0.9, 0.99)
MANY = 1 << 20
UNLIKELY = 4.5  # standard deviations: one in 150,000

seeds = st.integers(0, 2**32 - 1)
steps = st.integers(0, 10**7)
layers = st.integers(0, N_LAYERS - 1)
sizes = st.integers(1, 300)


def levels_of(*, seed: int = 3, layer: int = 1, step: int = 0, n: int = MANY) -> Tensor:
    """The levels of a mask's first entries."""
    return random_levels(counters(layer, n, CPU), step_key(seed, step))[:n]


def correlation_z(a: Tensor, b: Tensor) -> float:
    """How many standard deviations the correlation of two samples is away from none."""
    pair = torch.stack([a.flatten().double(), b.flatten().double()])
    return float(torch.corrcoef(pair)[0, 1]) * math.sqrt(a.numel())


def hashed_by_numpy(*, seed: int, layer: int, step: int, n: int) -> npt.NDArray[np.int16]:
    """The same hash on unsigned words, in which no sign is in the way."""
    word = (seed * 0xD1342543DE82EF95 + (step + 1) * 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
    word ^= word >> 31
    first, second = np.uint32(word % 2**32), np.uint32(word >> 32)
    x = (np.arange((n + 1) // 2, dtype=np.uint32) + np.uint32(layer << 24)) ^ first
    x = (x ^ x >> np.uint32(16)) * np.uint32(0x7FEB352D)
    x = (x ^ x >> np.uint32(15)) * np.uint32(0x846CA68B)
    x = (x ^ x >> np.uint32(16)) + second
    x = (x ^ x >> np.uint32(15)) * np.uint32(0x2C1B3C6D)
    return (x ^ x >> np.uint32(16)).view(np.int16)[:n]


@given(seed=seeds, layer=layers, step=steps, n=sizes)
def test_levels_are_a_function_of_seed_layer_step_and_unit(
    seed: int, layer: int, step: int, n: int
) -> None:
    levels = levels_of(seed=seed, layer=layer, step=step, n=n)
    expected = hashed_by_numpy(seed=seed, layer=layer, step=step, n=n)
    assert np.array_equal(levels.numpy(), expected)


@given(seed=seeds, layer=layers, step=steps, n=sizes, more=sizes)
def test_a_larger_mask_begins_with_the_smaller_one(
    seed: int, layer: int, step: int, n: int, more: int
) -> None:
    small = levels_of(seed=seed, layer=layer, step=step, n=n)
    large = levels_of(seed=seed, layer=layer, step=step, n=n + more)
    assert torch.equal(large[:n], small)


def test_hashing_leaves_the_counters_as_they_were() -> None:
    counter = counters(2, 64, CPU)
    before = counter.clone()
    random_levels(counter, step_key(1, 1))
    assert torch.equal(counter, before)


@pytest.mark.parametrize("rate", RATES)
def test_the_kept_share_has_the_mean_of_its_rate(rate: float) -> None:
    kept = keep_mask(levels_of(), rate).count_nonzero().item()
    share = 1 - dropped_levels(rate) / LEVELS
    assert abs(kept - MANY * share) < UNLIKELY * math.sqrt(MANY * share * (1 - share))


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate >= 0.01])
def test_the_kept_share_varies_between_blocks_as_bernoulli_trials_do(rate: float) -> None:
    kept = (keep_mask(levels_of(), rate) > 0).view(-1, 256).double().sum(1)
    share = 1 - dropped_levels(rate) / LEVELS
    ratio = float(kept.var()) / (256 * share * (1 - share))
    fourth_moment = 1 / (256 * share * (1 - share))  # a binomial's kurtosis beyond the normal's
    assert abs(ratio - 1) < UNLIKELY * math.sqrt((2 + fourth_moment) / kept.numel())


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"layer": 0}, id="the layer before"),
        pytest.param({"layer": 2}, id="the layer behind"),
        pytest.param({"layer": 129}, id="a layer whose counters are negative"),
        pytest.param({"step": 1}, id="the next step"),
        pytest.param({"step": 2}, id="the step after it"),
        pytest.param({"step": 100_000}, id="a late step"),
        pytest.param({"seed": 4}, id="the next seed"),
        pytest.param({"seed": 2**32 - 1}, id="the last seed"),
        pytest.param({"seed": 4, "step": 1}, id="another seed and step"),
    ],
)
def test_masks_of_different_keys_do_not_correlate(other: dict[str, int]) -> None:
    ours, theirs = levels_of(), levels_of(**other)
    assert abs(correlation_z(ours, theirs)) < UNLIKELY
    assert abs(correlation_z(ours > 0, theirs > 0)) < UNLIKELY


@pytest.mark.parametrize("distance", [1, 2, 3, 4, 8, 64, 128, 784, 65_536])
def test_units_at_a_distance_do_not_correlate(distance: int) -> None:
    levels = levels_of()
    assert abs(correlation_z(levels[:-distance], levels[distance:])) < UNLIKELY


@pytest.mark.parametrize("step", range(4))
def test_the_halves_of_a_word_do_not_correlate(step: int) -> None:
    levels = levels_of(step=step)
    low, high = levels[0::2], levels[1::2]
    assert abs(correlation_z(low, high)) < UNLIKELY
    assert abs(correlation_z(low > 0, high > 0)) < UNLIKELY


@pytest.mark.parametrize("bit", range(16))
def test_each_bit_is_set_as_often_as_not(bit: int) -> None:
    n_set = int((levels_of().int() >> bit & 1).sum())
    assert abs(n_set - MANY / 2) < UNLIKELY * math.sqrt(MANY / 4)


@pytest.mark.parametrize(("seed", "step"), [(0, 0), (1, 0), (0, 1), (2**32 - 1, 999)])
def test_levels_are_uniform_by_chi_square(seed: int, step: int) -> None:
    levels = levels_of(seed=seed, step=step, n=1 << 22)
    counts = torch.bincount(levels.long() + LEVELS // 2, minlength=LEVELS).double()
    expected = levels.numel() / LEVELS
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert abs(chi_square - (LEVELS - 1)) < UNLIKELY * math.sqrt(2 * (LEVELS - 1))


def test_the_counters_of_layers_do_not_overlap() -> None:
    n_pairs = N_UNITS // 2
    ends = [
        counters(layer, N_UNITS, CPU)[[0, n_pairs - 1]].long() % 2**32 for layer in (0, 1, 127, 255)
    ]
    assert [end.tolist() for end in ends] == [
        [layer * n_pairs, (layer + 1) * n_pairs - 1] for layer in (0, 1, 127, 255)
    ]


@pytest.mark.parametrize(
    ("layer", "n_units"),
    [(0, N_UNITS + 1), (N_LAYERS, 1), (-1, 1)],
    ids=["mask too large", "too many layers", "no layer"],
)
def test_counters_that_would_overlap_are_refused(layer: int, n_units: int) -> None:
    with pytest.raises(ValueError, match=rf"at most {N_UNITS} entries, .* below {N_LAYERS}"):
        counters(layer, n_units, CPU)


@given(rate=st.floats(0, 1, exclude_max=True))
def test_a_rate_is_kept_to_within_half_a_level_and_never_drops_all(rate: float) -> None:
    dropped = dropped_levels(rate)
    assert dropped < LEVELS
    assert abs(dropped / LEVELS - rate) <= (0.5 if dropped < LEVELS - 1 else 1) / LEVELS


@given(rate=st.floats(0, 1, exclude_max=True), seed=seeds)
def test_a_mask_over_all_levels_has_mean_one(rate: float, seed: int) -> None:
    levels = torch.arange(-LEVELS // 2, LEVELS // 2).to(torch.int16)
    mask = keep_mask(levels[row_order(seed, 1, LEVELS)], rate)
    assert math.isclose(float(mask.double().mean()), 1, rel_tol=1e-6)


@given(seed=seeds, epoch=st.integers(1, 10_000), n_rows=st.integers(1, 2_000))
def test_the_order_of_rows_is_a_permutation_and_a_function_of_seed_and_epoch(
    seed: int, epoch: int, n_rows: int
) -> None:
    order = row_order(seed, epoch, n_rows)
    assert torch.equal(order.sort().values, torch.arange(n_rows))
    assert torch.equal(order, row_order(seed, epoch, n_rows))


def test_the_order_of_rows_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    row_order(1, 1, 100)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("seed", "epoch"), [(0, 2), (1, 1)], ids=["next epoch", "next seed"])
def test_another_epoch_or_seed_visits_rows_in_another_order(seed: int, epoch: int) -> None:
    ours, theirs = row_order(0, 1, 10_000), row_order(seed, epoch, 10_000)
    assert abs(correlation_z(ours, theirs)) < UNLIKELY
