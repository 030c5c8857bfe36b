"""The multi-layer perceptron, as an ordinary LightningModule."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW, Optimizer

from pipeline.config import TrialConfig
from pipeline.learning.layers import Dropout
from pipeline.learning.lightning import LightningModule

Batch = tuple[Tensor, Tensor]


class MLP(LightningModule):
    """Hidden layers of linear, ReLU, dropout, and a linear layer to the classes.

    It trains in a plain ``Trainer`` with any loader of (images, labels), and the same weights
    come out as when a study trains it (which also sets ``torch.set_flush_denormal``).

    Args:
        config: The trial: depth, widths, dropout rates, optimizer and seeds.
        n_inputs: Values a row.
        n_classes: Classes to tell apart.
    """

    def __init__(self, config: TrialConfig, *, n_inputs: int, n_classes: int) -> None:
        """Build the network, its weights drawn from the trial's own seed."""
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(config.seeds["initialisation"])
            self.network = nn.Sequential(*_layers(config, n_inputs, n_classes))
        self.dropouts = [layer for layer in self.network if isinstance(layer, Dropout)]

    def forward(self, x: Tensor) -> Tensor:
        """Score the classes.

        Args:
            x: float of shape [batch, ...], flattened to [batch, n_inputs].

        Returns:
            Logits of shape [batch, n_classes].
        """
        logits: Tensor = self.network(x.flatten(1))
        return logits

    def set_step(self, step: int) -> None:
        """Tell every dropout layer which training step comes next, from 0."""
        for layer in self.dropouts:
            layer.step = step

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002 - Lightning's signature
        """Compute the mean cross-entropy of a batch, dropout on."""
        self.set_step(self.global_step)
        images, labels = batch
        loss = cross_entropy(self(images), labels).mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 - Lightning's signature
        """Log the loss and the accuracy of a batch, dropout off."""
        images, labels = batch
        logits = self(images)
        self.log("val_loss", cross_entropy(logits, labels).mean())
        self.log("val_accuracy", (logits.argmax(1) == labels).float().mean())

    def configure_optimizers(self) -> Optimizer:
        """Make the optimizer that the trial asks for."""
        return make_optimizer(self.config, list(self.network.parameters()))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Compute each row's cross-entropy (nats) with classes before rows.

    Over a last dimension of ten, log-softmax takes twenty times as long on a CPU.

    Args:
        logits: Shape [rows, classes].
        labels: int64 of shape [rows].

    Returns:
        Shape [rows].
    """
    return functional.cross_entropy(
        logits.float().t().unsqueeze(0), labels.unsqueeze(0), reduction="none"
    ).squeeze(0)


def make_optimizer(config: TrialConfig, parameters: list[nn.Parameter]) -> Optimizer:
    """Make a trial's optimizer; ``fused`` is one kernel a tensor and fixes the bits."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.training.optimizer == "sgd":
        return SGD(parameters, lr=rate, weight_decay=decay, fused=True)
    kind = AdamW if config.training.optimizer == "adamw" else Adam
    return kind(parameters, lr=rate, weight_decay=decay, fused=True)


def _layers(config: TrialConfig, n_inputs: int, n_classes: int) -> Iterator[nn.Module]:
    seed = config.seeds["dropout"]
    yield Dropout(config.input_dropout, seed=seed, layer=0)
    rates = enumerate(zip(config.widths, config.dropouts, strict=True), start=1)
    for layer, (width, rate) in rates:
        yield nn.Linear(n_inputs, width)
        yield nn.ReLU()
        yield Dropout(rate, seed=seed, layer=layer)
        n_inputs = width
    yield nn.Linear(n_inputs, n_classes)
