"""Predict numbers: losses of standardised errors, predictions in the targets' own units."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.learning.modules.criteria import Criterion, CrossEntropy, Measured
from pipeline.learning.modules.layers import check_choice

CROSS_ENTROPY: Final = "cross-entropy"
Elementwise = Callable[[Tensor], Tensor]


def _huber(errors: Tensor) -> Tensor:
    return functional.huber_loss(errors, torch.zeros_like(errors), reduction="none")


LOSSES: Final[Mapping[str, Elementwise]] = {"mse": torch.square, "mae": torch.abs, "huber": _huber}
"""The loss of each error; ``huber`` is half its square up to one standard deviation and linear
beyond (Huber, "Robust Estimation of a Location Parameter", 1964:
https://doi.org/10.1214/aoms/1177703732)."""
SLOPES: Final[Mapping[str, Elementwise]] = {
    "mse": lambda errors: 2 * errors,
    "mae": torch.sgn,
    "huber": lambda errors: errors.clamp(-1, 1),
}
"""The derivatives of ``LOSSES``, bit for bit autograd's."""


class Regression(nn.Module):
    r"""Predict targets: the mean over a row's targets of a loss of the standardised error.

    Of a target :math:`y` with the training rows' mean :math:`\mu` and standard deviation
    :math:`\sigma`, an output :math:`o` has the error :math:`o - (y - \mu) / \sigma` and is the
    prediction :math:`\mu + \sigma o`. Both are buffers: weights that are loaded bring them.

    Args:
        loss: A key of ``LOSSES``.
        mean: Of each target.
        std: Of each target.

    Raises:
        ValueError: A value is not allowed.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, loss: str, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        check_choice("loss", loss, LOSSES)
        if not all(one > 0 for one in std):
            message = f"target_std is {list(std)}; each entry must be above 0"
            raise ValueError(message)
        self.loss = loss
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def predictions(self, outputs: Tensor) -> Tensor:
        """Bring outputs to the targets' units, float32 of shape [..., n_targets]."""
        return outputs.float() * self.std + self.mean

    def losses(self, outputs: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Compute each row's loss."""
        del images
        return LOSSES[self.loss](self._errors(outputs, labels)).mean(-1)

    def optimized(self, outputs: Tensor, labels: Tensor) -> None:
        """The loss itself is optimised."""

    def marks(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The error of each target in its own units, float32 of shape [..., rows, n_targets]."""
        return self._errors(outputs, labels) * self.std

    def measure(self, outputs: Tensor, images: Tensor, labels: Tensor) -> Measured:
        """Measure a stack's outputs."""
        del images
        errors = self._errors(outputs, labels)
        return Measured(LOSSES[self.loss](errors).mean(-1), errors * self.std, errors)

    def gradient(self, measured: Measured, labels: Tensor) -> Tensor:
        """The gradient of the outputs."""
        errors = measured.gradient_of
        share = torch.ones((), device=errors.device) / len(labels) / errors.shape[2]
        return SLOPES[self.loss](errors) * share

    def _errors(self, outputs: Tensor, labels: Tensor) -> Tensor:
        targets = labels.reshape(len(labels), -1)
        return outputs.float() - (targets - self.mean) / self.std


def make_criterion(
    loss: str,
    n_outputs: int,
    *,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
) -> Criterion:
    """Make what a network is trained for.

    Args:
        loss: ``cross-entropy`` of classes, or a key of ``LOSSES``.
        n_outputs: Classes or targets.
        mean: Of each target; ``None``: 0.
        std: Of each target; ``None``: 1.
        label_smoothing: As ``CrossEntropy`` takes it.
        class_weights: As ``CrossEntropy`` takes them.

    Raises:
        ValueError: A value is not allowed.
    """
    check_choice("loss", loss, (CROSS_ENTROPY, *LOSSES))
    for name, given in (("target_mean", mean), ("target_std", std)):
        if given is not None and (loss == CROSS_ENTROPY or len(given) != n_outputs):
            allowed = "None" if loss == CROSS_ENTROPY else f"{n_outputs} numbers"
            message = f"{name} is {list(given)}; with loss={loss!r} it must be {allowed}"
            raise ValueError(message)
    _check_of_classes(loss, n_outputs, label_smoothing, class_weights)
    if loss == CROSS_ENTROPY:
        return CrossEntropy(label_smoothing, class_weights)
    return Regression(loss, mean or [0.0] * n_outputs, std or [1.0] * n_outputs)


def _check_of_classes(
    loss: str, n_outputs: int, label_smoothing: float, class_weights: Sequence[float] | None
) -> None:
    if not 0 <= label_smoothing < 1 or (label_smoothing and loss != CROSS_ENTROPY):
        allowed = "at least 0 and below 1" if loss == CROSS_ENTROPY else f"0 with loss={loss!r}"
        message = f"label_smoothing is {label_smoothing}; it must be {allowed}"
        raise ValueError(message)
    if class_weights is None:
        return
    if loss != CROSS_ENTROPY or len(class_weights) != n_outputs or min(class_weights) <= 0:
        above = f"{n_outputs} numbers above 0"
        allowed = above if loss == CROSS_ENTROPY else f"None with loss={loss!r}"
        message = f"class_weights is {list(class_weights)}; it must be {allowed}"
        raise ValueError(message)
