"""What networks are trained for: the loss of each row, by autograd and for a whole stack.

Classes are laid out before rows: over a last dimension of ten, log-softmax takes twenty times as
long on a CPU.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional


class Measured(NamedTuple):
    """The scores of a stack's outputs.

    Attributes:
        losses: Each row's, float32 of shape [K, rows].
        marks: What other scores are made of: see ``Criterion.marks``.
        gradient_of: What ``Criterion.gradient`` needs.
    """

    losses: Tensor
    marks: Tensor | None
    gradient_of: Tensor


class Criterion(Protocol):
    """A loss: the mean over rows is what training lowers."""

    def losses(self, outputs: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Compute each row's loss, for autograd.

        Args:
            outputs: The network's, [rows, n_outputs].
            images: What it was given, [rows, n_inputs].
            labels: int64 of shape [rows], or float32 of shape [rows] or [rows, n_targets].

        Returns:
            float32 of shape [rows].
        """

    def optimized(self, outputs: Tensor, labels: Tensor) -> Tensor | None:
        """Each row's loss as training lowers it; ``None`` where that is the loss itself."""

    def marks(self, outputs: Tensor, labels: Tensor) -> Tensor | None:
        """What other scores of rows are made of.

        Returns:
            Of classes whether the label has the highest score, bool [..., rows]; of targets each
            one's error in its own units, float32 [..., rows, n_targets]; else ``None``.
        """

    def predictions(self, outputs: Tensor) -> Tensor:
        """What outputs stand for: logits, reconstructions, or targets in their own units."""

    def measure(self, outputs: Tensor, images: Tensor, labels: Tensor) -> Measured:
        """Measure a stack's outputs, float32 of shape [K, rows, n_outputs]."""

    def gradient(self, measured: Measured, labels: Tensor) -> Tensor:
        """The gradient of each member's mean loss, [K, rows, n_outputs], bit for bit autograd's."""


class CrossEntropy:
    r"""Tell classes apart: cross-entropy in nats.

    What is optimised may differ from it; what is scored never does. Of a row with label :math:`y`
    it is :math:`-w_y \sum_c q_c \log p_c`, where :math:`q_c` is :math:`\varepsilon / C`, and
    :math:`1 - \varepsilon` more for the label (Szegedy et al., "Rethinking the Inception
    Architecture for Computer Vision", section 7: https://arxiv.org/abs/1512.00567).

    Args:
        label_smoothing: :math:`\varepsilon`.
        class_weights: :math:`w`, one for each class; ``None``: 1.
    """

    def __init__(
        self, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None
    ) -> None:
        self.label_smoothing = label_smoothing
        self.class_weights = class_weights

    @property
    def is_plain(self) -> bool:
        """Whether the loss itself is optimised."""
        return self.label_smoothing == 0 and self.class_weights is None

    def losses(self, outputs: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Compute each row's cross-entropy."""
        del images
        return cross_entropy(outputs, labels)

    def optimized(self, outputs: Tensor, labels: Tensor) -> Tensor | None:
        """Each row's weighted cross-entropy with the smoothed label."""
        if self.is_plain:
            return None
        log_p, _ = log_likelihoods(outputs.float().unsqueeze(0), labels)
        return -(log_p * _label_shares([self], log_p, labels)).sum(1).squeeze(0)

    def marks(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Whether the label has the highest score."""
        return outputs.argmax(-1) == labels

    def predictions(self, outputs: Tensor) -> Tensor:
        """The logits."""
        return outputs

    def measure(self, outputs: Tensor, images: Tensor, labels: Tensor) -> Measured:
        """Measure a stack's logits."""
        del images
        log_p, picked = log_likelihoods(outputs, labels)
        return Measured(-picked, self.marks(outputs, labels), log_p)

    def gradient(self, measured: Measured, labels: Tensor) -> Tensor:
        """The gradient of the logits."""
        return loss_gradient(measured.gradient_of, labels)


class StackedCrossEntropy(CrossEntropy):
    """The cross-entropies of a stack's members, of which each may optimise another one.

    Args:
        members: One of each network.
    """

    def __init__(self, members: Sequence[CrossEntropy]) -> None:
        super().__init__()
        self._members = members

    def gradient(self, measured: Measured, labels: Tensor) -> Tensor:
        """The gradient of the logits."""
        log_p = measured.gradient_of
        share = torch.ones((), device=log_p.device) / len(labels)
        return _logits_gradient(_label_shares(self._members, log_p, labels) * -share, log_p)


def stack_criteria(criteria: Sequence[Criterion]) -> Criterion:
    """Make the criterion of a stack from those of its members, which are of one kind."""
    members = [one for one in criteria if isinstance(one, CrossEntropy)]
    return criteria[0] if all(one.is_plain for one in members) else StackedCrossEntropy(members)


def _label_shares(members: Sequence[CrossEntropy], log_p: Tensor, labels: Tensor) -> Tensor:
    """What each class counts for in a row's optimised loss, [K, classes, rows]."""
    n_classes, device = log_p.shape[1], log_p.device
    smoothing = torch.tensor([one.label_smoothing for one in members], device=device).view(-1, 1, 1)
    label = torch.zeros_like(log_p[:1]).scatter_(1, labels.view(1, 1, -1), 1.0)
    shares = label * (1 - smoothing) + smoothing / n_classes
    if all(one.class_weights is None for one in members):
        return shares
    weights = [one.class_weights or [1.0] * n_classes for one in members]
    return shares * torch.tensor(weights, device=device)[:, labels].unsqueeze(1)


class Reconstruction:
    """Give back what was given: the mean squared error over a row's values."""

    def losses(self, outputs: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Compute each row's mean squared error."""
        del labels
        return (outputs.float() - images.flatten(1)).square().mean(1)

    def optimized(self, outputs: Tensor, labels: Tensor) -> None:
        """The loss itself is optimised."""

    def marks(self, outputs: Tensor, labels: Tensor) -> None:
        """Nothing but the loss is scored."""

    def predictions(self, outputs: Tensor) -> Tensor:
        """The reconstructions."""
        return outputs

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
    return _logits_gradient(picked.expand_as(log_p), log_p)


def _logits_gradient(gradient: Tensor, log_p: Tensor) -> Tensor:
    """Turn the gradient of log-probabilities, [K, classes, rows], into that of the logits."""
    # What autograd itself calls for log_softmax: to the bit the gradient of cross_entropy.
    of_logits: Tensor = torch.ops.aten._log_softmax_backward_data(  # noqa: SLF001 - no other name
        gradient, log_p, 1, torch.float32
    )
    return of_logits.transpose(1, 2)
