"""Networks trained as one: each gets to the bit what it gets alone, and what autograd gives."""

import itertools
import math
from collections.abc import Iterable
from itertools import pairwise
from multiprocessing import Pipe
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adagrad

from pipeline.config import TrialConfig
from pipeline.engines.worker import _fit_safely
from pipeline.learning.cohort.fit import fit_cohort
from pipeline.learning.cohort.kernels import (
    StackedDropout,
    StackedHidden,
    StackedLinear,
    StepLevels,
    lean_step,
)
from pipeline.learning.cohort.stack import Stack, why_not_stackable
from pipeline.learning.data import PreparedData
from pipeline.learning.modules.criteria import cross_entropy, log_likelihoods, loss_gradient
from pipeline.learning.modules.layers import Dropout
from pipeline.learning.modules.mlp import MLP
from pipeline.learning.modules.network import Optimization
from pipeline.trial import Assignment, Cohort, Cutoffs, TrialOutcome, TrialState, curve_sha256
from tests.learning.trials import assigned, fit, fit_one, trial

EPOCHS = 6
CPU = torch.device("cpu")
small = st.integers(1, 20)


def bits(outcome: TrialOutcome) -> tuple[str, str | None, TrialState, str | None]:
    """What is equal where two trainings are the same."""
    return curve_sha256(outcome.curve), outcome.weights_sha256, outcome.state, outcome.cause


def member(number: int, **training: Any) -> TrialConfig:
    """One of many trials of a shape, each with rates, a learning rate and a decay of its own."""
    return trial(
        number,
        training={"epochs": EPOCHS} | training,
        input_dropout=0.05 * (number % 3),
        dropout_1=0.6 * (number % 5) / 4,
        dropout_2=0.5 * (number % 2),
        learning_rate=0.001 * (1 + number),
        weight_decay=0.02 * (number % 4),
    )


def leaving(number: int, **training: Any) -> Assignment:
    """A trial that is stopped after an epoch of its own, one way or another."""
    config, epoch = member(number, **training), 1 + number % EPOCHS
    if number % 2:
        return assigned(config, epochs=epoch)
    limits = tuple(0.0 if 1 + i == epoch else math.inf for i in range(EPOCHS))
    return assigned(config, cutoffs=Cutoffs(rule="some rule", limits=limits))


@pytest.mark.parametrize("n_members", [2, 8, 32])
def test_fused_trials_equal_lone_ones_to_the_bit_whoever_leaves_when(
    digits: PreparedData, n_members: int
) -> None:
    assignments = [leaving(number) for number in range(n_members)]
    together = fit(digits, *assignments)
    assert {len(outcome.curve) for outcome in together} == set(range(1, 1 + min(n_members, EPOCHS)))
    assert together[0].facts is not None
    assert (together[0].facts.stack_index, together[0].facts.stack_size) == (0, n_members)
    for assignment, fused in zip(assignments, together, strict=True):
        (alone,) = fit(digits, assignment)
        assert bits(fused) == bits(alone)


@pytest.mark.parametrize(
    "training",
    [{"optimizer": "sgd"}, {"optimizer": "adam"}, {"precision": "bf16-mixed"}],
    ids=["sgd", "adam", "bfloat16"],
)
def test_every_optimizer_and_precision_fuses_without_a_bit_changed(
    digits: PreparedData, training: dict[str, Any]
) -> None:
    assignments = [leaving(number, **training) for number in range(3)]
    together = [bits(outcome) for outcome in fit(digits, *assignments)]
    assert together == [bits(fit(digits, assignment)[0]) for assignment in assignments]


def test_a_member_that_diverges_leaves_the_others_bits_alone(digits: PreparedData) -> None:
    wild = trial(1, training={"optimizer": "sgd"}, learning_rate=1_000.0)
    calm = trial(0, training={"optimizer": "sgd"})
    lost, kept = fit(digits, assigned(wild), assigned(calm))
    assert lost.state is TrialState.FAIL
    assert bits(kept) == bits(fit_one(digits, calm))


def test_trials_of_more_threads_are_not_fused_and_say_why(digits: PreparedData) -> None:
    before = torch.get_num_threads()
    try:
        threaded = {"threads": 2, "epochs": 1}
        outcomes = fit(digits, *(assigned(trial(n, training=threaded)) for n in range(2)))
    finally:
        torch.set_num_threads(before)
    facts = [outcome.facts for outcome in outcomes]
    assert [known and known.stack_size for known in facts] == [1, 1]
    assert facts[0] is not None
    assert facts[0].alone_because is not None
    assert facts[0].alone_because.startswith("2 threads")


def test_trials_with_a_layer_of_one_unit_are_not_fused_and_say_why(digits: PreparedData) -> None:
    outcomes = fit(digits, *(assigned(trial(n, width_1=1), epochs=1) for n in range(2)))
    facts = [outcome.facts for outcome in outcomes]
    assert [known and known.stack_size for known in facts] == [1, 1]
    assert facts[0] is not None
    assert facts[0].alone_because == "a layer of one unit: its product is another alone"


def test_trials_with_inputs_that_fill_no_whole_vectors_are_not_fused_and_say_why(
    digits: PreparedData,
) -> None:
    outcomes = fit(digits, *(assigned(trial(n, width_1=30), epochs=1) for n in range(2)))
    facts = [outcome.facts for outcome in outcomes]
    assert [known and known.stack_size for known in facts] == [1, 1]
    assert facts[0] is not None
    assert facts[0].alone_because == (
        "a layer with 30 inputs, not a multiple of 4: its product depends on where memory begins"
    )


class Normalised(MLP):
    """A network with a layer that has no stacked kernel."""

    def build(self, layers: Iterable[nn.Module]) -> None:
        """Normalise what the first linear layer gives."""
        rest = iter(layers)
        first = itertools.islice(rest, 2)
        super().build(itertools.chain(first, [nn.BatchNorm1d(24)], rest))


def test_a_network_without_stacked_form_trains_alone_and_says_why(
    digits: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.learning.modules.mlp.MLP", Normalised)
    assignments = [leaving(1), leaving(2)]
    together = fit(digits, *assignments)
    assert [bits(outcome) for outcome in together] == [
        bits(fit(digits, assignment)[0]) for assignment in assignments
    ]
    facts = together[0].facts
    assert facts is not None
    assert facts.alone_because == "layer 2, BatchNorm1d, has no stacked kernel there"
    assert (facts.stack_index, facts.stack_size) == (0, 1)


def test_autograd_and_the_stack_give_the_same_bits(
    digits: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    fused = bits(fit_one(digits, member(4)))
    monkeypatch.setattr(
        "pipeline.learning.cohort.module.why_not_stackable", lambda _: "for the test"
    )
    assert bits(fit_one(digits, member(4))) == fused


def test_members_of_a_stack_that_raises_are_trained_again_alone(
    digits: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Stack.step

    def step_of_few(stack: Stack, images: Tensor, labels: Tensor) -> None:
        if stack.n_members > 1 and stack.n_steps == 20:
            raise MemoryError
        step(stack, images, labels)

    assignments = tuple(leaving(number) for number in range(3))
    alone = [bits(fit(digits, assignment)[0]) for assignment in assignments]
    monkeypatch.setattr(Stack, "step", step_of_few)
    with pytest.raises(MemoryError):
        fit(digits, *assignments)
    _, connection = Pipe()
    outcomes = _fit_safely(fit_cohort, Cohort(assignments), digits, connection)
    assert [bits(outcome) for outcome in outcomes] == alone


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([Dropout(0.1, seed=1, layer=0), nn.Linear(4, 2)], None),
        ([nn.Linear(4, 2)], "layer 0, Linear"),
        ([Dropout(0.1, seed=1, layer=0), nn.Linear(4, 2), nn.Tanh()], "layer 2, Tanh"),
        ([Dropout(0.1, seed=1, layer=0), nn.Conv1d(4, 2, 3)], "layer 1, Conv1d"),
    ],
    ids=["linear", "no dropout", "activation", "convolution"],
)
def test_a_layer_without_stacked_kernel_is_named(
    layers: list[nn.Module], reason: str | None
) -> None:
    found = why_not_stackable(nn.Sequential(*layers))
    assert found == (reason and f"{reason}, has no stacked kernel there")


@given(n_rows=small, n_inputs=small, n_units=small, n_members=st.integers(1, 4))
def test_a_hidden_layers_gradients_are_those_of_autograd(
    n_rows: int, n_inputs: int, n_units: int, n_members: int
) -> None:
    linears, x, dy, mask = some_layer(n_rows, n_inputs, n_units, n_members)
    expected = []
    for place, linear in enumerate(linears):
        inputs = x[place].clone().requires_grad_()
        y = linear(inputs).relu() * mask[place]
        leaves = (linear.weight, linear.bias, inputs)
        expected.append([y.detach(), *torch.autograd.grad(y, leaves, dy[place])])
    got = through_a_stack(linears, x, dy, mask)
    for ours, theirs in zip(got, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other)


@given(
    n_rows=st.integers(1, 130),
    n_inputs=st.sampled_from([4, 16, 64, 260, 784]),
    n_units=st.integers(2, 140),
    n_members=st.integers(2, 9),
)
def test_companions_change_no_bit_of_a_hidden_layer_of_any_size(
    n_rows: int, n_inputs: int, n_units: int, n_members: int
) -> None:
    linears, x, dy, mask = some_layer(n_rows, n_inputs, n_units, n_members)
    together = through_a_stack(linears, x, dy, mask)
    for place, linear in enumerate(linears):
        one = slice(place, place + 1)
        (alone,) = through_a_stack([linear], x[one], dy[one], mask[one])
        assert all(torch.equal(*pair) for pair in zip(together[place], alone, strict=True))


def some_layer(
    n_rows: int, n_inputs: int, n_units: int, n_members: int
) -> tuple[list[nn.Linear], Tensor, Tensor, Tensor]:
    """Layers of one shape with their inputs, the gradients of their outputs, and masks."""
    generator = torch.Generator().manual_seed(n_rows)
    linears = [nn.Linear(n_inputs, n_units) for _ in range(n_members)]
    x = torch.randn(n_members, n_rows, n_inputs, generator=generator)
    dy = torch.randn(n_members, n_rows, n_units, generator=generator)
    return linears, x, dy, 2.0 * torch.randint(0, 2, dy.shape, generator=generator)


def through_a_stack(
    linears: list[nn.Linear], x: Tensor, dy: Tensor, mask: Tensor
) -> list[list[Tensor]]:
    """Each member's outputs and its gradients of weights, biases and inputs."""
    stacked = StackedLinear(linears, torch.float32)
    hidden = StackedHidden(stacked, torch.full((len(linears), 1, 1), 2.0))
    y = hidden.forward(x, mask)
    dx = hidden.backward(dy.clone(), needs_input_gradient=True)
    found = (y, stacked.weight_grad, stacked.bias_grad, dx)
    return [[tensor[place].clone() for tensor in found] for place in range(len(linears))]


@given(n_rows=small, n_members=st.integers(1, 5), n_classes=st.integers(2, 12))
def test_the_losses_gradient_is_that_of_cross_entropy(
    n_rows: int, n_members: int, n_classes: int
) -> None:
    logits = torch.randn(n_members, n_rows, n_classes, requires_grad=True)
    labels = torch.randint(0, n_classes, (n_rows,))
    log_p, picked = log_likelihoods(logits.detach(), labels)
    gradient = loss_gradient(log_p, labels)
    for place in range(n_members):
        losses = cross_entropy(logits[place], labels)
        (expected,) = torch.autograd.grad(losses.mean(), logits)
        assert torch.equal(gradient[place], expected[place])
        assert torch.equal(-picked[place], losses.detach())
        plain = functional.cross_entropy(logits[place], labels)
        torch.testing.assert_close(losses.mean(), plain)


@given(
    rates=st.lists(st.floats(0.0, 0.9), min_size=1, max_size=4),
    n_units=small,
    n_rows=small,
    full=small,
    step=st.integers(0, 10_000),
)
def test_a_stacks_masks_are_those_of_its_members_own_layers(
    rates: list[float], n_units: int, n_rows: int, full: int, step: int
) -> None:
    n_rows, full = sorted((n_rows, full))
    layers = [Dropout(rate, seed=7 + place, layer=3) for place, rate in enumerate(rates)]
    stacked = StackedDropout(layers, n_units, CPU)
    levels = StepLevels([layer.seed for layer in layers], [stacked], n_rows=full, device=CPU)
    x = torch.ones(n_rows, n_units)
    for at in (step, step + 1, step):
        mask = stacked.mask(levels.at(at)[3], n_rows) if stacked.scale is not None else None
        for place, layer in enumerate(layers):
            layer.step = at
            assert torch.equal(layer(x), x if mask is None else mask[place])


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_a_lean_step_is_the_optimizers_own_to_the_bit(optimizer: str) -> None:
    optimization = Optimization(optimizer, 0.01, 0.1, None, "constant", None)
    weights = []
    for is_lean in (False, True):
        generator = torch.Generator().manual_seed(1)
        leaves = [nn.Parameter(torch.randn(n, 3, generator=generator)) for n in (4, 5)]
        for leaf in leaves:
            leaf.grad = torch.zeros_like(leaf)
        made = optimization.make_optimizer(leaves)
        step = lean_step(made) if is_lean else made.step
        for _ in range(5):
            for leaf in leaves:
                leaf.grad.copy_(torch.randn(leaf.shape, generator=generator))  # type: ignore[union-attr]
            step()
        weights.append(torch.cat([leaf.detach() for leaf in leaves]))
    assert torch.equal(*weights)


def test_an_optimizer_without_lean_step_is_refused() -> None:
    with pytest.raises(TypeError, match="Adagrad has no lean step, expected AdamW, Adam or SGD"):
        lean_step(Adagrad([nn.Parameter(torch.zeros(1))]))


def test_the_members_own_modules_see_what_the_stack_learns() -> None:
    networks = [MLP(5, 3, widths=[4], dropouts=[0.1], seed=n) for n in range(2)]
    weights = [next(network.parameters()) for network in networks]
    before = [weight.detach().clone() for weight in weights]
    optimizers = [network.make_optimizer() for network in networks]
    stack = Stack(networks, optimizers, first_step=0, batch_size=4, precision="32-true")
    stack.step(torch.rand(4, 5), torch.tensor([0, 1, 2, 0]))
    assert all(not torch.equal(old, new) for old, new in zip(before, weights, strict=True))
    assert all(one.data_ptr() != other.data_ptr() for one, other in pairwise(weights))
