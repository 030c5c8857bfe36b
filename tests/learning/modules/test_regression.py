"""Networks that predict numbers: losses, gradients, units, and a plain Trainer."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from pipeline import CNN, MLP
from pipeline.config import TrialConfig
from pipeline.learning.arithmetic import arithmetic
from pipeline.learning.cohort.rows import load_splits
from pipeline.learning.data import PreparedData
from pipeline.learning.lightning import Trainer
from pipeline.learning.modules.build import build_network, load_network
from pipeline.learning.modules.layers import SingleOutput
from pipeline.learning.modules.regression import LOSSES, Regression
from pipeline.trial import TrialRecord
from tests.learning.modules.test_lightning import of_small_loaders
from tests.learning.modules.test_network import (
    StudyOrder,
    last_weights,
    saved,
    train_plainly,
    training_set,
)
from tests.learning.trials import fit_one, trial

TORCHS = {"mse": nn.MSELoss, "mae": nn.L1Loss, "huber": nn.HuberLoss}
small = st.integers(1, 12)


def predicting(number: int = 0, loss: str = "mse", **changes: Any) -> TrialConfig:
    """A trial on the digits as numbers."""
    training = {"loss": loss} | changes.pop("training", {})
    data = {"task": "regression"} | changes.pop("data", {})
    return trial(number, data=data, training=training, **changes)


@given(loss=st.sampled_from(sorted(LOSSES)), n_rows=small, n_members=small, n_targets=small)
def test_a_loss_is_torchs_own_of_standardised_targets_and_its_gradient_autograds(
    loss: str, n_rows: int, n_members: int, n_targets: int
) -> None:
    mean, std = torch.randn(n_targets), torch.rand(n_targets) + 0.5
    criterion = Regression(loss, mean.tolist(), std.tolist())
    outputs = (3 * torch.randn(n_members, n_rows, n_targets)).requires_grad_()
    labels = torch.randn(n_rows, n_targets)
    measured = criterion.measure(outputs.detach(), Tensor(), labels)
    gradient = criterion.gradient(measured, labels)
    for k, output in enumerate(outputs):
        losses = criterion.losses(output, Tensor(), labels)
        assert torch.equal(losses, measured.losses[k])
        expected = TORCHS[loss]()(output, (labels - mean) / std)
        torch.testing.assert_close(losses.mean(), expected)
        (by_autograd,) = torch.autograd.grad(losses.mean(), outputs, retain_graph=True)
        assert torch.equal(by_autograd[k], gradient[k])


def test_predictions_and_errors_are_in_the_targets_own_units() -> None:
    network = MLP(3, 2, widths=[], dropouts=[], loss="mae", target_mean=[7, -5], target_std=[2, 10])
    x, labels = torch.rand(4, 3), torch.randn(4, 2)
    raw = network.network(x)
    assert torch.equal(network(x), raw * torch.tensor([2.0, 10.0]) + torch.tensor([7.0, -5.0]))
    losses, errors = network.score_rows(x, labels)
    assert errors is not None
    torch.testing.assert_close(errors, network(x) - labels)
    torch.testing.assert_close(losses, (errors / torch.tensor([2.0, 10.0])).abs().mean(1))


@pytest.mark.parametrize("shape", [(6,), (6, 1)], ids=["a number a row", "one column"])
def test_one_target_may_be_given_with_or_without_a_column(shape: tuple[int, ...]) -> None:
    network = MLP(3, 1, widths=[4], dropouts=[0.0], loss="huber")
    x, labels = torch.rand(6, 3), torch.randn(6)
    losses, errors = network.score_rows(x, labels.view(shape))
    assert losses.shape == (6,)
    assert errors is not None
    assert errors.shape == (6, 1)
    torch.testing.assert_close(
        losses, functional.huber_loss(network(x)[:, 0], labels, reduction="none")
    )


@given(n_rows=small, n_inputs=small)
def test_a_single_output_computes_what_a_linear_layer_does(n_rows: int, n_inputs: int) -> None:
    layer, x = SingleOutput(n_inputs), torch.randn(n_rows, n_inputs)
    found, expected = layer(x), functional.linear(x, layer.weight, layer.bias)
    torch.testing.assert_close(found, expected)
    ours, theirs = (torch.autograd.grad(y.sum(), layer.weight)[0] for y in (found, expected))
    torch.testing.assert_close(ours, theirs)


WRONG: list[Any] = [
    pytest.param(
        {"loss": "rmse"}, "loss is 'rmse'; it must be one of cross-entropy, mse", id="loss"
    ),
    pytest.param(
        {"target_mean": [0.0, 0.0]},
        r"target_mean is \[0\.0, 0\.0\]; with loss='cross-entropy' it must be None",
        id="mean of classes",
    ),
    pytest.param(
        {"loss": "mse", "target_std": [1.0]},
        r"target_std is \[1\.0\]; with loss='mse' it must be 2 numbers",
        id="too few",
    ),
    pytest.param(
        {"loss": "mae", "target_std": [1.0, 0.0]},
        r"target_std is \[1\.0, 0\.0\]; each entry must be above 0",
        id="no deviation",
    ),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_a_wrong_argument_is_refused_with_what_is_allowed(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        MLP(16, 2, widths=[], dropouts=[], **wrong)
    with pytest.raises(ValueError, match=message):
        CNN((4, 4), 2, filters=[2], block_dropouts=[0.1], **wrong)


def test_a_network_predicts_in_a_plain_trainer_and_loads_from_its_checkpoint(
    numbers: PreparedData, tmp_path: Path
) -> None:
    rows = training_set(numbers)
    scale: dict[str, Any] = {"target_mean": [4.5], "target_std": [3]}
    network = MLP(64, 1, widths=[32], dropouts=[0.1], loss="mse", learning_rate=0.01, **scale)
    loader = DataLoader(rows, batch_size=100)
    logged = train_plainly(network, loader, epochs=8)
    assert set(logged) == {"train_loss", "train_mae", "val_loss", "val_mae"}
    assert float(logged["val_mae"]) < 1.5
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    with of_small_loaders():
        trainer.predict(network, loader)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
    loaded = MLP.load_from_checkpoint(tmp_path / "last.ckpt", weights_only=True)
    assert torch.equal(loaded.eval()(rows[:5][0]), network.eval()(rows[:5][0]))


@pytest.mark.parametrize(
    "changes",
    [{}, {"loss": "mae"}, {"loss": "huber", "schedule": "cosine"}, {"model": "cnn"}],
    ids=["mlp", "mae", "huber", "cnn"],
)
def test_a_plain_trainer_gives_the_weights_that_a_cohort_gives(
    numbers: PreparedData, changes: dict[str, Any]
) -> None:
    config = predicting(**changes)
    rows = training_set(numbers)
    (parts,), _ = load_splits(numbers, config.data, config.seeds["split"], is_refit=False)
    order = StudyOrder(config.seeds["order"], len(rows))
    loader = DataLoader(rows, batch_size=config.batch_size, sampler=order)
    network = build_network(config, image_shape=(8, 8), labels=parts.labels)
    with arithmetic(threads=1):
        train_plainly(network, loader, epochs=3)
    assert last_weights(numbers, config) == saved(network)


@pytest.mark.parametrize("folds", [None, 2], ids=["one split", "folds"])
def test_a_recorded_trials_network_predicts_in_the_targets_own_units(
    numbers: PreparedData, folds: int | None
) -> None:
    config = predicting(data={"folds": folds} if folds else {})
    outcome = fit_one(numbers, config)
    assert outcome.weights is not None, outcome.cause
    record = TrialRecord.of(config, outcome)
    splits, _ = load_splits(numbers, config.data, config.seeds["split"], is_refit=False)
    for fold, parts in enumerate(splits, start=1):
        network = load_network(record.file, outcome.weights, fold=fold if folds else None)
        assert isinstance(network.criterion, Regression)
        labels = parts.training.labels[parts.training.numbers].double()
        assert network.criterion.mean.item() == pytest.approx(labels.mean().item())
        assert network.criterion.std.item() == pytest.approx(labels.std(correction=0).item())
        assert parts.validation is not None
        x, y = parts.validation.take(parts.validation.numbers)
        error = (network(x)[:, 0] - y).abs().mean().item()
        if folds is None:
            assert outcome.best is not None
            assert error == pytest.approx(outcome.best.logged["val_mae"], rel=1e-5)
        assert 1 < error < 3
