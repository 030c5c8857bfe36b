"""(d) A good PyTorch loop by hand: one process a core, one thread each, nothing tracked.

The data are resident, an epoch's scores are summed in tensors and read once, and the scores are
those that this project computes. The largest networks come first, so that no core idles long.
"""

import math
import multiprocessing
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW

from benchmarks.network import sequential
from benchmarks.rows import Rows
from benchmarks.settings import Setting
from benchmarks.task import Task, Trained, n_cores, train_as_peer

EVALUATION_ROWS = 1_000


class Part(NamedTuple):
    """Images, float32 [n, pixels], and labels, int64 [n]."""

    images: Tensor
    labels: Tensor


class Scores(NamedTuple):
    """What an epoch measured; losses are mean cross-entropies in nats."""

    train_loss: float
    train_accuracy: float
    train_loss_no_dropout: float
    val_loss: float
    val_accuracy: float


def resident(rows: Rows) -> dict[str, Part]:
    """Hold each part in the memory as tensors."""
    return {
        "train": _part(rows.train_images, rows.train_labels),
        "validation": _part(rows.validation_images, rows.validation_labels),
        "probe": _part(rows.probe_images, rows.probe_labels),
    }


def train(
    setting: Setting, parts: Mapping[str, Part], *, epochs: int
) -> tuple[list[Scores], dict[str, Tensor]]:
    """Train one setting.

    Returns:
        Each epoch's scores and the best epoch's weights.
    """
    torch.set_flush_denormal(True)  # a tenth of Adam's moments fade to denormals, slow to work with
    network = sequential(setting, n_inputs=parts["train"].images.shape[1])
    optimizer = AdamW(
        network.parameters(),
        lr=setting.learning_rate,
        weight_decay=setting.weight_decay,
        fused=True,
    )
    curve: list[Scores] = []
    lowest, weights = math.inf, {}
    for _ in range(epochs):
        train_loss, train_accuracy = _train_epoch(
            network, optimizer, parts["train"], setting.batch_size
        )
        val_loss, val_accuracy = _evaluate(network, parts["validation"])
        no_dropout, _ = _evaluate(network, parts["probe"])
        curve.append(Scores(train_loss, train_accuracy, no_dropout, val_loss, val_accuracy))
        if val_loss < lowest:
            lowest = val_loss
            weights = {name: value.clone() for name, value in network.state_dict().items()}
    return curve, weights


def _train_epoch(
    network: nn.Module, optimizer: AdamW, part: Part, batch_size: int
) -> tuple[float, float]:
    n_rows = len(part.labels)
    loss_sum, n_right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
    for numbers in torch.randperm(n_rows).split(batch_size):  # type: ignore[no-untyped-call]
        images = part.images.index_select(0, numbers)
        labels = part.labels.index_select(0, numbers)
        logits = network(images)
        loss = functional.cross_entropy(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss_sum.add_(loss.detach(), alpha=len(labels))
        n_right += (logits.detach().argmax(1) == labels).sum()
    return loss_sum.item() / n_rows, n_right.item() / n_rows


@torch.inference_mode()
def _evaluate(network: nn.Module, part: Part) -> tuple[float, float]:
    network.eval()
    loss_sum, n_right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
    chunks = (tensor.split(EVALUATION_ROWS) for tensor in part)  # type: ignore[no-untyped-call]
    for images, labels in zip(*chunks, strict=True):
        logits = network(images)
        loss_sum += functional.cross_entropy(logits, labels, reduction="sum")
        n_right += (logits.argmax(1) == labels).sum()
    network.train()
    return loss_sum.item() / len(part.labels), n_right.item() / len(part.labels)


def _part(images: object, labels: object) -> Part:
    return Part(torch.as_tensor(images), torch.as_tensor(labels))


class Worker:
    """What a process holds; it is given before the fork, so nothing is copied."""

    task: Task
    parts: Mapping[str, Part]

    @classmethod
    def hold(cls, task: Task, parts: Mapping[str, Part]) -> None:
        """Take the rows."""
        cls.task, cls.parts = task, parts

    @classmethod
    def lowest(cls, number: int) -> float:
        """Train a setting and give its lowest validation loss."""
        torch.manual_seed(number)
        curve, _ = train(cls.task.settings[number], cls.parts, epochs=cls.task.epochs)
        return min(scores.val_loss for scores in curve)


def train_all(task: Task, work: Path) -> Trained:
    """Deal the settings out to a process a core, the largest networks first."""
    torch.set_num_threads(1)  # before the fork, which OpenMP's threads do not survive
    AdamW([nn.Parameter(torch.zeros(1))])  # imports half of torch the first time
    held = task, resident(Rows.read(work))
    numbers = sorted(range(len(task.settings)), key=lambda i: -_size(task.settings[i]))
    with multiprocessing.get_context("fork").Pool(n_cores(), Worker.hold, held) as pool:
        began = time.time()
        values = dict(zip(numbers, pool.map(Worker.lowest, numbers, chunksize=1), strict=True))
        ended = time.time()
    return Trained(began=began, ended=ended, values=[values[i] for i in sorted(values)])


def _size(setting: Setting) -> int:
    return setting.width * setting.depth


if __name__ == "__main__":
    train_as_peer(train_all)
