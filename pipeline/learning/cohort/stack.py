"""K networks of one shape, trained as one."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pipeline.learning.cohort.kernels import (
    StackedDropout,
    StackedHidden,
    StackedLinear,
    StepLevels,
    lean_step,
)
from pipeline.learning.cohort.rows import EVALUATION_ROWS, Rows, RowScores, Scores
from pipeline.learning.modules.layers import Dropout

if TYPE_CHECKING:
    from pipeline.learning.modules.build import Network

HIDDEN = (nn.Linear, nn.ReLU, Dropout)
"""The kinds of layer that one stacked kernel stands for."""


def why_not_stackable(network: nn.Sequential) -> str | None:
    """Say why a network has no stacked form; ``None`` if it has one."""
    kinds = [Dropout, *HIDDEN * ((len(network) - 2) // len(HIDDEN)), nn.Linear]
    for place, layer in enumerate(network):
        if place >= len(kinds) or type(layer) is not kinds[place]:
            return f"layer {place}, {type(layer).__name__}, has no stacked kernel there"
    return None


class Stack:
    """Trains K networks of one shape; each gets the bits that it would get alone.

    Args:
        networks: Their layers as ``why_not_stackable`` wants them, all of one shape.
        optimizers: The networks' own, in their order.
        first_step: How many steps they have been trained for.
        batch_size: Rows of a full batch.
        is_mixed: Whether products take bfloat16 factors.
    """

    def __init__(
        self,
        networks: Sequence["Network"],
        optimizers: Sequence[Optimizer],
        *,
        first_step: int,
        batch_size: int,
        is_mixed: bool,
    ) -> None:
        """Stack the weights; the networks' parameters become views of the stack."""
        self.n_members = len(networks)
        self._step = first_step
        self._dtype = torch.bfloat16 if is_mixed else torch.float32
        self._objective = networks[0].objective
        self._constrained = [one for one in networks if one.config.max_norm is not None]
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
        self._plain: AbstractContextManager[object] = (
            torch.autocast(device.type, enabled=False) if is_mixed else nullcontext()
        )

    @property
    def n_steps(self) -> int:
        """How many steps the networks have been trained for."""
        return self._step

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Do one optimizer step of every network.

        Args:
            images: float32 of shape [batch, n_inputs].
            labels: int64 of shape [batch].
        """
        with self._plain:
            x = self._forward(images)
            measured = self._objective.measure(self._output.forward(x).float(), images, labels)
            self._scores.add(measured.losses, measured.right)
            self._backward(x, self._objective.gradient(measured, labels).to(self._dtype))
        for update in self._updates:
            update()
        for network in self._constrained:
            network.constrain()
        self._step += 1

    def _forward(self, images: Tensor) -> Tensor:
        levels = self._levels.at(self._step)
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
        for place in reversed(range(len(self._hidden))):
            dy = self._hidden[place].backward(dy, needs_input_gradient=place > 0)

    def _inputs(self, images: Tensor) -> Tensor:
        return images.to(self._dtype).expand(self.n_members, -1, -1)

    def train_scores(self) -> list[Scores]:
        """Each network's loss and accuracy over the steps since this was last asked."""
        return self._scores.take()

    def evaluate(self, rows: Rows) -> list[Scores]:
        """Each network's mean loss and accuracy over rows, dropout off."""
        scores = RowScores()
        with self._plain:
            for numbers in torch.split(rows.numbers, EVALUATION_ROWS):
                images, labels = rows.take(numbers)
                measured = self._objective.measure(self._evaluated(images), images, labels)
                scores.add(measured.losses, measured.right)
        return scores.take()

    def _evaluated(self, images: Tensor) -> Tensor:
        x = self._inputs(images)
        for hidden in self._hidden:
            x = hidden.evaluate(x)
        return self._output.forward(x).float()
