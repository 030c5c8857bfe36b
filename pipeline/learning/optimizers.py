"""The optimizers and schedules that a study file can name."""

import math

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from pipeline.config import TrialConfig


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
