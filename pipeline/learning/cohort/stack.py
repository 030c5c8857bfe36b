"""K networks trained as one: each gets to the bit what its ``training_step`` would give it alone.

A stack is the fast form of that step. Its kernels are stacked forms of ordinary layers, with their
backward written by hand: a product of the stack is a batched product whose kernel does not depend
on the number of networks, so that the others change no bit (on a CPU with one thread; see
docs/decisions/0007-fused-cohorts.md). A new layer is a new kernel; the loop stays as it is.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pipeline.learning.arithmetic import autocast, product_dtype
from pipeline.learning.cohort.kernels import (
    StackedDropout,
    StackedHidden,
    StackedLinear,
    StepLevels,
    lean_step,
)
from pipeline.learning.cohort.rows import RowResult, RowScores, Scores
from pipeline.learning.modules.criteria import stack_criteria
from pipeline.learning.modules.layers import Dropout, SingleOutput
from pipeline.learning.modules.network import Network

HIDDEN = (nn.Linear, nn.ReLU, Dropout)
"""The layers that one ``StackedHidden`` computes."""
OUTPUTS = (nn.Linear, SingleOutput)
"""What may be the last layer."""


def why_not_stackable(network: nn.Sequential) -> str | None:
    """Say why a network has no stacked form; ``None`` if it has one."""
    hidden = [(kind,) for kind in HIDDEN] * ((len(network) - 2) // len(HIDDEN))
    kinds = [(Dropout,), *hidden, OUTPUTS]
    for i, layer in enumerate(network):
        if i >= len(kinds) or type(layer) not in kinds[i]:
            return f"layer {i}, {type(layer).__name__}, has no stacked kernel there"
    return None


class Stack:
    """Trains K networks of one shape; each gets the bits that it would get alone.

    Args:
        networks: Their layers as ``why_not_stackable`` wants them, all of one shape.
        optimizers: The networks' own, in their order.
        first_step: How many steps they have been trained for.
        batch_size: Rows of a full batch.
        precision: As ``training.precision``.

    Attributes:
        n_steps: How many steps they have been trained for.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        optimizers: Sequence[Optimizer],
        *,
        first_step: int,
        batch_size: int,
        precision: str,
    ) -> None:
        """Stack the weights; the networks' parameters become views of the stack."""
        self.n_members = len(networks)
        self.n_steps = first_step
        self._dtype = product_dtype(precision)
        self._criterion = stack_criteria([one.criterion for one in networks])
        self._constrained = [one for one in networks if one.optimization.max_norm is not None]
        layers = list(zip(*(one.network for one in networks), strict=True))
        linears = [StackedLinear(same, self._dtype) for same in layers[1::3]]
        device = linears[0].weight.device
        self._dropouts = [
            StackedDropout(same, linear.weight.shape[2], device)
            for same, linear in zip(layers[::3], linears, strict=True)
        ]
        scales = [dropout.scale for dropout in self._dropouts[1:]]
        self._hidden = [
            StackedHidden(linear, scale) for linear, scale in zip(linears, scales, strict=False)
        ]
        self._output = linears[-1]
        self._levels = StepLevels(
            [layer.seed for layer in layers[0]], self._dropouts, n_rows=batch_size, device=device
        )
        self._updates = [lean_step(optimizer) for optimizer in optimizers]
        self._scores = RowScores()

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Do one optimizer step of every network.

        Args:
            images: float32 of shape [batch, n_inputs].
            labels: int64 of shape [batch], or float32 of shape [batch] or [batch, n_targets].
        """
        x = self._forward(images)
        measured = self._criterion.measure(self._output.forward(x).float(), images, labels)
        self._scores.add(measured.losses, measured.marks)
        self._backward(x, self._criterion.gradient(measured, labels).to(self._dtype))
        for update in self._updates:
            update()
        for network in self._constrained:
            network.constrain()
        self.n_steps += 1

    def _forward(self, images: Tensor) -> Tensor:
        levels = self._levels.at(self.n_steps)
        masks = [
            dropout.mask(levels[dropout.number], len(images)) if dropout.number in levels else None
            for dropout in self._dropouts
        ]
        x = self._inputs(images)
        if masks[0] is not None:
            x = (x * masks[0]).to(self._dtype)
        for hidden, mask in zip(self._hidden, masks[1:], strict=True):
            x = hidden.forward(x, mask)
        return x

    def _backward(self, x: Tensor, dy: Tensor) -> None:
        self._output.backward(x, dy)
        if self._hidden:
            dy = self._output.input_gradient(dy)
        for i in reversed(range(len(self._hidden))):
            dy = self._hidden[i].backward(dy, needs_input_gradient=i > 0)

    def _inputs(self, images: Tensor) -> Tensor:
        return images.to(self._dtype).expand(self.n_members, -1, -1)

    def train_scores(self) -> list[Scores]:
        """Each network's loss and accuracy over the steps since the last call."""
        return self._scores.take()

    def score(self, images: Tensor, labels: Tensor) -> RowResult:
        """Score each row with each network, dropout off."""
        x = self._inputs(images)
        for hidden in self._hidden:
            x = hidden.evaluate(x)
        measured = self._criterion.measure(self._output.forward(x).float(), images, labels)
        return measured.losses, measured.marks


def score_rows(network: Network, precision: str, images: Tensor, labels: Tensor) -> RowResult:
    """Score each row with one network, dropout off, as a stack of one would.

    Args:
        network: Any built-in one; it is left in training mode.
        precision: As ``training.precision``.
        images: float32 of shape [batch, n_inputs].
        labels: As ``Stack.step`` takes them.
    """
    network.eval()
    with autocast(images.device, precision), torch.no_grad():
        result = network.score_rows(images, labels)
    network.train()
    return _as_stack(*result)


class SingleNetwork:
    """Trains one network by autograd, by the definition of its ``training_step``.

    Args:
        network: Any built-in one.
        optimizer: The network's own.
        first_step: How many steps it has been trained for.
        precision: As ``training.precision``.

    Attributes:
        n_steps: How many steps it has been trained for.
    """

    def __init__(
        self, network: Network, optimizer: Optimizer, *, first_step: int, precision: str
    ) -> None:
        self.n_steps = first_step
        self._network = network
        self._optimizer = optimizer
        self._scores = RowScores()
        self._precision = precision

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Do one optimizer step.

        Args:
            images: float32 of shape [batch, n_inputs].
            labels: int64 of shape [batch], or float32 of shape [batch] or [batch, n_targets].
        """
        self._network.set_step(self.n_steps)
        with autocast(images.device, self._precision):
            optimized, losses, marks = self._network.train_rows(images, labels)
        self._optimizer.zero_grad(set_to_none=True)
        optimized.mean().backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._network.constrain()
        self.n_steps += 1
        self._scores.add(*_as_stack(losses.detach(), marks))

    def train_scores(self) -> list[Scores]:
        """The network's loss and accuracy over the steps since the last call."""
        return self._scores.take()

    def score(self, images: Tensor, labels: Tensor) -> RowResult:
        """Score each row, dropout off."""
        return score_rows(self._network, self._precision, images, labels)


def _as_stack(losses: Tensor, marks: Tensor | None) -> RowResult:
    return losses.unsqueeze(0), None if marks is None else marks.detach().unsqueeze(0)
