"""(a) What a user writes after the documents of Lightning, Optuna and MLflow.

The progress bar and the model's summary are switched off; a user's run is not faster than this.
"""

import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pipeline.learning.lightning  # noqa: F401  # isort: skip - torchvision beside a CPU torch

import mlflow
import optuna
import torch
from optuna.samplers import TPESampler
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import MLFlowLogger
from torch import Tensor
from torch.nn import functional
from torch.optim import AdamW, Optimizer
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.network import sequential
from benchmarks.rows import Rows
from benchmarks.settings import BATCH_SIZES, DEPTHS, DROPOUT, LEARNING_RATE, WIDTHS, Setting
from benchmarks.task import Task, Trained, train_as_peer

EXPERIMENT = "documented"


class MLP(LightningModule):
    """The network, its loss, its optimizer."""

    def __init__(self, setting: Setting, n_inputs: int) -> None:
        """Build the network."""
        super().__init__()
        self.save_hyperparameters(setting.params)
        self.setting = setting
        self.network = sequential(setting, n_inputs=n_inputs)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002 - Lightning's signature
        """Compute the loss of a batch."""
        images, labels = batch
        loss = functional.cross_entropy(self.network(images), labels)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:  # noqa: ARG002 - Lightning's signature
        """Log the loss and the accuracy of a batch."""
        images, labels = batch
        logits = self.network(images)
        self.log("val_loss", functional.cross_entropy(logits, labels))
        self.log("val_accuracy", (logits.argmax(1) == labels).float().mean())

    def configure_optimizers(self) -> Optimizer:
        """Make the optimizer."""
        setting = self.setting
        return AdamW(self.parameters(), lr=setting.learning_rate, weight_decay=setting.weight_decay)


def suggest(trial: optuna.Trial) -> Setting:
    """Ask for a setting of the space."""
    depth = trial.suggest_int("depth", min(DEPTHS), max(DEPTHS))
    return Setting(
        depth=depth,
        width=trial.suggest_categorical("width", WIDTHS),
        dropouts=tuple(
            trial.suggest_float(f"dropout_{layer}", *DROPOUT) for layer in range(1, depth + 1)
        ),
        learning_rate=trial.suggest_float("learning_rate", *LEARNING_RATE, log=True),
        batch_size=trial.suggest_categorical("batch_size", BATCH_SIZES),
    )


def objective(
    trial: optuna.Trial, *, train: TensorDataset, validation: TensorDataset, epochs: int, work: Path
) -> float:
    """Train a setting with a Trainer and give its lowest validation loss."""
    setting = suggest(trial)
    checkpoint = ModelCheckpoint(monitor="val_loss", mode="min")
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        default_root_dir=work,
        callbacks=[checkpoint],
        logger=MLFlowLogger(EXPERIMENT, f"trial-{trial.number}", mlflow.get_tracking_uri()),
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(
        MLP(setting, train.tensors[0].shape[1]),
        DataLoader(train, batch_size=setting.batch_size, shuffle=True),
        DataLoader(validation, batch_size=setting.batch_size),
    )
    assert checkpoint.best_model_score is not None
    return checkpoint.best_model_score.item()


def train_all(task: Task, work: Path) -> Trained:
    """Train the settings, and go on with Optuna's TPE where the task asks for more trials."""
    rows = Rows.read(work)
    with TemporaryDirectory(dir=work) as scratch:
        mlflow.set_tracking_uri(f"sqlite:///{scratch}/mlflow.db")
        mlflow.create_experiment(EXPERIMENT, artifact_location=f"{scratch}/artifacts")
        study = optuna.create_study(direction="minimize", sampler=TPESampler(seed=task.seed))
        for setting in task.settings:
            study.enqueue_trial(setting.params)
        trained = partial(
            objective,
            train=_dataset(rows.train_images, rows.train_labels),
            validation=_dataset(rows.validation_images, rows.validation_labels),
            epochs=task.epochs,
            work=Path(scratch),
        )
        began = time.time()
        study.optimize(trained, n_trials=len(task.settings) + task.n_trials)
        ended = time.time()
    return Trained(
        began=began,
        ended=ended,
        values=[trial.values[0] for trial in study.trials],
        completed=[
            trial.datetime_complete.timestamp() for trial in study.trials if trial.datetime_complete
        ],
    )


def _dataset(images: object, labels: object) -> TensorDataset:
    return TensorDataset(torch.as_tensor(images), torch.as_tensor(labels))


if __name__ == "__main__":
    train_as_peer(train_all)
