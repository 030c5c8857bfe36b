"""The searches that are compared: that they are what they are called."""

import math
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.samplers import RandomSampler, TPESampler

from benchmarks.search.policies import POLICIES, MedianPruner, OptunaPolicy, Policy
from benchmarks.search.price import BOUNDS, line_of, seconds_by_trial
from benchmarks.search.promotion import PromotingAsha, rungs
from benchmarks.search.simulation import Noise, noisy, simulate
from benchmarks.search.studies import Study, StudyKey
from benchmarks.search.training import Recalled, end_of
from pipeline.learning.cohort.member import Progress
from pipeline.trial import Assignment, Cutoffs, EpochScores, TrialState
from tests.search.studies import ended, study

EPOCHS = 9
# Few distinct losses, so that ties come up.
LOSSES = st.one_of(st.integers(0, 6).map(lambda loss: loss / 2), st.floats(0, 10))
CURVES = st.lists(LOSSES, min_size=EPOCHS, max_size=EPOCHS)


def losses_of(assignment: Assignment) -> list[float]:
    """A curve that depends on the setting."""
    params = assignment.config.params
    level = abs(math.log10(float(params["learning_rate"])) + 3) + float(params["input_dropout"])
    return [level + 1 / epoch for epoch in range(1, EPOCHS + 1)]


def simulated(policy: str, *, budget: int, seed: int = 0) -> Study:
    entry = POLICIES[policy]
    asked = study(epochs=EPOCHS, trials=budget, seed=seed, block=4, **entry.search)
    key = StudyKey(policy, "small", seed)
    return simulate(key, asked, entry.make(asked), losses_of, budget=budget)


@settings(max_examples=40)
@given(past=st.lists(CURVES, max_size=9), curve=CURVES)
def test_median_pruner_ends_a_trial_where_optunas_does(
    past: list[list[float]], curve: list[float]
) -> None:
    ours = MedianPruner(EPOCHS)
    theirs = optuna.create_study(
        sampler=RandomSampler(seed=0), pruner=optuna.pruners.MedianPruner()
    )
    for number, losses in enumerate(past):
        asked = theirs.ask()
        for epoch, loss in enumerate(losses, start=1):
            asked.report(loss, epoch)
        # Every third one was pruned half way.
        is_pruned = number % 3 == 2
        seen = losses[: EPOCHS // 2] if is_pruned else losses
        state = TrialState.PRUNED if is_pruned else TrialState.COMPLETE
        theirs.tell(
            asked,
            None if is_pruned else min(losses),
            state=optuna.trial.TrialState[state.name],
        )
        ours.tell(ended(number, state, None if is_pruned else min(losses), tuple(seen)))
    cutoffs = ours.cutoffs()
    asked = theirs.ask()
    for epoch in range(1, EPOCHS + 1):
        asked.report(curve[epoch - 1], epoch)
        verdict = cutoffs.verdict(curve[:epoch]) if cutoffs else None
        assert (verdict is not None) == asked.should_prune()
        if verdict:
            break


def test_median_pruner_does_end_trials() -> None:
    pruner = MedianPruner(2)
    for number in range(5):
        pruner.tell(ended(number, TrialState.COMPLETE, 0.1, (0.4, 0.1)))
    cutoffs = pruner.cutoffs()
    assert cutoffs is not None
    assert cutoffs.verdict([0.5]) == "median: lowest val_loss 0.5 above 0.4 at epoch 1"
    assert cutoffs.verdict([0.3]) is None


def test_tpe_begins_with_the_trials_of_random_search() -> None:
    random, tpe = (simulated(policy, budget=10 * EPOCHS) for policy in ("random", "tpe"))
    assert [one.params for one in random.trials[:8]] == [one.params for one in tpe.trials[:8]]


def test_sequential_policy_is_optunas_own_loop() -> None:
    asked = study(epochs=EPOCHS, trials=15, seed=3)

    def objective(trial: optuna.Trial) -> float:
        depth = trial.suggest_int("depth", 0, 3)
        params: dict[str, Any] = {"depth": depth}
        if depth:
            params["width"] = trial.suggest_categorical("width", [16, 32])
        params["input_dropout"] = trial.suggest_float("input_dropout", 0.0, 0.3)
        for layer in range(1, depth + 1):
            params[f"dropout_{layer}"] = trial.suggest_float(f"dropout_{layer}", 0.0, 0.6)
        params["batch_size"] = trial.suggest_categorical("batch_size", [32, 64])
        params["learning_rate"] = trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
        rate = float(params["learning_rate"])
        return abs(math.log10(rate) + 3) + float(params["input_dropout"]) + 1 / EPOCHS

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    theirs = optuna.create_study(sampler=TPESampler(seed=3))
    with warnings.catch_warnings():  # of layers that some trials do not have
        warnings.simplefilter("ignore")
        theirs.optimize(objective, n_trials=15)
    policy = OptunaPolicy(asked, TPESampler(seed=3))
    ours = simulate(StudyKey("tpe", "small", 3), asked, policy, losses_of, budget=15 * EPOCHS)
    searched = [
        {name: value for name, value in one.params.items() if name != "weight_decay"}
        for one in ours.trials
    ]
    assert searched == [trial.params for trial in theirs.trials]


@pytest.mark.parametrize("policy", ["random", "tpe-median", "tpe-asha", "auto"])
def test_policy_uses_its_budget_and_is_the_same_again(policy: str) -> None:
    first, again = (simulated(policy, budget=120, seed=5) for _ in range(2))
    assert first.trials == again.trials
    assert 120 <= first.epochs < 120 + 8 * EPOCHS


def test_search_that_pauses_trials_pays_for_their_first_epochs_once() -> None:
    asked = study(epochs=EPOCHS, trials=40, stopping="halving", block=4, seed=1)
    policy = POLICIES["auto"].make(asked)
    found = simulate(StudyKey("auto", "small", 1), asked, policy, losses_of, budget=200)
    by_setting: dict[str, list[int]] = {}
    for trial in found.trials:
        by_setting.setdefault(str(trial.params), []).append(trial.epochs)
    assert {sum(epochs) for epochs in by_setting.values()} == {3, EPOCHS}
    assert [3, EPOCHS - 3] in by_setting.values()


def test_promoting_asha_begins_a_trial_only_when_the_best_third_of_each_rung_goes_on() -> None:
    policy = PromotingAsha(study(epochs=EPOCHS, trials=1, seed=0))
    reached: dict[int, int] = {}
    losses: dict[tuple[int, int], float] = {}
    for _ in range(60):
        (assignment,) = policy.ask()
        number = assignment.config.number
        if number not in reached:
            for rung, beyond in pairwise(rungs(EPOCHS)):
                here = sorted((loss, n) for (n, at), loss in losses.items() if at == rung)
                assert all(reached[n] >= beyond for _, n in here[: len(here) // 3])
        row = end_of(assignment, losses_of(assignment))
        assert row is not None
        policy.tell(row)
        reached[number] = assignment.epochs
        losses[number, assignment.epochs] = row.lowest_so_far[-1]
    assert set(reached.values()) == {1, 3, 9}


@settings(max_examples=50)
@given(
    curve=CURVES,
    patience=st.none() | st.integers(1, 4),
    limits=st.none() | CURVES,
    pause_at=st.none() | st.integers(1, EPOCHS),
)
def test_trial_of_known_losses_ends_as_training_ends_it(
    curve: list[float],
    patience: int | None,
    limits: list[float] | None,
    pause_at: int | None,
) -> None:
    assignment = Assignment(
        config=first_assignment().config,
        epochs=EPOCHS,
        patience=patience,
        cutoffs=None if limits is None else Cutoffs(rule="asha", limits=tuple(limits)),
        pause_at=pause_at,
    )
    progress = Progress(assignment)
    for epoch, loss in enumerate(curve, start=1):
        progress.take(scores(epoch, loss))
        if progress.state is not None:
            break
    row = end_of(assignment, curve)
    assert row is not None
    assert (row.state, len(row.scores)) == (progress.state, len(progress.curve))


def test_training_is_recalled_only_where_its_losses_reach_far_enough() -> None:
    whole = first_assignment()
    losses = losses_of(whole)
    strict = Assignment(
        config=whole.config,
        epochs=EPOCHS,
        cutoffs=Cutoffs(rule="asha", limits=(math.inf, 0.0, *[math.inf] * (EPOCHS - 2))),
    )
    known = Recalled()
    stopped = end_of(strict, losses)
    assert stopped is not None
    assert len(stopped.scores) == 2
    known.remember(strict, stopped)
    assert known.find(strict) == stopped
    assert known.find(whole) is None
    complete = end_of(whole, losses)
    assert complete is not None
    known.remember(whole, complete)
    assert known.find(whole) == complete
    assert known.find(strict) == stopped


def test_noise_depends_on_the_trial_alone() -> None:
    import numpy as np

    curve = np.full(EPOCHS, 0.5)
    noise = Noise(offset=0.1, jitter=0.1)
    assignment = first_assignment()
    assert noisy(curve, noise, assignment) == noisy(curve, noise, assignment)
    assert noisy(curve, Noise(0.0, 0.0), assignment) == [0.5] * EPOCHS
    assert len(set(noisy(curve, noise, assignment))) == EPOCHS


def first_assignment() -> Assignment:
    policy: Policy = POLICIES["random"].make(study(epochs=EPOCHS))
    assignments: Sequence[Assignment] = policy.ask()
    return assignments[0]


def scores(epoch: int, loss: float) -> EpochScores:
    return EpochScores(
        number=0,
        epoch=epoch,
        ended_at_ms=0,
        train_loss=1.0,
        train_accuracy=0.0,
        train_loss_no_dropout=1.0,
        val_loss=loss,
        val_accuracy=0.0,
        learning_rate=0.001,
        epoch_seconds=0.0,
    )


@pytest.mark.parametrize("policy", ["auto", "tpe"])
def test_the_price_of_each_suggestion_is_noted(policy: str) -> None:
    by_trial = seconds_by_trial(policy, 21)
    assert len(by_trial) == 22
    assert all(before < after for before, after in pairwise(by_trial))


def test_the_price_is_a_mean_between_bounds() -> None:
    by_trial = [0.002 * n for n in range(BOUNDS[2] + 1)]
    assert line_of("auto", by_trial) == "auto, milliseconds a trial: 0 to 20: 2.0, 20 to 60: 2.0"


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_begins_with_the_settings_that_the_study_file_has(policy: str) -> None:
    first = {"depth": 1, "width": 32, "dropout_1": 0.25, "learning_rate": 2e-3, "batch_size": 64}
    fixed = [first | {"input_dropout": 0.1}, first | {"input_dropout": 0.2}]
    entry = POLICIES[policy]
    asked = study(epochs=EPOCHS, trials=8, block=4, fixed=fixed, **entry.search)
    key = StudyKey(policy, "small", 0)
    trials = simulate(key, asked, entry.make(asked), losses_of, budget=6 * EPOCHS).trials
    begun = list({str(trial.params): trial.params for trial in trials}.values())
    assert begun[0].items() >= fixed[0].items()
    assert begun[1].items() >= fixed[1].items()
    assert not any(setting.items() >= first.items() for setting in begun[2:])
