"""The autoencoder: rows to a few units and back, and pictures of what it has learned."""

import io
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn

from pipeline.config import TrialConfig
from pipeline.learning.modules.criteria import Criterion, Reconstruction
from pipeline.learning.modules.layers import DenseLayers, check_each
from pipeline.learning.modules.network import Network, Optimization, shared_arguments

N_UNITS: Final = 256
"""At most so many units are shown in a weight map."""
SMALLEST_SIDE: Final = 480
"""Pictures are enlarged by whole numbers until they are so many pixels wide."""


class Autoencoder(Network):
    """The encoder's layers as in the MLP, the same widths and rates back, a linear output.

    Widths 512, 256 make 784-512-256-512-784. The loss is the mean squared error over the values of
    a row; ``input_dropout`` makes it a denoising one (Vincent et al., "Extracting and Composing
    Robust Features with Denoising Autoencoders", ICML 2008: https://doi.org/10.1145/1390156.1390294).

    Args:
        n_inputs: Values of a row.
        widths: Units of each of the encoder's layers, at least one.
        dropouts: The probability to drop in each of the encoder's layers.
        input_dropout: The probability to drop an input value.
        activation: What follows each hidden layer: ``relu``, ``tanh``, ``sigmoid``, ``gelu``,
            ``silu``, ``elu``, ``selu`` or ``leaky-relu``.
        regularizer: What is dropped: ``dropout`` (units) or ``dropconnect`` (connections).
        optimizer: ``adamw``, ``adam`` or ``sgd``.
        learning_rate: The optimizer's step size.
        weight_decay: The optimizer's weight decay.
        max_norm: The largest Euclidean norm of a hidden unit's incoming weights; ``None``: any.
        schedule: Of the learning rate: ``constant``, or ``cosine`` over so many ``epochs``.
        epochs: Needed by ``cosine`` alone.
        seed: Of the initial weights.
        dropout_seed: Of the dropout masks; by default derived from ``seed``.

    Raises:
        ValueError: An argument is not allowed.
    """

    criterion: Criterion = Reconstruction()
    learns_labels: ClassVar[bool] = False

    def __init__(  # noqa: PLR0913 - a table of plain arguments
        self,
        n_inputs: int,
        *,
        widths: Sequence[int],
        dropouts: Sequence[float],
        input_dropout: float = 0.0,
        activation: str = "relu",
        regularizer: str = "dropout",
        optimizer: str = "adamw",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        max_norm: float | None = None,
        schedule: str = "constant",
        epochs: int | None = None,
        seed: int = 0,
        dropout_seed: int | None = None,
    ) -> None:
        super().__init__(
            Optimization(optimizer, learning_rate, weight_decay, max_norm, schedule, epochs),
            seed=seed,
            dropout_seed=dropout_seed,
        )
        self.save_hyperparameters()
        check_each("widths", widths, "dropouts", dropouts)
        if not widths:
            message = "widths is empty; an encoder has at least one layer"
            raise ValueError(message)
        layers = DenseLayers(
            [*widths, *widths[-2::-1]],
            [*dropouts, *dropouts[-2::-1]],
            input_dropout,
            activation,
            regularizer,
            self.dropout_seed,
        )
        self.build(layers.perceptron(n_inputs, n_inputs))

    @classmethod
    def arguments(
        cls, config: TrialConfig, image_shape: tuple[int, ...], n_outputs: int
    ) -> dict[str, Any]:
        """The constructor's arguments for a trial."""
        del n_outputs
        return {"n_inputs": math.prod(image_shape)} | shared_arguments(config)

    def draw(self, images: Tensor) -> dict[str, bytes]:
        """Draw the first layer's weights, and images above their reconstructions.

        Args:
            images: float32 of shape [rows, (C,) H, W]; rows that are no images are not drawn.

        Returns:
            PNG files by artifact name.
        """
        if images.dim() < 3:  # noqa: PLR2004 - rows, height, width
            return {}
        tile = (1, *images.shape[1:])[-3:]
        with torch.no_grad():
            again = self(images).view(images.shape)
        tiles = torch.cat([images, again]).cpu().view(-1, *tile)
        return {
            "weight_map.png": _png(_weight_map(self._hidden[0], tile)),
            "reconstructions.png": _png(_grid(tiles, len(images))),
        }


def _weight_map(layer: nn.Module, tile: tuple[int, ...]) -> Tensor:
    """Each hidden unit's incoming weights as a tile: grey is 0, white the unit's largest."""
    assert isinstance(layer.weight, Tensor)  # noqa: S101 - the encoder's first layer
    weight = layer.weight.detach().cpu()[:N_UNITS]
    largest = weight.abs().amax(1, keepdim=True).clamp_min(1e-12)
    tiles = (0.5 + 0.5 * weight / largest).reshape(-1, *tile)
    return _grid(tiles, math.ceil(math.sqrt(len(tiles))))


def _grid(tiles: Tensor, n_columns: int) -> Tensor:
    """Lay tiles out in rows, a line between them: uint8 of shape [1 or 3, height, width]."""
    n_rows = math.ceil(len(tiles) / n_columns)
    channels, height, width = tiles.shape[1:]
    grid = torch.full((channels, n_rows * (height + 1) + 1, n_columns * (width + 1) + 1), 0.0)
    for i, tile in enumerate(tiles):
        top = i // n_columns * (height + 1) + 1
        left = i % n_columns * (width + 1) + 1
        grid[:, top : top + height, left : left + width] = tile
    return grid.clamp(0, 1).mul(255).round().to(torch.uint8)


def _png(picture: Tensor) -> bytes:
    from PIL import Image

    factor = math.ceil(SMALLEST_SIDE / picture.shape[2])
    pixels = picture.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    pixels = pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(pixels.contiguous().numpy()).save(file, "PNG", optimize=True)
    return file.getvalue()
