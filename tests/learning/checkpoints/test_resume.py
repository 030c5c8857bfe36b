"""A trial stopped at any epoch goes on from there, bit for bit as if it had never stopped."""

import errno
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.learning.checkpoints.codec import encode
from pipeline.learning.checkpoints.states import fingerprint_of
from pipeline.learning.cohort.fit import fit_cohort
from pipeline.learning.data import PreparedData
from pipeline.trial import Assignment, Cohort, Cutoffs, EpochScores, Facts, TrialOutcome, TrialState
from tests.learning.checkpoints.stops import (
    bits,
    check_goes_on,
    fit,
    resumable,
    stop_after,
    stop_after_each,
)
from tests.learning.trials import assigned, trial

EPOCHS = 4


def one(number: int = 0, **changes: Any) -> Assignment:
    """A trial of a few epochs."""
    training = {"epochs": EPOCHS} | changes.pop("training", {})
    stopping = changes.pop("stopping", {})
    return assigned(trial(number, training=training, **changes), **stopping)


def three(**changes: Any) -> list[Assignment]:
    """Three trials of one shape; one is pruned at its second epoch, one has three."""
    limits = (math.inf, 0.0, math.inf, math.inf)
    return [
        one(0, **changes),
        one(1, dropout=0.5, stopping={"cutoffs": Cutoffs(rule="rule", limits=limits)}, **changes),
        one(2, learning_rate=0.01, stopping={"epochs": 3}, **changes),
    ]


COHORTS: dict[str, Callable[[], list[Assignment]]] = {
    "adamw": three,
    "adam": lambda: three(training={"optimizer": "adam"}),
    "sgd": lambda: three(training={"optimizer": "sgd"}),
    "cosine": lambda: three(schedule="cosine"),
    "folds": lambda: three(data={"folds": 2}),
    "max-norm": lambda: three(max_norm=1.0),
    "bf16": lambda: three(training={"precision": "bf16-mixed"}),
    "dropconnect": lambda: [one(regularizer="dropconnect")],
    "cnn": lambda: [one(model="cnn")],
    "autoencoder": lambda: [one(model="autoencoder")],
    "patience": lambda: [
        one(learning_rate=0.3, stopping={"patience": 1}),
        one(1, learning_rate=0.001, stopping={"patience": 2}),
    ],
}


@pytest.mark.parametrize("kind", COHORTS)
def test_a_cohort_stopped_at_each_epoch_goes_on_as_if_it_had_never_stopped(
    digits: PreparedData, tmp_path: Path, kind: str
) -> None:
    trials = COHORTS[kind]()
    undisturbed = fit(digits, trials)
    longest = max(len(outcome.curve) for outcome in undisturbed)
    context = resumable(digits, tmp_path)
    heard = stop_after_each(context, trials, longest - 1)
    resumed = fit(context, trials)
    assert list(map(bits, resumed)) == list(map(bits, undisturbed))
    assert [one.pictures for one in resumed] == [one.pictures for one in undisturbed]
    check_goes_on(heard, resumed, longest - 1)


def test_a_cohort_that_predicts_numbers_goes_on_as_if_it_had_never_stopped(
    numbers: PreparedData, tmp_path: Path
) -> None:
    trials = three(data={"task": "regression"}, training={"loss": "huber"})
    undisturbed = fit(numbers, trials)
    context = resumable(numbers, tmp_path)
    heard = stop_after_each(context, trials, EPOCHS - 1)
    resumed = fit(context, trials)
    assert list(map(bits, resumed)) == list(map(bits, undisturbed))
    check_goes_on(heard, resumed, EPOCHS - 1)


def test_members_go_on_in_other_companies_and_at_several_epochs(
    digits: PreparedData, tmp_path: Path
) -> None:
    context = resumable(digits, tmp_path)
    trials = [one(number, dropout=0.1 * number) for number in range(4)]
    first = stop_after(context, trials[:2], 1)
    second = stop_after(context, trials[2:3], 3)
    resumed = fit(context, trials)
    assert list(map(bits, resumed)) == list(map(bits, fit(digits, trials)))
    check_goes_on(first, resumed[:2], 1)
    check_goes_on(second, resumed[2:3], 3)


def test_the_epochs_behind_a_resumed_trial_are_reported_again(
    digits: PreparedData, tmp_path: Path
) -> None:
    context = resumable(digits, tmp_path)
    stop_after(context, [one()], 2)
    heard: list[EpochScores] = []
    (outcome,) = fit_cohort(Cohort((one(),)), context, heard.append)
    assert tuple(heard) == outcome.curve
    assert len(heard) == EPOCHS


def test_short_trials_write_no_checkpoint(
    digits: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.learning.checkpoints.states.CHECKPOINT_SECONDS", 30.0)
    fit(resumable(digits, tmp_path), [one()])
    assert not list(tmp_path.iterdir())


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "half": lambda content: content[: len(content) // 2],
    "a bit of a weight": lambda content: _flipped(content, len(content) // 2),
    "something else": lambda _: hashlib.sha256(b"x").digest() + b"x",
    "another state": lambda _: encode([1, 2]),
}


def _flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def _is_new(heard: dict[tuple[int, int], EpochScores], outcome: TrialOutcome) -> bool:
    return all(
        scores.epoch_seconds != heard[outcome.number, scores.epoch].epoch_seconds
        for scores in outcome.curve
        if (outcome.number, scores.epoch) in heard
    )


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_ignored_and_training_begins_anew(
    digits: PreparedData, tmp_path: Path, damage: str
) -> None:
    context = resumable(digits, tmp_path)
    heard = stop_after(context, [one()], 2)
    file = context.folder.file(0)
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    (outcome,) = fit(context, [one()])
    assert bits(outcome) == bits(fit(digits, [one()])[0])
    assert _is_new(heard, outcome)


@pytest.fixture(scope="module")
def facts(digits: PreparedData) -> Facts:
    """Where this process trains."""
    found = fit(digits, [one(stopping={"epochs": 1})])[0].facts
    assert found is not None
    return found


FOREIGN: dict[str, Callable[[], Assignment]] = {
    "a rate": lambda: one(dropout=0.31),
    "the learning rate": lambda: one(learning_rate=0.004),
    "the split": lambda: one(data={"validation": 0.3}),
    "more epochs": lambda: one(stopping={"epochs": EPOCHS - 1}),
    "a stopping rule": lambda: one(
        stopping={"cutoffs": Cutoffs(rule="rule", limits=(math.inf,) * EPOCHS)}
    ),
    "patience": lambda: one(stopping={"patience": 9}),
    "optimizer": lambda: one(training={"optimizer": "sgd"}),
    "precision": lambda: one(training={"precision": "bf16-mixed"}),
    "threads": lambda: one(training={"threads": 2}),
}


def test_a_checkpoint_of_another_setting_is_ignored_and_training_begins_anew(
    digits: PreparedData, tmp_path: Path
) -> None:
    context = resumable(digits, tmp_path)
    heard = stop_after(context, [one()], 2)
    other = one(dropout=0.31)
    (outcome,) = fit(context, [other])
    assert bits(outcome) == bits(fit(digits, [other])[0])
    assert _is_new(heard, outcome)


@pytest.mark.parametrize("what", FOREIGN)
def test_a_checkpoint_belongs_to_one_setting(facts: Facts, what: str) -> None:
    told = {fingerprint_of(trial, facts, [(0, 0)]) for trial in (one(), FOREIGN[what]())}
    assert len(told) == 2


@pytest.mark.parametrize(
    "fact", ["data_sha256", "sources", "packages", "processor", "python", "device"]
)
def test_a_checkpoint_belongs_to_one_world(facts: Facts, fact: str) -> None:
    before = getattr(facts, fact)
    after = before | {"torch": "9.9"} if isinstance(before, dict) else "other"
    other = facts.model_copy(update={fact: after})
    assert fingerprint_of(one(), other, [(0, 0)]) != fingerprint_of(one(), facts, [(0, 0)])


def test_the_company_counts_only_where_it_may_change_bits(facts: Facts) -> None:
    companies = [[(0, 0)], [(0, 0), (1, 0)]]
    for changes, n_different in (({}, 1), ({"device": "cuda"}, 2), ({"precision": "bf16"}, 2)):
        there = facts.model_copy(update=changes)
        assert len({fingerprint_of(one(), there, some) for some in companies}) == n_different


def test_a_full_disk_ends_no_trial(
    digits: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    (outcome,) = fit(resumable(digits, tmp_path), [one()])
    assert bits(outcome) == bits(fit(digits, [one()])[0])
    assert not list(tmp_path.rglob("*.*"))


def test_a_read_only_home_ends_no_trial(digits: PreparedData, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file in the folder's place")
    (outcome,) = fit(resumable(digits, tmp_path), [one()])
    assert outcome.state is TrialState.COMPLETE


def test_a_failed_trial_is_resumed_before_it_fails_and_fails_again(
    digits: PreparedData, tmp_path: Path
) -> None:
    diverging = one(0, training={"optimizer": "sgd"}, weight_decay=250.0, learning_rate=0.01)
    steady = one(1, training={"optimizer": "sgd"})
    undisturbed = fit(digits, [diverging, steady])
    assert undisturbed[0].state is TrialState.FAIL
    assert len(undisturbed[0].curve) > 1
    context = resumable(digits, tmp_path)
    for epoch in range(1, EPOCHS):
        stop_after(context, [diverging, steady], epoch)
    resumed = fit(context, [diverging, steady])
    assert list(map(bits, resumed)) == list(map(bits, undisturbed))
