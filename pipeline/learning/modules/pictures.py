"""What an autoencoder has learned, as pictures."""

import io
import math
from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor

from pipeline.learning.cohort.member import Learner
from pipeline.learning.cohort.rows import SplitTensors
from pipeline.learning.modules.build import Autoencoder

N_UNITS: Final = 256
"""At most so many units are shown in a weight map."""
N_ROWS: Final = 16
"""So many rows of the validation set are shown beside their reconstructions."""
SMALLEST_SIDE: Final = 480
"""Pictures are enlarged by whole numbers until they are so many pixels wide."""


def draw(learner: Learner, weights: Mapping[str, Tensor], parts: SplitTensors) -> dict[str, bytes]:
    """Draw an autoencoder's weights and reconstructions at its best epoch.

    Args:
        learner: Its network; the weights replace what it holds.
        weights: The best epoch's, by name.
        parts: The rows; the first of the validation set (or of the probe) are reconstructed.

    Returns:
        PNG files by artifact name; nothing for other networks and for rows that are no images.
    """
    network = learner.network
    if not isinstance(network, Autoencoder) or len(parts.image_shape) == 1:
        return {}
    network.load_state_dict(dict(weights))
    network.eval()
    rows = parts.validation or parts.probe
    images, _ = rows.take(rows.numbers[:N_ROWS])
    with torch.no_grad():
        again = network(images)
    to_tile = _tiles(parts.image_shape)
    return {
        "weight_map.png": _png(_weight_map(network, to_tile)),
        "reconstructions.png": _png(_grid(to_tile(torch.cat([images, again])), N_ROWS)),
    }


def _tiles(image_shape: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    """Give rows their pixels back: [n, n_inputs] to [n, 1 or 3, H, W]."""
    shape = (1, *image_shape)[-3:]
    return lambda rows: rows.detach().cpu().float().reshape(-1, *shape)


def _weight_map(network: Autoencoder, to_tile: Callable[[Tensor], Tensor]) -> Tensor:
    """Each hidden unit's incoming weights as a tile: grey is 0, white the unit's largest."""
    weight = next(part for part in network.network if hasattr(part, "weight")).weight
    assert isinstance(weight, Tensor)  # noqa: S101 - the encoder's first layer
    weight = weight.detach()[:N_UNITS]
    largest = weight.abs().amax(1, keepdim=True).clamp_min(1e-12)
    return _grid(to_tile(0.5 + 0.5 * weight / largest), math.ceil(math.sqrt(len(weight))))


def _grid(tiles: Tensor, n_columns: int) -> Tensor:
    """Lay tiles out in rows, a line between them: uint8 of shape [1 or 3, height, width]."""
    n_rows = math.ceil(len(tiles) / n_columns)
    channels, height, width = tiles.shape[1:]
    grid = torch.full((channels, n_rows * (height + 1) + 1, n_columns * (width + 1) + 1), 0.0)
    for place, tile in enumerate(tiles):
        top = place // n_columns * (height + 1) + 1
        left = place % n_columns * (width + 1) + 1
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
