"""Kernels of a stack: layers with hand-written backward, dropout masks, and optimizer steps."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW, Optimizer

from pipeline.learning.modules.layers import Dropout, SingleOutput
from pipeline.learning.modules.masks import LEVELS, counters, dropped_levels, hash_into, step_key


class StackedLinear:
    r"""K linear layers of one shape, :math:`y_k = x_k W_k^T + b_k`.

    The modules' own parameters become views of the stack, and so do their gradients: what the
    stack computes, the modules and their optimizers see.

    Args:
        linears: The layers, of equal shape.
        dtype: Of the products' factors; sums, weights and gradients stay float32.
    """

    def __init__(self, linears: Sequence[nn.Linear], dtype: torch.dtype) -> None:
        """Gather the weights, [K, out, in] and [K, out]; ``SingleOutput`` has its zeros there."""
        self.dtype = dtype
        self._is_single = isinstance(linears[0], SingleOutput)
        weights, biases = zip(*map(_parameters, linears), strict=True)
        self.weight, self.bias = torch.stack(weights), torch.stack(biases)
        self.weight_grad = torch.zeros_like(self.weight)
        self.bias_grad = torch.zeros_like(self.bias)
        for k, linear in enumerate(linears):
            n_units = linear.out_features
            linear.weight.data, linear.bias.data = self.weight[k, :n_units], self.bias[k, :n_units]
            linear.weight.grad = self.weight_grad[k, :n_units]
            linear.bias.grad = self.bias_grad[k, :n_units]

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs of shape [K, batch, in] to outputs of shape [K, batch, out]."""
        weight = self.weight.to(self.dtype).transpose(1, 2)
        y = torch.baddbmm(self.bias.to(self.dtype).unsqueeze(1), x, weight)
        return y[..., :1] if self._is_single else y

    def backward(self, x: Tensor, dy: Tensor) -> None:
        """Set the gradients of weights and biases.

        Args:
            x: What ``forward`` was given.
            dy: Gradient of the outputs, [K, batch, out].
        """
        dy = self._with_zeros(dy)
        if self.dtype == torch.float32:
            torch.bmm(dy.transpose(1, 2), x, out=self.weight_grad)
        else:
            self.weight_grad.copy_(torch.bmm(dy.transpose(1, 2), x))
        self.bias_grad.copy_(dy.sum(1))

    def input_gradient(self, dy: Tensor) -> Tensor:
        """The gradient of the inputs, [K, batch, in]."""
        return torch.bmm(self._with_zeros(dy), self.weight.to(self.dtype))

    def _with_zeros(self, dy: Tensor) -> Tensor:
        return functional.pad(dy, (0, 1)) if self._is_single else dy


def _parameters(linear: nn.Linear) -> tuple[Tensor, Tensor]:
    if isinstance(linear, SingleOutput):
        weight, bias = linear.with_zeros()
        return weight.detach(), bias.detach()
    return linear.weight.detach(), linear.bias.detach()


class StackedHidden:
    r"""K hidden layers, :math:`y_k = \mathrm{relu}(x_k W_k^T + b_k) \odot m_k / (1 - p_k)`.

    The backward needs no mask: where a unit was dropped, its output is 0, as where the ReLU is.

    Args:
        linear: The layers' products.
        scale: :math:`1 / (1 - p_k)`, of shape [K, 1, 1]; ``None`` where all rates are 0.
    """

    def __init__(self, linear: StackedLinear, scale: Tensor | None) -> None:
        self.linear = linear
        self._scale = scale
        self._x = self._y = torch.empty(0)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Compute the outputs and save what the backward needs.

        Args:
            x: [K, batch, in].
            mask: Zeros and scales, [K, batch, out]; ``None`` keeps every unit.
        """
        y = self.linear.forward(x).relu_()
        if mask is not None:
            y.mul_(mask)
        self._x, self._y = x, y
        return y

    def backward(self, dy: Tensor, *, needs_input_gradient: bool) -> Tensor:
        """Set the gradients of the weights; ``dy`` is used up.

        Args:
            dy: Gradient of the outputs, [K, batch, out].
            needs_input_gradient: Whether a layer below waits for it.

        Returns:
            Gradient of the inputs, or of the products' outputs where nothing waits.
        """
        if self._scale is not None:
            dy.mul_(self._scale)
        # What autograd itself calls for a ReLU.
        dy = torch.ops.aten.threshold_backward(dy, self._y, 0)
        self.linear.backward(self._x, dy)
        return self.linear.input_gradient(dy) if needs_input_gradient else dy

    def evaluate(self, x: Tensor) -> Tensor:
        """Compute the outputs without dropout, and save nothing for a backward."""
        return self.linear.forward(x).relu_()


WORDS_A_DRAW = 1 << 17
"""Words hashed in one call: many enough to make its cost small, few enough for a core's cache."""


class StackedDropout:
    """The networks' dropout layers of one number.

    Args:
        layers: One of each network; their rates may differ.
        n_units: Units of the layer.
        device: Where the masks are needed.

    Attributes:
        scale: 1 / (1 - rate) of each network, [K, 1, 1]; ``None`` where all rates are 0.
    """

    def __init__(self, layers: Sequence[Dropout], n_units: int, device: torch.device) -> None:
        """Turn the rates into thresholds."""
        self.number = layers[0].layer
        self.n_units = n_units
        self._mask = torch.empty(0)
        dropped = [dropped_levels(layer.rate) for layer in layers]
        self._threshold = torch.tensor(
            [level - LEVELS // 2 for level in dropped], dtype=torch.int16, device=device
        ).view(-1, 1, 1)
        self.scale = (
            torch.tensor([LEVELS / (LEVELS - level) for level in dropped], device=device).view(
                -1, 1, 1
            )
            if any(dropped)
            else None
        )

    def mask(self, levels: Tensor, n_rows: int) -> Tensor | None:
        """Turn levels into what activations are multiplied by.

        Args:
            levels: int16 of shape [K, at least n_rows * n_units].
            n_rows: Rows of the batch.

        Returns:
            float32 of shape [K, n_rows, n_units]; ``None`` where nothing is dropped.
        """
        if self.scale is None:
            return None
        levels = levels[:, : n_rows * self.n_units].view(-1, n_rows, self.n_units)
        mask = self._buffer(levels)
        torch.ge(levels, self._threshold, out=mask)
        return mask.mul_(self.scale)

    def _buffer(self, levels: Tensor) -> Tensor:
        """Memory for a mask, kept from step to step; a shorter batch uses a part of it."""
        if levels.numel() > self._mask.numel():
            self._mask = torch.empty(levels.shape, device=levels.device)
        return self._mask.view(-1)[: levels.numel()].view(levels.shape)


class StepLevels:
    """Random levels of every dropout layer and network, a function of seed, layer and step.

    Several steps are drawn at once where networks are few or layers small.

    Args:
        seeds: The networks' dropout seeds.
        dropouts: The layers that need levels.
        n_rows: Rows of a full batch; a shorter one uses the first of them.
        device: Where they are needed.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        dropouts: Iterable[StackedDropout],
        *,
        n_rows: int,
        device: torch.device,
    ) -> None:
        self._seeds = tuple(seeds)
        self._n_words: dict[int, int] = {}
        numbered = []
        for dropout in dropouts:
            if dropout.scale is not None:
                numbered.append(counters(dropout.number, n_rows * dropout.n_units, device))
                self._n_words[dropout.number] = numbered[-1].numel()
        self._counters = torch.cat(numbered) if numbered else torch.empty(0, dtype=torch.int32)
        words = max(len(self._seeds) * self._counters.numel(), 1)
        self._n_steps = max(WORDS_A_DRAW // words, 1)
        self._first_step = -self._n_steps
        self._drawn: dict[int, Tensor] = {}
        # Kept from draw to draw: fresh memory costs as much as the hash.
        shape = (self._n_steps * len(self._seeds), self._counters.numel())
        self._words = torch.empty(shape, dtype=torch.int32, device=device)
        self._shifted = torch.empty_like(self._words)

    def at(self, step: int) -> dict[int, Tensor]:
        """The levels of a step by layer number, int16 of shape [K, n]; rates of 0 have none."""
        if not self._n_words:
            return {}
        if not 0 <= step - self._first_step < self._n_steps:
            self._draw(step)
        return {number: levels[step - self._first_step] for number, levels in self._drawn.items()}

    def _draw(self, first_step: int) -> None:
        steps = range(first_step, first_step + self._n_steps)
        keys = [step_key(seed, step) for step in steps for seed in self._seeds]
        columns = torch.tensor(keys, dtype=torch.int32, device=self._counters.device)
        key = (columns[:, :1], columns[:, 1:])
        drawn = hash_into(self._words, self._shifted, self._counters, key)
        drawn = drawn.view(self._n_steps, len(self._seeds), -1)
        parts = torch.split(drawn, [2 * n for n in self._n_words.values()], dim=2)
        self._first_step, self._drawn = first_step, dict(zip(self._n_words, parts, strict=True))


Step = Callable[[], None]


def lean_step(optimizer: Optimizer) -> Step:
    """Make a function that does what ``optimizer.step()`` does, in a quarter of its overhead.

    A first step is the optimizer's own: it makes the state, which stays the optimizer's.

    Args:
        optimizer: Of ``make_optimizer``: fused, with one group, with each gradient allocated.
    """
    if isinstance(optimizer, SGD):
        return _lean_sgd(optimizer)
    if isinstance(optimizer, Adam):  # AdamW is one
        return _LeanAdam(optimizer)
    message = f"{type(optimizer).__name__} has no lean step, expected AdamW, Adam or SGD"
    raise TypeError(message)


class _LeanAdam:
    def __init__(self, optimizer: Adam) -> None:
        self._optimizer = optimizer
        self._call: Step | None = None

    def __call__(self) -> None:
        if self._call is not None:
            self._call()
        elif self._optimizer.state:
            self._call = _adam_call(self._optimizer)
            self._call()
        else:
            self._optimizer.step()


def _adam_call(optimizer: Adam) -> Step:
    (group,) = optimizer.param_groups
    states = [optimizer.state[parameter] for parameter in group["params"]]
    step_count = states[0]["step"]
    for state in states:  # one count for all its tensors: adding to each costs as much as a kernel
        state["step"] = step_count
    kernel = torch._fused_adamw_ if isinstance(optimizer, AdamW) else torch._fused_adam_
    beta1, beta2 = group["betas"]
    update = partial(
        kernel,
        *_tensors(group["params"]),
        [state["exp_avg"] for state in states],
        [state["exp_avg_sq"] for state in states],
        [],
        [step_count] * len(states),
        beta1=beta1,
        beta2=beta2,
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        amsgrad=False,
        maximize=False,
    )

    def step() -> None:
        step_count.add_(1)
        update(lr=group["lr"])  # which a schedule may have changed

    return step


def _lean_sgd(optimizer: SGD) -> Step:
    (group,) = optimizer.param_groups
    update = partial(
        torch._fused_sgd_,
        *_tensors(group["params"]),
        [],
        weight_decay=group["weight_decay"],
        momentum=0.0,
        dampening=0.0,
        nesterov=False,
        maximize=False,
        is_first_step=False,
    )
    return lambda: update(lr=group["lr"])


def _tensors(parameters: list[Any]) -> tuple[list[Tensor], list[Tensor]]:
    """Weights and their gradients, the same memory as the modules'."""
    return [p.detach() for p in parameters], [p.grad for p in parameters]
