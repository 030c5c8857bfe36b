"""A member of a cohort: one trial's network, optimizer and curve while it is trained."""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer

from pipeline.learning.failures import describe_failure
from pipeline.learning.mlp import MLP, make_optimizer
from pipeline.learning.rows import Rows
from pipeline.trial import Assignment, EpochScores, TrialState

EVALUATION_ROWS = 500
"""Rows of one evaluation product; part of the arithmetic, so it is fixed."""


class Member:
    """Trains one trial step by step and decides at each epoch's end whether it goes on.

    Args:
        assignment: The trial, its epochs and its stopping rules.
    """

    network: MLP

    def __init__(self, assignment: Assignment) -> None:
        """Start before the first step; ``build`` comes next."""
        self.assignment = assignment
        self.n_parameters = 0
        self.curve: list[EpochScores] = []
        self.state: TrialState | None = None
        self.cause: str | None = None
        self.weights: dict[str, Tensor] | None = None
        self._step = 0
        self._optimizer: Optimizer | None = None

    def build(self, *, n_inputs: int, n_classes: int) -> MLP:
        """Build the network, on the CPU; Lightning moves it."""
        self.network = MLP(self.assignment.config, n_inputs=n_inputs, n_classes=n_classes)
        self.n_parameters = sum(value.numel() for value in self.network.parameters())
        return self.network

    def begin(self) -> Optimizer:
        """Make the optimizer, once the weights are where they will be trained."""
        config = self.assignment.config
        self._optimizer = make_optimizer(config, list(self.network.parameters()))
        self._clear_sums()
        return self._optimizer

    def train_step(self, images: Tensor, labels: Tensor) -> None:
        """Do one optimizer step.

        Args:
            images: float32 of shape [batch, n_inputs].
            labels: int64 of shape [batch].
        """
        assert self._optimizer is not None, "begin() comes before the first step"  # noqa: S101
        self.network.set_step(self._step)
        logits = self.network(images).float()
        loss = functional.cross_entropy(logits, labels)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._step += 1
        self._loss_sum.add_(loss.detach(), alpha=len(labels))
        self._n_right += (logits.detach().argmax(1) == labels).sum()
        self._n_seen += len(labels)

    def end_epoch(
        self,
        *,
        validation: Rows,
        probe: Rows,
        started: float,
        precision: AbstractContextManager[None],
    ) -> EpochScores:
        """Score the epoch with dropout off, and decide whether the trial ends here.

        Args:
            validation: The validation rows.
            probe: The fixed training rows of the curve without dropout.
            started: ``time.perf_counter()`` at the epoch's beginning.
            precision: Lightning's forward context.
        """
        with precision, torch.inference_mode():
            val_loss, val_accuracy = evaluate(self.network, validation)
            no_dropout, _ = evaluate(self.network, probe)
        scores = EpochScores(
            number=self.assignment.config.number,
            epoch=len(self.curve) + 1,
            ended_at_ms=time.time_ns() // 1_000_000,
            train_loss=float(self._loss_sum) / self._n_seen,
            train_accuracy=float(self._n_right) / self._n_seen,
            train_loss_no_dropout=no_dropout,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            learning_rate=self.assignment.config.learning_rate,
            epoch_seconds=time.perf_counter() - started,
        )
        self._clear_sums()
        self._take(scores)
        return scores

    def _take(self, scores: EpochScores) -> None:
        lowest = min((past.val_loss for past in self.curve), default=math.inf)
        self.curve.append(scores)
        if scores.val_loss < lowest:
            self.weights = {
                name: value.detach().cpu().clone()
                for name, value in self.network.state_dict().items()
            }
        self._decide(scores)

    def _decide(self, scores: EpochScores) -> None:
        losses = [past.val_loss for past in self.curve]
        cutoffs, patience = self.assignment.cutoffs, self.assignment.patience
        if not (math.isfinite(scores.val_loss) and math.isfinite(scores.train_loss)):
            self.fail(
                f"diverged: train_loss {scores.train_loss}, val_loss {scores.val_loss} "
                f"at epoch {scores.epoch}"
            )
        elif len(losses) == self.assignment.epochs:
            self.state = TrialState.COMPLETE
        elif cutoffs is not None and (verdict := cutoffs.verdict(losses)):
            self.state, self.cause = TrialState.PRUNED, verdict
        elif patience is not None and len(losses) - 1 - losses.index(min(losses)) >= patience:
            self.state = TrialState.COMPLETE

    @contextmanager
    def failing_alone(self) -> Iterator[None]:
        """End this trial, and no other of its cohort, where what is done for it raises."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - any fault of a trial is recorded as its cause
            self.fail(describe_failure(error))

    def fail(self, cause: str) -> None:
        """End the trial with a cause."""
        self.state, self.cause = TrialState.FAIL, cause

    def weights_file(self) -> bytes | None:
        """The best epoch's weights as a safetensors file."""
        return None if self.weights is None else save(self.weights)

    def _clear_sums(self) -> None:
        device = next(self.network.parameters()).device
        self._loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        self._n_right = torch.zeros((), dtype=torch.int64, device=device)
        self._n_seen = 0


def evaluate(network: MLP, rows: Rows) -> tuple[float, float]:
    """Compute the mean cross-entropy (nats) and the accuracy over rows, dropout off.

    The sum runs over fixed chunks in float64, so that it does not depend on the batch size.
    """
    network.eval()
    loss_sum = torch.zeros((), dtype=torch.float64, device=rows.numbers.device)
    n_right = torch.zeros((), dtype=torch.int64, device=rows.numbers.device)
    for numbers in torch.split(rows.numbers, EVALUATION_ROWS):
        images, labels = rows.take(numbers)
        logits = network(images).float()
        loss_sum += functional.cross_entropy(logits, labels, reduction="sum")
        n_right += (logits.argmax(1) == labels).sum()
    network.train()
    return float(loss_sum) / len(rows), float(n_right) / len(rows)
