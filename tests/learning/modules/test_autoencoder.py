"""Pictures of what an autoencoder has learned."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load

from pipeline.learning.cohort.rows import load_splits
from pipeline.learning.data import PreparedData
from tests.learning.trials import fit_one, trial


def pixels(content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A grey PNG's pixels."""
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.mode == "L"
        return np.asarray(picture)


def test_a_weight_map_shows_each_units_incoming_weights(digits: PreparedData) -> None:
    outcome = fit_one(digits, trial(model="autoencoder", width=9, depth=1))
    assert set(outcome.pictures) == {"weight_map.png", "reconstructions.png"}
    assert outcome.weights is not None
    weights = load(outcome.weights)["network.1.weight"]
    shown = pixels(outcome.pictures["weight_map.png"])
    factor = shown.shape[0] // (3 * 9 + 1)
    assert shown.shape == (28 * factor, 28 * factor)
    small = shown[::factor, ::factor]
    unit = weights[4].view(8, 8)
    expected = (0.5 + 0.5 * unit / unit.abs().max()).mul(255).round().to(torch.uint8)
    assert (small[10:18, 10:18] == expected.numpy()).all()


def test_reconstructions_stand_below_the_rows_that_they_are_of(digits: PreparedData) -> None:
    config = trial(model="autoencoder", training={"epochs": 12}, width=48, dropout=0.0)
    outcome = fit_one(digits, config)
    shown = pixels(outcome.pictures["reconstructions.png"])
    factor = shown.shape[1] // (16 * 9 + 1)
    small = shown[::factor, ::factor]
    assert small.shape == (2 * 9 + 1, 16 * 9 + 1)
    ((parts,), _) = load_splits(digits, config.data, config.seeds["split"], is_refit=False)
    assert parts.validation is not None
    images, _ = parts.validation.take(parts.validation.numbers[:16])
    third = images[2].view(8, 8).mul(255).round().to(torch.uint8).numpy()
    assert (small[1:9, 19:27] == third).all()
    again = small[10:18, 19:27].astype(float)
    assert np.corrcoef(third.ravel(), again.ravel())[0, 1] > 0.7


@pytest.mark.parametrize("params", [{"model": "mlp"}, {"model": "cnn"}], ids=["mlp", "cnn"])
def test_other_networks_have_no_pictures(digits: PreparedData, params: dict[str, str]) -> None:
    outcome = fit_one(digits, trial(**params, training={"epochs": 1}))  # type: ignore[arg-type]
    assert outcome.pictures == {}
