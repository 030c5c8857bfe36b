"""The optimizer's step without its bookkeeping: the same kernels, told each time the same lists."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

Step = Callable[[], None]


def lean_step(optimizer: Optimizer) -> Step:
    """Make a function that does what ``optimizer.step()`` does, in a quarter of its overhead.

    A first step is the optimizer's own: it makes the state, which stays the optimizer's.

    Args:
        optimizer: Of ``make_optimizer``: fused, with one group, each gradient at its place.
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
