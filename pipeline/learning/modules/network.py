"""What the built-in networks have in common, as an ordinary LightningModule."""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from pipeline.config import TrialConfig
from pipeline.learning.lightning import LightningModule
from pipeline.learning.modules.layers import Dropping
from pipeline.learning.modules.objectives import Objective

Batch = tuple[Tensor, Tensor]
Seeds = Mapping[str, int]


class Network(LightningModule):
    """Layers in a row and what they are trained for.

    It trains in a plain ``Trainer`` with any loader of (images, labels), and the same weights
    come out as when a study trains it (which also sets ``torch.set_flush_denormal``).

    Args:
        config: The trial: layers, dropout rates, optimizer.
        objective: The loss.
        seeds: Of the initial weights and of dropout; by default the trial's own.
    """

    network: nn.Sequential

    def __init__(
        self, config: TrialConfig, *, objective: Objective, seeds: Seeds | None = None
    ) -> None:
        """Note what the network is for; ``build`` makes its layers."""
        super().__init__()
        self.config = config
        self.objective = objective
        self.seeds = seeds or config.seeds

    def build(self, layers: Iterable[nn.Module]) -> None:
        """Make the layers, their weights drawn one after another from the seed."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seeds["initialisation"])
            self.network = nn.Sequential(*layers)
        self.dropping = [part for part in self.network.modules() if isinstance(part, Dropping)]
        weighing = [part for part in self.network if isinstance(part, nn.Linear | nn.Conv2d)]
        self._hidden = weighing[:-1]

    def forward(self, x: Tensor) -> Tensor:
        """Map rows to outputs.

        Args:
            x: float of shape [batch, ...], flattened to [batch, n_inputs].

        Returns:
            Logits or reconstructions, [batch, n_outputs].
        """
        outputs: Tensor = self.network(x.flatten(1))
        return outputs

    def set_step(self, step: int) -> None:
        """Tell every dropout layer which training step comes next, from 0."""
        for part in self.dropping:
            part.step = step

    @torch.no_grad()
    def constrain(self) -> None:
        """Shrink each hidden unit's incoming weights to the largest norm, if there is one."""
        if self.config.max_norm is None:
            return
        for part in self._hidden:
            part.weight.copy_(torch.renorm(part.weight, 2, 0, self.config.max_norm))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002 - Lightning's signature
        """Compute the mean loss of a batch, dropout on."""
        self.set_step(self.global_step)
        images, labels = batch
        loss = self.objective.losses(self(images), images, labels).mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 - Lightning's signature
        """Keep the weights within their norm after each step."""
        self.constrain()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 - Lightning's signature
        """Log the loss and the accuracy of a batch, dropout off."""
        images, labels = batch
        outputs = self(images)
        self.log("val_loss", self.objective.losses(outputs, images, labels).mean())
        right = self.objective.right(outputs, labels)
        if right is not None:
            self.log("val_accuracy", right.float().mean())

    def configure_optimizers(self) -> Optimizer:
        """Make the optimizer that the trial asks for."""
        return make_optimizer(self.config, list(self.network.parameters()))

    def on_train_epoch_start(self) -> None:
        """Set the epoch's learning rate."""
        rate = learning_rate_at(self.config, 1 + self.current_epoch)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate


def make_optimizer(config: TrialConfig, parameters: list[nn.Parameter]) -> Optimizer:
    """Make a trial's optimizer; ``fused`` is one kernel a tensor and fixes the bits."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.training.optimizer == "sgd":
        return SGD(parameters, lr=rate, weight_decay=decay, fused=True)
    kind = AdamW if config.training.optimizer == "adamw" else Adam
    return kind(parameters, lr=rate, weight_decay=decay, fused=True)


def learning_rate_at(config: TrialConfig, epoch: int) -> float:
    """A trial's learning rate in an epoch, counted from 1.

    ``cosine`` falls from the trial's own towards 0 behind the study's last epoch (Loshchilov and
    Hutter 2017, without restarts).
    It follows from the study's epochs, not from those that the trial gets: a trial that is cut
    short, or trained again for as long as it was, takes the same way.
    """
    if config.schedule == "constant":
        return config.learning_rate
    share = (epoch - 1) / config.training.epochs
    return config.learning_rate * (1 + math.cos(math.pi * share)) / 2
