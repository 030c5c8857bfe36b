"""A study's arithmetic against a bare loop that knows nothing of members, cohorts or Lightning."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW, Optimizer

from pipeline.config import TrialConfig
from pipeline.learning.arithmetic import arithmetic
from pipeline.learning.data import PreparedData, open_train, splits
from pipeline.learning.modules.masks import counters, keep_mask, random_levels, row_order, step_key
from tests.learning.trials import fit_one, trial

OPTIMIZERS: dict[str, type[AdamW | Adam | SGD]] = {"adamw": AdamW, "adam": Adam, "sgd": SGD}


@dataclass
class Part:
    """Images and labels of some rows."""

    images: Tensor
    labels: Tensor


def parts_of(config: TrialConfig, data: PreparedData) -> tuple[Part, Part, Part]:
    """Training, validation and probe rows."""
    images, labels = open_train(data)
    rows = splits(labels, config.data, n_own_test=data.n_test, seed=config.seeds["split"])[0]
    x = torch.from_numpy(images).flatten(1).float() / data.scale
    y = torch.from_numpy(labels)
    train, validation, probe = (
        Part(x[numbers], y[numbers]) for numbers in (rows.train, rows.validation, rows.train_probe)
    )
    return train, validation, probe


def sequential(config: TrialConfig, n_inputs: int) -> nn.Sequential:
    """An ordinary network, its initial weights drawn as torch draws them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seeds["initialisation"])
        sizes = [n_inputs, *config.values_of("width")]
        hidden = [(nn.Linear(before, after), nn.ReLU()) for before, after in pairwise(sizes)]
        layers = [layer for pair in hidden for layer in pair]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], 10))


def dropped(x: Tensor, rate: float, *, seed: int, layer: int, step: int) -> Tensor:
    """A layer's output with its mask applied."""
    if rate == 0:
        return x
    levels = random_levels(counters(layer, x.numel(), x.device), step_key(seed, step))
    return x * keep_mask(levels[: x.numel()].view(x.shape), rate)


def trained_scores(network: nn.Sequential, x: Tensor, config: TrialConfig, step: int) -> Tensor:
    """Logits with dropout on."""
    seed = config.seeds["dropout"]
    x = dropped(x, config.value("input_dropout"), seed=seed, layer=0, step=step)
    for layer, rate in enumerate(config.values_of("dropout"), start=1):
        linear, relu = network[2 * layer - 2], network[2 * layer - 1]
        x = dropped(relu(linear(x)), rate, seed=seed, layer=layer, step=step)
    logits: Tensor = network[-1](x)
    return logits


def evaluated(network: nn.Sequential, part: Part) -> tuple[float, float]:
    """Mean loss and accuracy, dropout off, in products of 500 rows."""
    with torch.no_grad():
        logits = torch.cat([network(images).float() for images in part.images.split(500)])  # type: ignore[no-untyped-call]
    return mean_loss(row_losses(logits, part.labels)), accuracy(logits, part.labels)


def row_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Each row's cross-entropy, classes before rows: the layout chooses torch's kernel."""
    return functional.cross_entropy(logits.t()[None], labels[None], reduction="none")[0]


def mean_loss(losses: Tensor) -> float:
    """The mean, summed in float64."""
    return losses.sum(dtype=torch.float64).item() / len(losses)


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """The share of rows whose label has the highest score."""
    return int((logits.argmax(1) == labels).sum()) / len(labels)


def bare_loop(config: TrialConfig, data: PreparedData) -> tuple[dict[str, Tensor], list[Any]]:
    """The best epoch's weights and each epoch's scores."""
    train, validation, probe = parts_of(config, data)
    network = sequential(config, train.images.shape[1])
    optimizer: Optimizer = OPTIMIZERS[config.training.optimizer](
        network.parameters(),
        lr=config.value("learning_rate"),
        weight_decay=config.value("weight_decay"),
        fused=True,
    )
    is_mixed = config.training.precision == "bf16-mixed"
    step, lowest, best, curve = 0, math.inf, {}, []
    for epoch in range(1, config.training.epochs + 1):
        losses, n_right, n_rows = [], 0.0, len(train.labels)
        for rows in torch.split(row_order(config.seeds["order"], epoch, n_rows), config.batch_size):
            labels = train.labels[rows]
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_mixed):
                logits = trained_scores(network, train.images[rows], config, step).float()
                loss = row_losses(logits, labels).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
            losses.append(row_losses(logits, labels).detach())
            n_right += accuracy(logits, labels) * len(rows)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_mixed):
            val_loss, val_accuracy = evaluated(network, validation)
            no_dropout, _ = evaluated(network, probe)
        if val_loss < lowest:
            lowest = val_loss
            best = {name: value.clone() for name, value in network.state_dict().items()}
        train_loss, train_accuracy = mean_loss(torch.cat(losses)), round(n_right) / n_rows
        curve.append((train_loss, train_accuracy, no_dropout, val_loss, val_accuracy))
    return best, curve


CASES: list[Any] = [
    pytest.param({}, {}, id="two layers"),
    pytest.param({}, {"depth": 0}, id="no hidden layer"),
    pytest.param(
        {}, {"depth": 3, "width_1": 33, "width_2": 17, "width_3": 9}, id="odd widths, odd batches"
    ),
    pytest.param({}, {"input_dropout": 0.0, "dropout": 0.0}, id="no dropout"),
    pytest.param({}, {"batch_size": 7, "dropout_1": 0.6, "dropout_2": 0.0}, id="many small steps"),
    pytest.param({}, {"batch_size": 100_000}, id="one step an epoch"),
    pytest.param({"optimizer": "adam"}, {}, id="adam"),
    pytest.param({"optimizer": "sgd"}, {"learning_rate": 0.1}, id="sgd"),
    pytest.param({"precision": "bf16-mixed"}, {}, id="bfloat16"),
    pytest.param({"epochs": 8}, {"learning_rate": 0.3}, id="the best epoch is not the last"),
]


@pytest.mark.parametrize(("training", "params"), CASES)
def test_a_study_trains_as_a_bare_loop_does_to_the_bit(
    digits: PreparedData, training: dict[str, Any], params: dict[str, Any]
) -> None:
    config = trial(training=training, **params)
    outcome = fit_one(digits, config)
    with arithmetic(threads=1):
        weights, curve = bare_loop(config, digits)
    assert outcome.weights is not None, outcome.cause
    ours = load(outcome.weights)
    assert all(
        torch.equal(value, theirs)
        for value, theirs in zip(in_order(ours), in_order(weights), strict=True)
    )
    assert curve == [
        (s.train_loss, s.train_accuracy, s.train_loss_no_dropout, s.val_loss, s.val_accuracy)
        for s in outcome.curve
    ]


def in_order(weights: dict[str, Tensor]) -> list[Tensor]:
    """A network's tensors by layer; the two networks number their layers differently."""
    return [
        weights[name]
        for name in sorted(weights, key=lambda name: (int(name.split(".")[-2]), name[-4:]))
    ]


def test_the_case_of_a_best_epoch_before_the_last_is_one(digits: PreparedData) -> None:
    _, curve = bare_loop(trial(training={"epochs": 8}, learning_rate=0.3), digits)
    losses = [scores[3] for scores in curve]
    assert min(losses) < losses[-1]
