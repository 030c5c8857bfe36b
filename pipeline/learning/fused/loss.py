"""The cross-entropy of a stack and its gradient.

Classes stand before rows, as in ``pipeline.learning.objectives.cross_entropy``: over a last
dimension of ten, log-softmax takes twenty times as long on a CPU.
"""

import torch
from torch import Tensor


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
