"""What a few steps of a model take is measured on the study's own loop."""

import pytest

from pipeline.learning.cohort.member import Member
from pipeline.learning.data import PreparedData
from pipeline.learning.measurement import Workbench, contention
from pipeline.trial import Assignment
from tests.learning.trials import assigned, fit, trial


@pytest.fixture(scope="module")
def bench(digits: PreparedData) -> Workbench:
    """The digits, split."""
    return Workbench(digits, trial())


def test_parameters_are_counted_without_memory(bench: Workbench, digits: PreparedData) -> None:
    [outcome] = fit(digits, assigned(trial(training={"epochs": 1})))
    assert bench.count_parameters(trial()) == outcome.n_parameters
    assert bench.count_parameters(trial(width=60_000)) > 3_000_000_000


@pytest.mark.parametrize("model", ["mlp", "cnn", "autoencoder"])
def test_memory_grows_with_the_batch_and_holds_five_copies_of_the_weights(
    model: str, bench: Workbench
) -> None:
    small, large = (trial(model=model, batch_size=size) for size in (10, 1_000))
    weights = 4 * bench.count_parameters(small)
    assert 5 * weights < bench.memory_bytes(small) < bench.memory_bytes(large)


@pytest.mark.parametrize("model", ["mlp", "cnn", "autoencoder"])
def test_step_of_a_sound_model_has_no_fault(model: str, bench: Workbench) -> None:
    assert bench.try_step(trial(model=model)) is None


def test_step_that_diverges_is_no_fault(bench: Workbench) -> None:
    assert bench.try_step(trial(learning_rate=1_000.0, training={"optimizer": "sgd"})) is None


def test_step_that_raises_tells_the_cause(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object) -> None:
        message = "no room"
        raise ValueError(message)

    monkeypatch.setattr(Member, "make_optimizers", fail)
    assert "ValueError: no room" in str(bench.try_step(trial()))


def test_short_epochs_are_trained_whole_and_give_curves(bench: Workbench) -> None:
    cohort = [Assignment(config=trial(number), epochs=3) for number in (0, 1)]
    speed = bench.measure(cohort, seconds=5.0)
    assert speed is not None
    assert speed.n_members == 2
    assert [len(curve) for curve in speed.losses] == [3, 3]


def test_long_epochs_are_reckoned_from_a_few_steps(bench: Workbench) -> None:
    cohort = [Assignment(config=trial(), epochs=3)]
    whole = bench.measure(cohort, seconds=5.0)
    part = bench.measure(cohort, seconds=0.0)
    assert whole is not None
    assert part is not None
    assert part.losses == ()
    assert 0.1 < part.epoch_seconds / whole.epoch_seconds < 30  # one step on a busy machine


def test_workers_contend_within_limits() -> None:
    assert contention(1) == 1.0
    assert 1.0 <= contention(2) <= 2.0
