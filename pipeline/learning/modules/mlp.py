"""The multi-layer perceptron."""

from collections.abc import Iterator

from torch import nn

from pipeline.config import TrialConfig
from pipeline.learning.modules.layers import Dropout, hidden
from pipeline.learning.modules.network import Network, Seeds
from pipeline.learning.modules.objectives import CrossEntropy


class MLP(Network):
    """Hidden layers of linear, activation, dropout, and a linear layer to the classes.

    Args:
        config: The trial: depth, widths, dropout rates, optimizer and seeds.
        n_inputs: Values a row.
        n_classes: Classes to tell apart.
        seeds: By default the trial's own.
    """

    def __init__(
        self, config: TrialConfig, *, n_inputs: int, n_classes: int, seeds: Seeds | None = None
    ) -> None:
        """Build the network, its weights drawn from the seed."""
        super().__init__(config, objective=CrossEntropy(), seeds=seeds)
        self.build(_layers(config, n_inputs, n_classes, self.seeds["dropout"]))


def _layers(config: TrialConfig, n_inputs: int, n_classes: int, seed: int) -> Iterator[nn.Module]:
    yield Dropout(config.input_dropout, seed=seed, layer=0)
    rates = enumerate(zip(config.widths, config.dropouts, strict=True), start=1)
    for layer, (width, rate) in rates:
        yield from hidden(config, n_inputs, width, rate=rate, seed=seed, layer=layer)
        n_inputs = width
    yield nn.Linear(n_inputs, n_classes)
