"""The network of a setting, as anyone writes it."""

from torch import nn

from benchmarks.rows import N_CLASSES
from benchmarks.settings import Setting


def sequential(setting: Setting, *, n_inputs: int) -> nn.Sequential:
    """Linear, ReLU, dropout for each hidden layer; no dropout layer where nothing is dropped."""
    layers: list[nn.Module] = [nn.Dropout(setting.input_dropout)] if setting.input_dropout else []
    for rate in setting.dropouts:
        layers += [nn.Linear(n_inputs, setting.width), nn.ReLU(), nn.Dropout(rate)]
        n_inputs = setting.width
    return nn.Sequential(*layers, nn.Linear(n_inputs, N_CLASSES))
