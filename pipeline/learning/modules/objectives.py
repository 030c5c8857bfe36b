"""What networks are trained for: the loss of each row, by autograd and for a whole stack.

Classes are laid out before rows: over a last dimension of ten, log-softmax takes twenty times as
long on a CPU.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional


class Measured(NamedTuple):
    """The scores of a stack's outputs.

    Attributes:
        losses: Each row's, float32 of shape [K, rows].
        correct: Whether the label has the highest score, bool of shape [K, rows]; ``None`` where
            nothing is classified.
        gradient_of: What ``Objective.gradient`` needs.
    """

    losses: Tensor
    correct: Tensor | None
    gradient_of: Tensor


class Objective(Protocol):
    """A loss: the mean over rows is what training lowers."""

    def losses(self, outputs: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Compute each row's loss, for autograd.

        Args:
            outputs: The network's, [rows, n_outputs].
            images: What it was given, [rows, n_inputs].
            labels: int64 of shape [rows].

        Returns:
            float32 of shape [rows].
        """

    def correct(self, outputs: Tensor, labels: Tensor) -> Tensor | None:
        """Whether each row is classified correctly, bool [..., rows]; ``None``: no classes."""

    def measure(self, outputs: Tensor, images: Tensor, labels: Tensor) -> Measured:
        """Measure a stack's outputs, float32 of shape [K, rows, n_outputs]."""

    def gradient(self, measured: Measured, labels: Tensor) -> Tensor:
        """The gradient of each member's mean loss, [K, rows, n_outputs], bit for bit autograd's."""


class CrossEntropy:
    """Tell classes apart: cross-entropy in nats."""

    def losses(self, outputs: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Compute each row's cross-entropy."""
        del images
        return cross_entropy(outputs, labels)

    def correct(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Whether the label has the highest score."""
        return outputs.argmax(-1) == labels

    def measure(self, outputs: Tensor, images: Tensor, labels: Tensor) -> Measured:
        """Measure a stack's logits."""
        del images
        log_p, picked = log_likelihoods(outputs, labels)
        return Measured(-picked, self.correct(outputs, labels), log_p)

    def gradient(self, measured: Measured, labels: Tensor) -> Tensor:
        """The gradient of the logits."""
        return loss_gradient(measured.gradient_of, labels)


class Reconstruction:
    """Give back what was given: the mean squared error over a row's values."""

    def losses(self, outputs: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Compute each row's mean squared error."""
        del labels
        return (outputs.float() - images.flatten(1)).square().mean(1)

    def correct(self, outputs: Tensor, labels: Tensor) -> None:
        """Nothing is classified."""

    def measure(self, outputs: Tensor, images: Tensor, labels: Tensor) -> Measured:
        """Measure a stack's reconstructions."""
        del labels
        errors = outputs - images
        return Measured(errors.square().mean(2), None, errors)

    def gradient(self, measured: Measured, labels: Tensor) -> Tensor:
        """The gradient of the reconstructions."""
        errors = measured.gradient_of
        share = torch.ones((), device=errors.device) / len(labels) / errors.shape[2]
        return errors * (2 * share)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Compute each row's cross-entropy in nats, with classes before rows.

    Args:
        logits: Shape [rows, classes].
        labels: int64 of shape [rows].

    Returns:
        Shape [rows].
    """
    return functional.cross_entropy(
        logits.float().t().unsqueeze(0), labels.unsqueeze(0), reduction="none"
    ).squeeze(0)


def log_likelihoods(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities, and what each row's label has of them.

    Args:
        logits: float32 of shape [K, rows, classes].
        labels: int64 of shape [rows].

    Returns:
        Log-probabilities of shape [K, classes, rows], and those of the labels, [K, rows].
    """
    log_p = torch.log_softmax(logits.transpose(1, 2).contiguous(), 1)
    return log_p, log_p.gather(1, labels.expand(len(logits), 1, -1)).squeeze(1)


def loss_gradient(log_p: Tensor, labels: Tensor) -> Tensor:
    """The gradient of each member's mean cross-entropy with respect to its logits.

    Args:
        log_p: Log-probabilities, [K, classes, rows].
        labels: int64 of shape [rows].

    Returns:
        Of shape [K, rows, classes].
    """
    picked = torch.zeros_like(log_p[0]).scatter_(0, labels.unsqueeze(0), -1 / len(labels))
    # What autograd itself calls for log_softmax: to the bit the gradient of cross_entropy.
    gradient: Tensor = torch.ops.aten._log_softmax_backward_data(  # noqa: SLF001 - no other name
        picked.expand_as(log_p), log_p, 1, torch.float32
    )
    return gradient.transpose(1, 2)
