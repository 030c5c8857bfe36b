"""A network that has no stacked form, trained by autograd."""

import torch
from torch import Tensor
from torch.optim import Optimizer

from pipeline.learning.cohort.rows import EVALUATION_ROWS, Rows, RowScores, Scores
from pipeline.learning.modules.build import Network


class Separate:
    """Trains one network; the same to its cohort as a stack of one.

    Args:
        network: Any that maps rows to outputs and knows its objective.
        optimizer: The network's own.
        first_step: How many steps it has been trained for.
        is_mixed: Whether products take bfloat16 factors.
    """

    def __init__(
        self, network: Network, optimizer: Optimizer, *, first_step: int, is_mixed: bool
    ) -> None:
        """Take the network over as it is."""
        self.n_steps = first_step
        self._network = network
        self._optimizer = optimizer
        self._scores = RowScores()
        device = next(network.parameters()).device
        # Weights change each step, and evaluation makes no gradients: a cache would be wrong.
        self._precision = torch.autocast(
            device.type, torch.bfloat16, enabled=is_mixed, cache_enabled=False
        )

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Do one optimizer step.

        Args:
            images: float32 of shape [batch, n_inputs].
            labels: int64 of shape [batch].
        """
        self._network.set_step(self.n_steps)
        with self._precision:
            outputs = self._network(images)
        losses = self._network.objective.losses(outputs, images, labels)
        self._optimizer.zero_grad(set_to_none=True)
        losses.mean().backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._network.constrain()
        self.n_steps += 1
        self._add(self._scores, losses.detach(), outputs, labels)

    def train_scores(self) -> list[Scores]:
        """The network's loss and accuracy over the steps since this was last asked."""
        return self._scores.take()

    def evaluate(self, rows: Rows) -> list[Scores]:
        """The network's mean loss and accuracy over rows, dropout off."""
        scores = RowScores()
        self._network.eval()
        with self._precision, torch.no_grad():
            for numbers in torch.split(rows.numbers, EVALUATION_ROWS):
                images, labels = rows.take(numbers)
                outputs = self._network(images)
                losses = self._network.objective.losses(outputs, images, labels)
                self._add(scores, losses, outputs, labels)
        self._network.train()
        return scores.take()

    def _add(self, scores: RowScores, losses: Tensor, outputs: Tensor, labels: Tensor) -> None:
        right = self._network.objective.right(outputs, labels)
        scores.add(losses.unsqueeze(0), None if right is None else right.unsqueeze(0))
