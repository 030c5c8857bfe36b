"""Cohorts: how trials end, alone and beside others, and what is kept of them."""

import itertools
import math
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from pipeline.config import TrialConfig
from pipeline.learning.cohort.fit import fit_cohort
from pipeline.learning.cohort.rows import SplitTensors, evaluate, load_splits
from pipeline.learning.cohort.stack import Stack, score_rows
from pipeline.learning.data import PreparedData
from pipeline.learning.data.labels import Classes
from pipeline.learning.modules.build import build_network
from pipeline.learning.modules.network import Network
from pipeline.trial import (
    PHASES,
    Assignment,
    Cohort,
    Cutoffs,
    EpochScores,
    TrialOutcome,
    TrialState,
    curve_sha256,
)
from tests.learning.trials import assigned, fit, fit_one, trial

GIBIBYTE = 2**30


def bits(outcome: TrialOutcome) -> tuple[str, str | None]:
    """What is equal where two trainings are the same."""
    return curve_sha256(outcome.curve), outcome.weights_sha256


def rows_of(data: PreparedData, config: TrialConfig) -> SplitTensors:
    """The rows that a trial without folds is trained on."""
    ((parts,), _) = load_splits(data, config.data, config.seeds["split"], is_refit=False)
    return parts


def out_of_domain(config: TrialConfig, **params: Any) -> TrialConfig:
    """A trial that no study file could ask for."""
    return config.model_copy(update={"params": config.params | params})


def falling_out(epoch: int, *, epochs: int = 9) -> Cutoffs:
    """A stopping rule that no trial passes at this epoch."""
    limits = tuple(0.0 if i + 1 == epoch else math.inf for i in range(epochs))
    return Cutoffs(rule="some rule", limits=limits)


@contextmanager
def address_space(more_bytes: int) -> Iterator[None]:
    """Allow this process so many bytes beside those that it has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize(
    "training",
    [{}, {"optimizer": "adam"}, {"optimizer": "sgd"}, {"precision": "bf16-mixed"}],
    ids=["adamw", "adam", "sgd", "bfloat16"],
)
def test_the_same_assignment_gives_the_same_bits_again(
    digits: PreparedData, training: dict[str, Any]
) -> None:
    config = trial(training=training)
    first = fit_one(digits, config)
    torch.rand(3)  # whatever happens to the global generator
    assert first.state is TrialState.COMPLETE
    assert bits(fit_one(digits, config)) == bits(first)


def test_another_trial_number_gives_other_bits(digits: PreparedData) -> None:
    assert bits(fit_one(digits, trial(1))) != bits(fit_one(digits, trial(0)))


@pytest.mark.parametrize(
    "stopping",
    [{}, {"epochs": 1}, {"cutoffs": falling_out(2)}],
    ids=["both to the end", "one has fewer epochs", "one is pruned"],
)
def test_companions_change_no_bit_of_a_trial(
    digits: PreparedData, stopping: dict[str, Any]
) -> None:
    config, other = trial(0), trial(1, width=40, depth=1, dropout=0.6, learning_rate=0.01)
    alone = [fit_one(digits, config), fit_one(digits, other, **stopping)]
    for order in ((0, 1), (1, 0)):
        both = (assigned(config), assigned(other, **stopping))
        together = fit(digits, *(both[i] for i in order))
        assert [bits(outcome) for outcome in together] == [bits(alone[i]) for i in order]
        assert [outcome.state for outcome in together] == [alone[i].state for i in order]


def test_a_trial_is_complete_after_its_last_epoch(digits: PreparedData) -> None:
    outcome = fit_one(digits, trial(), epochs=2)
    assert (outcome.state, outcome.cause) == (TrialState.COMPLETE, None)
    assert [scores.epoch for scores in outcome.curve] == [1, 2]


def test_each_epoch_is_reported_once_as_it_stands_in_the_curve(digits: PreparedData) -> None:
    heard: list[EpochScores] = []
    outcomes = fit_cohort(
        Cohort((assigned(trial(0)), assigned(trial(1), epochs=2))), digits, heard.append
    )
    assert [(s.epoch, s.number) for s in heard] == [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0)]
    for outcome in outcomes:
        assert tuple(s for s in heard if s.number == outcome.number) == outcome.curve


def test_fewer_epochs_are_the_beginning_of_more(digits: PreparedData) -> None:
    few, more = (fit_one(digits, trial(), epochs=epochs).curve for epochs in (2, 4))
    assert curve_sha256(few) == curve_sha256(more[:2])


@pytest.mark.parametrize("patience", [1, 2])
def test_a_trial_without_patience_left_is_complete(digits: PreparedData, patience: int) -> None:
    config = trial(learning_rate=1.0)  # its loss goes up and down
    losses = [scores.val_loss for scores in fit_one(digits, config, epochs=12).curve]
    outcome = fit_one(digits, config, epochs=12, patience=patience)
    expected = next(n for n in range(1, 13) if n - 1 - losses.index(min(losses[:n])) >= patience)
    assert (outcome.state, outcome.cause) == (TrialState.COMPLETE, None)
    assert [scores.val_loss for scores in outcome.curve] == losses[:expected]
    assert expected < 12


def test_a_trial_above_its_cutoff_is_pruned_with_the_rule_as_its_cause(
    digits: PreparedData,
) -> None:
    outcome = fit_one(digits, trial(), epochs=9, cutoffs=falling_out(2))
    assert outcome.state is TrialState.PRUNED
    assert outcome.cause is not None
    assert outcome.cause.startswith("some rule: lowest val_loss")
    assert outcome.cause.endswith("above 0 at epoch 2")
    assert len(outcome.curve) == 2
    assert outcome.weights is not None


def test_a_cutoff_at_the_last_epoch_prunes_nothing(digits: PreparedData) -> None:
    outcome = fit_one(digits, trial(), epochs=2, cutoffs=falling_out(2))
    assert outcome.state is TrialState.COMPLETE


def test_a_trial_that_diverges_fails_and_names_the_epoch(digits: PreparedData) -> None:
    config = trial(training={"optimizer": "sgd"}, learning_rate=1_000.0)
    outcome = fit_one(digits, config)
    assert outcome.state is TrialState.FAIL
    assert outcome.cause is not None
    assert outcome.cause.startswith("diverged: train_loss ")
    assert outcome.cause.endswith(f"at epoch {len(outcome.curve)}")
    assert (outcome.value, outcome.facts is None) == (None, False)


@pytest.mark.parametrize(
    "method",
    [
        pytest.param("build", id="while it is built"),
        pytest.param("make_optimizer", id="as it begins"),
        pytest.param("constrain", id="in its first step"),
    ],
)
def test_a_trial_that_raises_fails_alone(
    digits: PreparedData, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = getattr(Network, method)

    def raise_if_constrained(network: Network, *args: Any) -> Any:
        if network.optimization.max_norm is not None:
            message = f"planted in {method}"
            raise ValueError(message)
        return sound(network, *args)

    monkeypatch.setattr(Network, method, raise_if_constrained)
    config = trial(0)
    bad, good = fit(digits, assigned(trial(1, depth=1, max_norm=1.0)), assigned(config))
    assert bad.state is TrialState.FAIL
    assert str(bad.cause).startswith(f"ValueError: planted in {method}")
    assert (bad.curve, bad.weights) == ((), None)
    assert good.state is TrialState.COMPLETE
    assert bits(good) == bits(fit_one(digits, config))


def test_a_cohort_of_failures_alone_ends_at_once(digits: PreparedData) -> None:
    bad = [assigned(out_of_domain(trial(number), width=-1)) for number in (0, 1)]
    assert [outcome.state for outcome in fit(digits, *bad)] == [TrialState.FAIL] * 2


def test_a_fault_in_the_report_fails_the_trial_and_keeps_its_curve(digits: PreparedData) -> None:
    calls = itertools.count(1)

    def report(_: EpochScores) -> None:
        if next(calls) == 2:
            message = "nobody listens"
            raise OSError(message)

    (outcome,) = fit_cohort(Cohort((assigned(trial()),)), digits, report)
    assert outcome.state is TrialState.FAIL
    assert outcome.cause is not None
    assert outcome.cause.startswith("OSError: nobody listens (tests.learning.cohort.test_fit:")
    assert len(outcome.curve) == 2


def test_labels_that_the_network_has_no_class_for_fail_the_trial(digits: PreparedData) -> None:
    outcome = fit_one(replace(digits, n_classes=3), trial())
    assert outcome.state is TrialState.FAIL
    assert outcome.cause is not None
    assert "out of bounds" in outcome.cause


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has such a device")
def test_a_device_that_is_not_there_fails_the_trial(digits: PreparedData) -> None:
    outcome = fit_one(digits, trial(training={"device": "cuda"}))
    assert outcome.state is TrialState.FAIL
    assert outcome.cause is not None
    assert "No supported gpu backend found" in outcome.cause


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="counts pages as Linux does")
def test_exhausted_memory_fails_the_trial_and_no_other(digits: PreparedData) -> None:
    fit_one(digits, trial())  # what a first trial loads is loaded
    with address_space(GIBIBYTE):
        large, small = fit(digits, assigned(trial(1, width=60_000)), assigned(trial(0)))
    assert large.state is TrialState.FAIL
    assert large.cause is not None
    assert large.cause.startswith("out of memory: ")
    assert small.state is TrialState.COMPLETE


def test_the_best_epochs_weights_are_those_kept(digits: PreparedData) -> None:
    config = trial(learning_rate=0.3)
    outcome = fit_one(digits, config, epochs=8)
    assert outcome.weights is not None
    assert outcome.best is not None
    assert outcome.best.epoch < 8
    parts = rows_of(digits, config)
    assert parts.validation is not None
    network = build_network(config, image_shape=(8, 8), labels=Classes(10))
    network.load_state_dict(load(outcome.weights))
    stack = Stack([network], [], first_step=0, batch_size=100, precision="32-true")
    for score in (stack.score, partial(score_rows, network, "32-true")):
        assert evaluate(score, parts.validation)[0][0] == outcome.best.val_loss
        assert evaluate(score, parts.probe)[0][0] == outcome.best.train_loss_no_dropout
    assert outcome.value == outcome.best.val_loss


def test_the_probe_is_training_rows_as_many_as_validate(digits: PreparedData) -> None:
    parts = rows_of(digits, trial())
    assert parts.validation is not None
    assert set(parts.probe.numbers.tolist()) <= set(parts.training.numbers.tolist())
    assert len(parts.probe) == len(parts.validation)


def test_a_refit_trains_on_all_but_the_test_rows_and_keeps_its_last_epoch(
    digits: PreparedData,
) -> None:
    config = trial(training={"epochs": 2})
    (apart,), _ = load_splits(digits, config.data, config.seeds["split"], is_refit=False)
    (whole,), _ = load_splits(digits, config.data, config.seeds["split"], is_refit=True)
    assert apart.validation is not None
    assert whole.validation is None
    both = torch.cat([apart.training.numbers, apart.validation.numbers])
    assert whole.training.numbers.tolist() == sorted(both.tolist())
    first, last = (fit_one(digits, config, epochs=n, is_refit=True) for n in (1, 2))
    assert last.state is TrialState.COMPLETE
    assert last.weights is not None
    assert last.weights != first.weights
    assert [math.isnan(scores.val_loss) for scores in last.curve] == [True, True]
    assert last.curve[1].train_loss < last.curve[0].train_loss
    assert last.weights != fit_one(digits, config).weights


def test_no_dropout_makes_the_probes_loss_follow_the_training_loss(digits: PreparedData) -> None:
    config = trial(training={"epochs": 15}, input_dropout=0.0, dropout=0.0)
    last = fit_one(digits, config).curve[-1]
    assert last.train_loss_no_dropout < 1.2 * last.train_loss


def test_the_phases_sum_to_the_wall_time(digits: PreparedData) -> None:
    started = time.perf_counter()
    outcomes = fit(digits, assigned(trial(0)), assigned(trial(1)))
    wall = time.perf_counter() - started
    spent = [sum(outcome.seconds.values()) for outcome in outcomes]
    assert all(set(outcome.seconds) == set(PHASES) for outcome in outcomes)
    assert spent[0] == spent[1]
    assert 0.9 * wall < sum(spent) <= wall
    assert all(value >= 0 for outcome in outcomes for value in outcome.seconds.values())


def test_facts_hold_each_trials_index_in_its_stack(digits: PreparedData) -> None:
    outcomes = fit(digits, assigned(trial(4)), assigned(trial(2)))
    known = [outcome.facts for outcome in outcomes]
    assert [outcome.number for outcome in outcomes] == [4, 2]
    assert [facts and (facts.stack_index, facts.stack_size) for facts in known] == [(0, 2), (1, 2)]
    assert all(facts and facts.data_sha256 == digits.sha256 for facts in known)


def test_a_worker_uses_the_threads_that_the_study_says(digits: PreparedData) -> None:
    before = torch.get_num_threads()
    try:
        outcome = fit_one(digits, trial(training={"threads": 2, "epochs": 1}))
        assert outcome.facts is not None
        assert outcome.facts.threads == 2
    finally:
        torch.set_num_threads(before)


def test_training_leaves_the_global_generator_alone(digits: PreparedData) -> None:
    before = torch.get_rng_state()
    fit_one(digits, trial())
    assert torch.equal(torch.get_rng_state(), before)


def test_an_assignment_carries_no_rule_unless_it_is_given_one() -> None:
    assert assigned(trial()) == Assignment(config=trial(), epochs=3)
