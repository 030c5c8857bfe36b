"""The network as an ordinary LightningModule."""

import math
import warnings
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler, TensorDataset

from pipeline.config import TrialConfig
from pipeline.learning.arithmetic import arithmetic
from pipeline.learning.cohort.fit import train_members
from pipeline.learning.cohort.member import Member
from pipeline.learning.cohort.module import CohortModule
from pipeline.learning.cohort.rows import load_splits
from pipeline.learning.data import PreparedData, open_train, splits
from pipeline.learning.data.labels import Classes
from pipeline.learning.lightning import Trainer
from pipeline.learning.modules.build import build_network
from pipeline.learning.modules.layers import Dropout
from pipeline.learning.modules.masks import row_order
from pipeline.learning.modules.network import Network
from pipeline.trial import TrialState
from tests.learning.trials import assigned, trial

widths = st.lists(st.integers(1, 40), max_size=5)


def mlp(*, number: int = 0, n_inputs: int = 64, **params: Any) -> Network:
    """A trial's network for ten classes."""
    return build_network(trial(number, **params), image_shape=(n_inputs,), labels=Classes(10))


def training_set(data: PreparedData) -> TensorDataset:
    """The rows that a study trains on, as ordinary tensors."""
    config = trial()
    images, labels = open_train(data)
    rows = splits(labels, config.data, n_own_test=data.n_test, seed=config.seeds["split"])[0].train
    return TensorDataset(
        torch.from_numpy(images[rows]).float() / data.scale, torch.from_numpy(labels[rows])
    )


def train_plainly(
    network: Network,
    loader: "DataLoader[Any]",
    *,
    epochs: int,
    precision: Literal["32-true", "bf16-mixed"] = "32-true",
) -> dict[str, Tensor]:
    """Train as Lightning's manual says, and return what was logged."""
    trainer = Trainer(
        accelerator="cpu",
        precision=precision,
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*treespec, LeafSpec", category=FutureWarning)
        warnings.filterwarnings("ignore", ".*does not have many workers")
        warnings.filterwarnings("ignore", "GPU available but not used")
        trainer.fit(network, loader, DataLoader(loader.dataset, batch_size=500))
    return dict(trainer.callback_metrics)


@given(widths=widths, n_inputs=st.integers(1, 100))
def test_the_number_of_parameters_follows_from_the_widths(widths: list[int], n_inputs: int) -> None:
    each = {f"width_{i}": width for i, width in enumerate(widths, start=1)}
    network = mlp(depth=len(widths), n_inputs=n_inputs, **each)
    sizes = [n_inputs, *widths, 10]
    expected = sum((before + 1) * after for before, after in pairwise(sizes))
    assert sum(value.numel() for value in network.parameters()) == expected


def test_depth_zero_is_one_linear_layer_behind_the_inputs_dropout() -> None:
    network = mlp(depth=0, input_dropout=0.2)
    assert [type(layer) for layer in network.network] == [Dropout, nn.Linear]


def test_each_rate_applies_to_the_layer_that_it_names() -> None:
    network = mlp(depth=3, input_dropout=0.05, dropout_1=0.1, dropout_2=0.2, dropout_3=0.3)
    assert [(layer.layer, layer.rate) for layer in network.dropping] == [
        (0, 0.05),
        (1, 0.1),
        (2, 0.2),
        (3, 0.3),
    ]


@pytest.mark.parametrize("named", [0, 1, 2])
def test_only_the_layer_with_a_rate_drops(named: int) -> None:
    names = ("input_dropout", "dropout_1", "dropout_2")
    rates: dict[str, Any] = {name: 0.5 if i == named else 0.0 for i, name in enumerate(names)}
    network = mlp(depth=2, width=64, **rates)
    x = torch.rand(100, 64) + 0.1
    dropped = [bool(layer(x).eq(0).any()) for layer in network.dropping]
    assert dropped == [i == named for i in range(3)]


def test_the_trials_seed_decides_the_initial_weights_whatever_the_global_generator() -> None:
    torch.manual_seed(1)
    ours = mlp().state_dict()
    torch.manual_seed(2)
    again = mlp().state_dict()
    other = mlp(number=1).state_dict()
    assert all(torch.equal(ours[name], again[name]) for name in ours)
    assert not any(torch.equal(ours[name], other[name]) for name in ours)


def test_building_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    mlp()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_network_without_dropout_scores_alike_in_training_and_in_evaluation() -> None:
    network, x = mlp(input_dropout=0.0, dropout=0.0), torch.rand(20, 8, 8)
    assert torch.equal(network.train()(x), network.eval()(x))


def test_evaluation_is_deterministic_and_training_differs_by_the_step() -> None:
    network, x = mlp(dropout=0.5), torch.rand(20, 64)
    scores = []
    for step in (0, 1):
        network.set_step(step)
        scores.append((network.train()(x), network.eval()(x)))
    (first, first_evaluated), (second, second_evaluated) = scores
    assert not torch.equal(first, second)
    assert torch.equal(first_evaluated, second_evaluated)


def test_the_loss_falls_in_a_plain_trainer(digits: PreparedData) -> None:
    loader = DataLoader(training_set(digits), batch_size=100)
    logged = train_plainly(mlp(), loader, epochs=8)
    assert float(logged["train_loss"]) < 0.6 * math.log(10)
    assert float(logged["val_loss"]) < float(logged["train_loss"])
    assert float(logged["val_accuracy"]) > 0.8


class StudyOrder(Sampler[int]):
    """Visits rows in the order in which a study visits them, another one each epoch."""

    def __init__(self, seed: int, n_rows: int) -> None:
        self.seed, self.n_rows, self.epoch = seed, n_rows, 0

    def __len__(self) -> int:
        """Count the rows."""
        return self.n_rows

    def __iter__(self) -> Iterator[int]:
        """Go through the next epoch."""
        self.epoch += 1
        return iter(row_order(self.seed, self.epoch, self.n_rows).tolist())


STEPS: dict[str, dict[str, Any]] = {
    "dropout": {},
    "sgd, cosine, largest norm": {
        "training": {"optimizer": "sgd"},
        "schedule": "cosine",
        "max_norm": 0.8,
        "learning_rate": 0.1,
        "weight_decay": 0.01,
    },
    "adam, cosine": {"training": {"optimizer": "adam"}, "schedule": "cosine"},
    "bfloat16": {"training": {"precision": "bf16-mixed"}},
    "dropconnect": {"regularizer": "dropconnect", "activation": "tanh"},
    "autoencoder": {"model": "autoencoder"},
    "cnn": {"model": "cnn", "regularizer": "channel-dropout", "schedule": "cosine"},
}


@pytest.mark.parametrize("kind", STEPS)
def test_a_plain_trainer_gives_the_weights_that_a_cohort_gives(
    digits: PreparedData, kind: str
) -> None:
    changes = STEPS[kind]
    training = {"epochs": 3} | changes.get("training", {})
    config = trial(**changes | {"training": training})
    rows = training_set(digits)
    order = StudyOrder(config.seeds["order"], len(rows))
    loader = DataLoader(rows, batch_size=config.batch_size, sampler=order)
    network = build_network(config, image_shape=(8, 8), labels=Classes(10))
    with arithmetic(threads=1):
        train_plainly(network, loader, epochs=3, precision=config.training.precision)
    assert last_weights(digits, config) == saved(network)


@pytest.mark.parametrize("kind", ["dropout", "sgd, cosine, largest norm", "autoencoder"])
def test_a_stack_gives_the_weights_that_autograd_gives(
    digits: PreparedData, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = trial(**STEPS[kind])
    stacked = last_weights(digits, config)
    monkeypatch.setattr("pipeline.learning.cohort.module.why_not_stackable", lambda _: "for a test")
    assert last_weights(digits, config) == stacked


def last_weights(data: PreparedData, config: TrialConfig) -> bytes | None:
    """The weights after the last epoch, of a trial trained by itself."""
    assignment = assigned(config)
    (splits,), _ = load_splits(data, config.data, config.seeds["split"], is_refit=False)
    member = Member(assignment)
    module = CohortModule([member], [splits], report=lambda _: None)
    with arithmetic(threads=1):
        train_members(module)
    assert member.state is TrialState.COMPLETE, member.cause
    return saved(member.networks[0])


def saved(network: Network) -> bytes:
    """The weights as a study keeps them."""
    return save({name: value.detach().clone() for name, value in network.state_dict().items()})
