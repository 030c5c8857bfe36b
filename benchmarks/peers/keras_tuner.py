"""(c) Keras Tuner on the torch backend: a grid search over the list of settings."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import keras_tuner
from keras import layers

from benchmarks.rows import N_CLASSES, Rows
from benchmarks.settings import Setting
from benchmarks.task import Task, Trained, train_as_peer


class Settings(keras_tuner.HyperModel):
    """The settings, as a hyperparameter that is their place in the list."""

    def __init__(self, task: Task, n_inputs: int) -> None:
        """Take the settings."""
        super().__init__()
        self.task = task
        self.n_inputs = n_inputs

    def _setting(self, hp: Any) -> Setting:
        return self.task.settings[hp.Choice("number", list(range(len(self.task.settings))))]

    def build(self, hp: Any) -> Any:
        """Build the network, its weights drawn as torch draws them."""
        setting = self._setting(hp)
        model = keras.Sequential([layers.Input((self.n_inputs,))])
        if setting.input_dropout:
            model.add(layers.Dropout(setting.input_dropout))
        for rate in setting.dropouts:
            model.add(_dense(setting.width, activation="relu"))
            model.add(layers.Dropout(rate))
        model.add(_dense(N_CLASSES))
        model.compile(
            keras.optimizers.AdamW(setting.learning_rate, weight_decay=setting.weight_decay),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return model

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Train with the setting's batch size."""
        return model.fit(*args, batch_size=self._setting(hp).batch_size, **kwargs)


def _dense(units: int, **options: Any) -> Any:
    uniform = keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform")
    return layers.Dense(units, kernel_initializer=uniform, **options)


def train_all(task: Task, work: Path) -> Trained:
    """Train the settings with a tuner."""
    rows = Rows.read(work)
    with TemporaryDirectory(dir=work) as scratch:
        tuner = keras_tuner.GridSearch(
            Settings(task, rows.n_inputs), objective="val_loss", directory=scratch
        )
        began = time.time()
        tuner.search(
            rows.train_images,
            rows.train_labels,
            validation_data=(rows.validation_images, rows.validation_labels),
            epochs=task.epochs,
            verbose=0,
        )
        ended = time.time()
    trials = tuner.oracle.trials.values()
    values = {trial.hyperparameters.get("number"): trial.score for trial in trials}
    return Trained(began=began, ended=ended, values=[values[i] for i in sorted(values)])


if __name__ == "__main__":
    train_as_peer(train_all)
