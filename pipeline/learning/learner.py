"""A network being trained: one a trial, or one for each fold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from pipeline.config import TrialConfig, derive_seed
from pipeline.learning.networks import Network, Seeds, build_network
from pipeline.learning.optimizers import learning_rate_at, make_optimizer
from pipeline.learning.rows import Rows
from pipeline.learning.scores import Scores

if TYPE_CHECKING:
    from pipeline.learning.member import Member


@dataclass(frozen=True)
class Parts:
    """The rows of a study, or of one of its folds.

    Attributes:
        training: The rows to train on.
        validation: The rows that decide; ``None`` where nothing is validated.
        probe: The training rows that are scored with dropout off.
        image_shape: Of one row: (H, W), (C, H, W) or (n,).
    """

    training: Rows
    validation: Rows | None
    probe: Rows
    image_shape: tuple[int, ...]
    n_classes: int

    def to(self, device: torch.device) -> "Parts":
        """Hold the rows on another device."""
        validation = self.validation and self.validation.to(device)
        training, probe = self.training.to(device), self.probe.to(device)
        return replace(self, training=training, validation=validation, probe=probe)


@dataclass(frozen=True)
class Measures:
    """What an epoch came to: losses and accuracies, NaN where something is not measured."""

    train: Scores
    no_dropout: Scores
    validation: Scores


class Learner:
    """What is trained on the rows of one fold, or of the study where it has no folds.

    Args:
        member: The trial that it belongs to.
        fold: Counted from 1; 0 where the study has no folds.

    Attributes:
        place: Its place among those that it is trained as one with, ``n_companions`` in all.
        alone_because: Why it is not fused with others; ``None`` where it may be.
        measures: Of the last epoch.
    """

    network: Network
    optimizer: Optimizer
    measures: Measures

    def __init__(self, member: "Member", fold: int) -> None:
        """Start before the first step; ``build`` comes next."""
        self.member = member
        self.fold = fold
        self.place, self.n_companions = 0, 1
        self.alone_because: str | None = None
        self._kept: Mapping[str, Any] | None = None

    @property
    def config(self) -> TrialConfig:
        """The trial's setting."""
        return self.member.assignment.config

    def build(self, parts: Parts) -> Network:
        """Build the network, on the CPU; Lightning moves it."""
        self.network = build_network(
            self.config,
            image_shape=parts.image_shape,
            n_classes=parts.n_classes,
            seeds=seeds_of(self.config, self.fold),
        )
        return self.network

    def begin(self) -> Optimizer:
        """Make the optimizer, once the weights are where they will be trained."""
        self.optimizer = make_optimizer(self.config, list(self.network.parameters()))
        if self._kept is not None:
            self.network.load_state_dict(self._kept["network"])
            self.optimizer.load_state_dict(self._kept["optimizer"])
            self._kept = None
        return self.optimizer

    def state(self) -> dict[str, Any]:
        """All that its next step depends on, beside the number of that step."""
        weights = dict(self.network.state_dict())
        return {"network": weights, "optimizer": self.optimizer.state_dict()}

    def take_up(self, state: Mapping[str, Any]) -> None:
        """Go on from a state: ``begin`` will put it in place."""
        self._kept = state

    def begin_epoch(self, epoch: int) -> None:
        """Set the learning rate of an epoch, counted from 1."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(self.config, epoch)

    def weights(self) -> Mapping[str, Tensor]:
        """Copy the weights as they are; those of a fold are named ``fold_1.…``."""
        prefix = f"fold_{self.fold}." if self.fold else ""
        return {
            f"{prefix}{name}": value.detach().cpu().clone()
            for name, value in self.network.state_dict().items()
        }


def seeds_of(config: TrialConfig, fold: int) -> Seeds:
    """The seeds of a trial's network on one fold; 0: the trial's own."""
    if not fold:
        return config.seeds
    own = ("initialisation", "dropout")
    return {name: derive_seed(config.seeds[name], "fold", fold) for name in own}
