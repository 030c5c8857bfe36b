"""(b) Ray Tune with its MLflow callback: as many trials at once as cores, a core each."""

import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import ray
import torch
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from torch.nn import functional
from torch.optim import AdamW
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.network import sequential
from benchmarks.rows import Rows
from benchmarks.settings import Setting
from benchmarks.task import Task, Trained, n_cores, train_as_peer

EXPERIMENT = "ray-tune"


class Watch(tune.Callback):
    """Notes when the first trial began and the last one ended."""

    began = 0.0
    ended = 0.0

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:  # noqa: ARG002 - Ray's signature
        """Note the first."""
        self.began = self.began or time.time()

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:  # noqa: ARG002 - Ray's signature
        """Note the latest."""
        self.ended = time.time()


def train(config: dict[str, Any], rows: Rows, epochs: int) -> None:
    """Train one setting and report each epoch: a function trainable."""
    setting = Setting(**{key: value for key, value in config["trial"].items() if key != "number"})
    training = TensorDataset(torch.tensor(rows.train_images), torch.tensor(rows.train_labels))
    validation = TensorDataset(
        torch.tensor(rows.validation_images), torch.tensor(rows.validation_labels)
    )
    loader = DataLoader(training, batch_size=setting.batch_size, shuffle=True)
    validation_loader = DataLoader(validation, batch_size=setting.batch_size)
    network = sequential(setting, n_inputs=rows.n_inputs)
    optimizer = AdamW(
        network.parameters(), lr=setting.learning_rate, weight_decay=setting.weight_decay
    )
    for _ in range(epochs):
        train_loss = _train_epoch(network, optimizer, loader)
        val_loss, val_accuracy = _evaluate(network, validation_loader)
        tune.report({"train_loss": train_loss, "val_loss": val_loss, "val_accuracy": val_accuracy})


def _train_epoch(network: torch.nn.Module, optimizer: AdamW, loader: DataLoader[Any]) -> float:
    network.train()
    loss_sum = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss_sum += loss.item()
    return loss_sum / len(loader)


def _evaluate(network: torch.nn.Module, loader: DataLoader[Any]) -> tuple[float, float]:
    network.eval()
    loss_sum, n_right, n_rows = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in loader:
            logits = network(images)
            loss_sum += functional.cross_entropy(logits, labels, reduction="sum").item()
            n_right += int((logits.argmax(1) == labels).sum())
            n_rows += len(labels)
    return loss_sum / n_rows, n_right / n_rows


def train_all(task: Task, work: Path) -> Trained:
    """Train the settings with a Tuner."""
    watch = Watch()
    with TemporaryDirectory(prefix="ray") as scratch:  # short: the names of its sockets are long
        mlflow.set_tracking_uri(f"sqlite:///{scratch}/mlflow.db")
        mlflow.create_experiment(EXPERIMENT, artifact_location=f"{scratch}/artifacts")
        ray.init(num_cpus=n_cores(), include_dashboard=False, _temp_dir=scratch)
        try:
            table = _tuner(task, Rows.read(work), Path(scratch), watch).fit()
        finally:
            ray.shutdown()
    frame = table.get_dataframe(filter_metric="val_loss", filter_mode="min")
    return Trained(
        began=watch.began,
        ended=watch.ended,
        values=frame.sort_values("config/trial/number")["val_loss"].tolist(),
    )


def _tuner(task: Task, rows: Rows, scratch: Path, watch: Watch) -> tune.Tuner:
    settings = [{"number": i} | asdict(setting) for i, setting in enumerate(task.settings)]
    trainable = tune.with_parameters(train, rows=rows, epochs=task.epochs)
    return tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={"trial": tune.grid_search(settings)},
        run_config=tune.RunConfig(
            storage_path=str(scratch / "results"),
            callbacks=[
                MLflowLoggerCallback(mlflow.get_tracking_uri(), experiment_name=EXPERIMENT),
                watch,
            ],
        ),
    )


if __name__ == "__main__":
    train_as_peer(train_all)
