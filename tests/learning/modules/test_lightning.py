"""The built-in networks as anybody's LightningModules."""

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from pipeline import CNN, MLP, Autoencoder
from pipeline.config import derive_seed
from pipeline.learning.data import PreparedData
from pipeline.learning.lightning import Trainer, expected_warnings
from pipeline.learning.modules.build import load_network
from pipeline.learning.modules.network import Network
from pipeline.trial import TrialOutcome, TrialRecord
from tests.learning.trials import fit_one, trial

MODELS: dict[str, Callable[..., Network]] = {
    "mlp": lambda **more: MLP(64, 10, widths=[32], dropouts=[0.2], **more),
    "cnn": lambda **more: CNN((8, 8), 10, filters=[4], block_dropouts=[0.1], **more),
    "autoencoder": lambda **more: Autoencoder(64, widths=[32, 8], dropouts=[0.1, 0.0], **more),
}


@contextmanager
def of_small_loaders() -> Iterator[None]:
    """Silence what Lightning says of loaders without workers."""
    with expected_warnings(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers")
        yield


def rows(n: int = 200) -> TensorDataset:
    """Noisy images of ten classes, as people hold them: [n, 8, 8], floats from 0 to 1."""
    labels = torch.arange(n) % 10
    images = torch.rand(n, 8, 8, generator=torch.Generator().manual_seed(1))
    return TensorDataset((images + torch.eye(64)[labels].view(n, 8, 8)) / 2, labels)


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_trains_with_stock_callbacks_and_loads_from_its_checkpoint(
    kind: str, tmp_path: Path
) -> None:
    # Only once ``pipeline`` is: beside a CPU build of torch Lightning cannot be imported first.
    from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

    model = MODELS[kind](learning_rate=0.01, schedule="cosine", epochs=3, max_norm=3.0, seed=5)
    best = ModelCheckpoint(tmp_path, monitor="val_loss")
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=3,
        logger=False,
        callbacks=[best, EarlyStopping("val_loss")],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with of_small_loaders():
        trainer.fit(model, DataLoader(rows(), batch_size=20), DataLoader(rows(), batch_size=50))
    logged = {"train_loss", "val_loss"}
    if kind != "autoencoder":
        logged |= {"train_accuracy", "val_accuracy"}
    assert set(trainer.callback_metrics) == logged
    loaded = type(model).load_from_checkpoint(best.best_model_path, weights_only=True)
    assert loaded.hparams == model.hparams
    assert loaded.hparams["seed"] == 5
    saved = torch.load(best.best_model_path, weights_only=True)["state_dict"]
    assert all(torch.equal(value, saved[name]) for name, value in loaded.state_dict().items())


def test_a_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    def fitted(epochs: int, checkpoint: Path | None = None) -> tuple[Network, Trainer]:
        model = MODELS["mlp"](schedule="cosine", epochs=4)
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        with of_small_loaders():
            loader = DataLoader(rows(), batch_size=20)
            trainer.fit(model, loader, loader, ckpt_path=checkpoint, weights_only=True)
        return model, trainer

    _, trainer = fitted(2)
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    resumed, _ = fitted(4, tmp_path / "two.ckpt")
    whole, _ = fitted(4)
    assert_equal_weights(resumed, whole)


def assert_equal_weights(one: Network, other: Network) -> None:
    """Compare to the bit."""
    theirs = other.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


SOUND: dict[str, Any] = {"widths": [32], "dropouts": [0.2]}
WRONG: list[Any] = [
    pytest.param({"dropouts": [0.1, 0.2]}, "widths has 1 entries and dropouts has 2", id="pairs"),
    pytest.param({"dropouts": [1.0]}, "dropouts has a rate of 1.0; a rate must be", id="rate"),
    pytest.param({"input_dropout": -0.1}, "input_dropout has a rate of -0.1", id="input rate"),
    pytest.param({"widths": [0]}, r"widths is \[0\]; each entry must be at least 1", id="width"),
    pytest.param(
        {"activation": "rleu"}, "activation is 'rleu'; it must be one of", id="activation"
    ),
    pytest.param({"regularizer": "l2"}, "regularizer is 'l2'; it must be one of", id="regularizer"),
    pytest.param({"optimizer": "lion"}, "optimizer is 'lion'; it must be one of", id="optimizer"),
    pytest.param({"schedule": "step"}, "schedule is 'step'; it must be one of", id="schedule"),
    pytest.param({"schedule": "cosine"}, "schedule='cosine' needs the number of", id="epochs"),
    pytest.param({"max_norm": 0.0}, "max_norm is 0.0; it must be above 0", id="norm"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_a_wrong_argument_is_refused_with_what_is_allowed(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        MLP(64, 10, **SOUND | wrong)


def test_other_models_refuse_what_they_cannot_be_made_of() -> None:
    with pytest.raises(ValueError, match="filters has 2 entries and block_dropouts has 1"):
        CNN((8, 8), 10, filters=[4, 4], block_dropouts=[0.1])
    with pytest.raises(ValueError, match="4 blocks halve images of 8 x 8 to nothing"):
        CNN((8, 8), 10, filters=[4] * 4, block_dropouts=[0.1] * 4)
    with pytest.raises(ValueError, match="an encoder has at least one layer"):
        Autoencoder(64, widths=[], dropouts=[])


def test_images_of_whole_numbers_are_refused_with_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"images are torch\.uint8; they must be floats"):
        MODELS["mlp"]()(torch.zeros(2, 8, 8, dtype=torch.uint8))


def test_a_seed_decides_weights_and_masks_and_a_dropout_seed_the_masks_alone() -> None:
    first, again, other = (MODELS["mlp"](seed=seed) for seed in (1, 1, 2))
    assert_equal_weights(first, again)
    assert not torch.equal(*(next(one.parameters()) for one in (first, other)))
    apart = MODELS["mlp"](seed=1, dropout_seed=3)
    assert_equal_weights(first, apart)
    x = torch.ones(4, 64)
    assert torch.equal(first(x), again(x))
    assert not torch.equal(first(x), apart(x))
    assert first.dropout_seed == derive_seed(1, "dropout")


def test_a_model_predicts_in_a_trainer() -> None:
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    with of_small_loaders():
        batches = trainer.predict(MODELS["mlp"](), DataLoader(rows(), batch_size=100))
    shapes = [batch.shape for batch in batches or [] if isinstance(batch, torch.Tensor)]
    assert shapes == [(100, 10), (100, 10)]


def recorded(digits: PreparedData, **changes: Any) -> tuple[TrialRecord, TrialOutcome]:
    """A trained trial and its record."""
    config = trial(**changes)
    outcome = fit_one(digits, config)
    assert outcome.weights is not None, outcome.cause
    return TrialRecord.of(config, outcome), outcome


@pytest.mark.parametrize("model", MODELS)
def test_a_recorded_trials_weights_load_with_one_call(digits: PreparedData, model: str) -> None:
    record, outcome = recorded(digits, model=model, training={"epochs": 1})
    assert outcome.weights is not None
    network = load_network(record.file, outcome.weights)
    assert type(network).__name__.lower() == model
    assert not network.training
    assert type(network).from_record(record, outcome.weights).hparams == network.hparams
    assert network(torch.rand(3, 8, 8)).shape == (3, 64 if model == "autoencoder" else 10)


def test_a_fold_of_a_recorded_trial_is_chosen(digits: PreparedData) -> None:
    record, outcome = recorded(digits, data={"folds": 2}, training={"epochs": 1})
    assert outcome.weights is not None
    first, second = (MLP.from_record(record, outcome.weights, fold=fold) for fold in (1, 2))
    assert not torch.equal(next(first.parameters()), next(second.parameters()))
    with pytest.raises(ValueError, match="a network for each fold, 1 to 2; choose one with fold="):
        MLP.from_record(record, outcome.weights)


def test_a_trial_without_folds_has_no_fold_to_choose(digits: PreparedData) -> None:
    record, outcome = recorded(digits, training={"epochs": 1})
    assert outcome.weights is not None
    with pytest.raises(ValueError, match="fold is 1, but the trial has one network"):
        MLP.from_record(record, outcome.weights, fold=1)


def test_importing_the_package_imports_no_torch() -> None:
    code = "import pipeline, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
