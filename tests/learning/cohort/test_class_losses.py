"""Label smoothing and class weights change what is optimised, and nothing that is scored."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from pipeline import MLP
from pipeline.config import TrialConfig
from pipeline.learning.cohort.rows import load_splits
from pipeline.learning.data import PreparedData
from pipeline.learning.data.labels import Classes
from pipeline.learning.modules.build import load_network
from pipeline.learning.modules.criteria import CrossEntropy, cross_entropy, stack_criteria
from pipeline.learning.sealed_scores import score
from pipeline.trial import TrialRecord
from tests.learning.cohort.test_stack import bits
from tests.learning.trials import assigned, fit, fit_one, trial

small = st.integers(1, 9)
shares = st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.9])
SETTINGS: list[dict[str, Any]] = [
    {},
    {"label_smoothing": 0.1},
    {"class_weights": "balanced"},
    {"label_smoothing": 0.3, "class_weights": "balanced"},
    {"label_smoothing": 0.0, "class_weights": "none"},
]


def configs(**changes: Any) -> list[TrialConfig]:
    """Trials of one shape, each with another loss."""
    return [
        trial(number, learning_rate=0.002 * (1 + number), **setting, **changes)
        for number, setting in enumerate(SETTINGS)
    ]


@given(n_rows=small, n_classes=st.integers(2, 8), smoothing=shares, seed=small)
def test_what_is_optimised_is_torchs_own_loss_and_the_stacks_gradient_autograds(
    n_rows: int, n_classes: int, smoothing: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weights = (torch.rand(n_classes, generator=generator) + 0.1).tolist()
    logits = torch.randn(4, n_rows, n_classes, generator=generator).requires_grad_()
    labels = torch.randint(0, n_classes, (n_rows,), generator=generator)
    members = [
        CrossEntropy(),
        CrossEntropy(smoothing),
        CrossEntropy(0.0, weights),
        CrossEntropy(smoothing, weights),
    ]
    stack = stack_criteria(members)
    measured = stack.measure(logits.detach(), Tensor(), labels)
    gradient = stack.gradient(measured, labels)
    for k, member in enumerate(members):
        found = member.optimized(logits[k], labels)
        losses = cross_entropy(logits[k], labels)
        assert torch.equal(measured.losses[k], losses)
        optimized = losses if found is None else found
        expected = functional.cross_entropy(
            logits[k], labels, label_smoothing=member.label_smoothing, reduction="none"
        )
        of_row = torch.tensor(member.class_weights or [1.0] * n_classes)[labels]
        torch.testing.assert_close(optimized, expected * of_row)
        (by_autograd,) = torch.autograd.grad(optimized.mean(), logits, retain_graph=True)
        assert torch.equal(by_autograd[k], gradient[k])


@pytest.mark.parametrize(
    "changes",
    [{}, {"training": {"epochs": 3, "precision": "bf16-mixed"}}, {"data": {"folds": 2}}],
    ids=["one split", "bfloat16", "folds"],
)
def test_trials_of_several_losses_are_fused_and_equal_lone_ones_to_the_bit(
    digits: PreparedData, changes: dict[str, Any]
) -> None:
    together = fit(digits, *map(assigned, configs(**changes)))
    assert together[0].facts is not None
    assert together[0].facts.stack_size == len(SETTINGS)
    alone = [fit_one(digits, config) for config in configs(**changes)]
    assert list(map(bits, together)) == list(map(bits, alone))
    assert len({outcome.weights_sha256 for outcome in alone}) == len(SETTINGS)


def test_autograd_and_the_stack_give_the_same_bits(
    digits: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacked = [bits(fit_one(digits, config)) for config in configs()]
    monkeypatch.setattr(
        "pipeline.learning.cohort.module.why_not_stackable", lambda _: "for the test"
    )
    assert [bits(fit_one(digits, config)) for config in configs()] == stacked


@pytest.mark.parametrize(
    "setting", SETTINGS[1:4], ids=["smoothing", "weights", "smoothing and weights"]
)
def test_curves_are_of_the_plain_cross_entropy(
    digits: PreparedData, setting: dict[str, Any]
) -> None:
    config = trial(**setting)
    outcome = fit_one(digits, config)
    assert outcome.weights is not None
    assert outcome.best is not None
    (parts,), _ = load_splits(digits, config.data, config.seeds["split"], is_refit=False)
    assert parts.validation is not None
    found = score(config, outcome.weights, parts.validation, digits)
    assert found.loss == outcome.best.val_loss
    network = load_network(TrialRecord.of(config, outcome).file, outcome.weights)
    x, y = parts.validation.take(parts.validation.numbers)
    plain = functional.cross_entropy(network(x), y).item()
    assert outcome.best.val_loss == pytest.approx(plain, rel=1e-5)


def test_said_to_be_off_they_change_no_bit(digits: PreparedData) -> None:
    off = fit_one(digits, trial(label_smoothing=0.0, class_weights="none"))
    assert bits(off) == bits(fit_one(digits, trial()))


def test_rows_of_rare_classes_weigh_more_and_the_mean_weight_is_1(digits: PreparedData) -> None:
    config = trial()
    (parts,), _ = load_splits(digits, config.data, config.seeds["split"], is_refit=False)
    labels = parts.training.labels[parts.training.numbers]
    assert isinstance(parts.labels, Classes)
    assert parts.labels.counts == tuple(labels.bincount().tolist())
    weights = torch.tensor(parts.labels.balanced_weights)
    assert weights[labels].mean().item() == pytest.approx(1)
    assert weights.argmax() == labels.bincount().argmin()
    assert Classes(10).balanced_weights is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"label_smoothing": 1.0}, r"label_smoothing is 1\.0; it must be at least 0 and below 1"),
        ({"label_smoothing": 0.1, "loss": "mse"}, "label_smoothing is 0.1; it must be 0 with loss"),
        ({"class_weights": [1.0]}, r"class_weights is \[1\.0\]; it must be 2 numbers above 0"),
        ({"class_weights": [1.0, 0.0]}, r"it must be 2 numbers above 0"),
        ({"class_weights": [1.0, 1.0], "loss": "mae"}, "it must be None with loss='mae'"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_is_allowed(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        MLP(4, 2, widths=[], dropouts=[], **wrong)
