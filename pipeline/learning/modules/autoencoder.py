"""The autoencoder: rows to a few units and back."""

from collections.abc import Iterator

from torch import nn

from pipeline.config import TrialConfig
from pipeline.learning.modules.layers import Dropout, hidden
from pipeline.learning.modules.network import Network, Seeds
from pipeline.learning.modules.objectives import Reconstruction


class Autoencoder(Network):
    """The encoder's layers as in the MLP, the same widths and rates back, a linear output.

    Depth 2 and widths 512, 256 make 784-512-256-512-784. The loss is the mean squared error over
    the values of a row; ``input_dropout`` makes it a denoising one (Vincent et al. 2008).

    Args:
        config: The trial: depth, widths, dropout rates, optimizer and seeds.
        n_inputs: Values a row.
        seeds: By default the trial's own.
    """

    def __init__(self, config: TrialConfig, *, n_inputs: int, seeds: Seeds | None = None) -> None:
        """Build the network, its weights drawn from the seed."""
        super().__init__(config, objective=Reconstruction(), seeds=seeds)
        self.build(_layers(config, n_inputs, self.seeds["dropout"]))


def _layers(config: TrialConfig, n_inputs: int, seed: int) -> Iterator[nn.Module]:
    yield Dropout(config.input_dropout, seed=seed, layer=0)
    encoder = list(zip(config.widths, config.dropouts, strict=True))
    n_units = n_inputs
    for layer, (width, rate) in enumerate([*encoder, *encoder[-2::-1]], start=1):
        yield from hidden(config, n_units, width, rate=rate, seed=seed, layer=layer)
        n_units = width
    yield nn.Linear(n_units, n_inputs)
