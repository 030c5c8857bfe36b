"""Models that do not suit their data are refused before anything is built."""

import subprocess
import sys

import pytest

from pipeline.config import StudyConfig, check_study
from pipeline.config.study import check_model_fits_data
from pipeline.errors import BadInputError


def study(model: str, **space: object) -> StudyConfig:
    """A study of some model."""
    blocks = {"blocks": {"low": 1, "high": 3}, "filters": 4, "block_dropout": 0.1}
    shared = {"depth": 1, "width": 8, "dropout": 0.1, "batch_size": 32, "learning_rate": 0.01}
    return check_study(
        {
            "name": "suits",
            "data": {"name": "digits"},
            "model": {"name": model},
            "space": (blocks if model == "cnn" else {}) | shared | space,
            "training": {"epochs": 1},
            "search": {"trials": 1},
        },
        "suits.yaml",
    )


@pytest.mark.parametrize("image_shape", [(8, 8), (3, 8, 9), (28, 28)])
def test_images_that_every_block_can_halve_suit_a_cnn(image_shape: tuple[int, ...]) -> None:
    check_model_fits_data(study("cnn"), image_shape, where="suits.yaml")


def test_more_blocks_than_an_image_can_be_halved_are_refused() -> None:
    with pytest.raises(BadInputError, match=r"space\.blocks.*got 3, expected at most 2.*4 x 7"):
        check_model_fits_data(study("cnn"), (4, 7), where="suits.yaml")


def test_rows_that_are_no_images_do_not_suit_a_cnn() -> None:
    with pytest.raises(BadInputError, match=r"model\.name: cnn needs images, .* rows of 20 values"):
        check_model_fits_data(study("cnn"), (20,), where="suits.yaml")


@pytest.mark.parametrize("model", ["mlp", "autoencoder"])
def test_other_models_take_any_rows(model: str) -> None:
    check_model_fits_data(study(model), (1,), where="suits.yaml")


def test_checking_a_study_imports_no_torch() -> None:
    """The driver checks while the workers import: it must not import torch for that (5 s)."""
    script = (
        "import sys; import pipeline.app.study, pipeline.search.driver, pipeline.tracking.ledger; "
        "from pipeline.config.study import check_model_fits_data, check_study; "
        f"check_model_fits_data(check_study({study('cnn').document!r}, 'x'), (28, 28), where='x'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
