"""A trial that pauses and goes on has the bits, the curve and the weights of one that never did."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.learning.checkpoints import CheckpointFolder, Resumable
from pipeline.learning.checkpoints.states import fingerprint_of
from pipeline.learning.cohort.fit import fit_cohort
from pipeline.learning.data import PreparedData
from pipeline.trial import Assignment, Cohort, Cutoffs, EpochScores, TrialOutcome, TrialState
from tests.learning.checkpoints.stops import bits, fit, resumable, stop_after
from tests.learning.checkpoints.test_custom import ANEW, RESUMED, _data
from tests.learning.checkpoints.test_resume import COHORTS, DAMAGES, one

PAUSE = 2
EXACT_IN_ANY_COMPANY = sorted(COHORTS.keys() - {"bf16"})


@pytest.fixture(autouse=True)
def keep_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let checkpoints be as rare as they are: a pause does not ask the clock."""
    monkeypatch.setattr("pipeline.learning.checkpoints.states.CHECKPOINT_SECONDS", 30.0)


def pausing(trials: Sequence[Assignment], epoch: int = PAUSE) -> list[Assignment]:
    """The trials, to pause after an epoch."""
    return [replace(trial, pause_at=epoch) for trial in trials]


def fit_again(
    context: PreparedData | Resumable, trials: Sequence[Assignment], before: Sequence[TrialOutcome]
) -> list[TrialOutcome]:
    """Let those that paused go on in one cohort; give back how all have ended."""
    paused = [trial for trial, one in zip(trials, before, strict=True) if one.is_paused]
    after = iter(fit(context, paused) if paused else [])
    return [next(after) if outcome.is_paused else outcome for outcome in before]


def epochs_trained(heard: Sequence[EpochScores], before: TrialOutcome) -> list[int]:
    """Those of a second part that were not taken up from the first."""
    seconds = [scores.epoch_seconds for scores in before.curve]
    return [scores.epoch for scores in heard if scores.epoch_seconds not in seconds]


@pytest.mark.parametrize("kind", COHORTS)
@pytest.mark.parametrize("epoch", [1, PAUSE])
def test_a_cohort_that_pauses_goes_on_as_if_it_never_had(
    digits: PreparedData, tmp_path: Path, kind: str, epoch: int
) -> None:
    trials, context = COHORTS[kind](), resumable(digits, tmp_path)
    undisturbed = fit(digits, trials)
    before = fit(context, pausing(trials, epoch))
    for early, late in zip(before, undisturbed, strict=True):
        assert early.is_paused == (len(late.curve) > epoch)
        assert [one.val_loss for one in early.curve] == [one.val_loss for one in late.curve][:epoch]
        assert early.n_parameters == late.n_parameters
    after = fit_again(context, trials, before)
    assert list(map(bits, after)) == list(map(bits, undisturbed))
    assert [one.pictures for one in after] == [one.pictures for one in undisturbed]


@pytest.mark.parametrize("kind", EXACT_IN_ANY_COMPANY)
def test_what_has_paused_goes_on_alone_without_an_epoch_trained_twice(
    digits: PreparedData, tmp_path: Path, kind: str
) -> None:
    trials, context = COHORTS[kind](), resumable(digits, tmp_path)
    before = fit(context, pausing(trials))
    for trial, early in zip(trials, before, strict=True):
        if not early.is_paused:
            continue
        heard: list[EpochScores] = []
        (after,) = fit_cohort(Cohort((trial,)), context, heard.append)
        assert bits(after) == bits(fit(digits, [trial])[0])
        assert epochs_trained(heard, early) == [one.epoch for one in after.curve[PAUSE:]]


def test_trials_that_paused_in_several_cohorts_go_on_in_one(
    digits: PreparedData, tmp_path: Path
) -> None:
    context = resumable(digits, tmp_path)
    trials = [one(number, dropout=0.1 * number) for number in range(4)]
    before = fit(context, pausing(trials[:1])) + fit(context, pausing(trials[1:]))
    assert all(outcome.is_paused for outcome in before)
    after = fit(context, [trials[2], trials[0], trials[3]])
    undisturbed = fit(digits, trials)
    assert list(map(bits, after)) == [bits(undisturbed[n]) for n in (2, 0, 3)]


def test_a_paused_trial_is_as_one_that_a_rule_ended_there(
    digits: PreparedData, tmp_path: Path
) -> None:
    """So one that is stopped at a gate has the record of a trial that has ended by itself."""
    none_passes = Cutoffs(rule="rule", limits=(float("inf"), 0.0, 0.0, 0.0))
    for kind in ("adamw", "cnn", "autoencoder", "folds"):
        trial = COHORTS[kind]()[0]
        (paused,) = fit(resumable(digits, tmp_path / kind), pausing([trial]))
        (ended,) = fit(digits, [replace(trial, cutoffs=none_passes)])
        assert (paused.is_paused, ended.state) == (True, TrialState.PRUNED)
        assert bits(paused)[:2] == bits(ended)[:2]
        assert (paused.best and paused.best.epoch) == (ended.best and ended.best.epoch)
        assert paused.facts is not None
        assert ended.facts is not None
        assert paused.facts == ended.facts


def test_a_worker_that_dies_after_a_pause_pauses_again_without_training(
    digits: PreparedData, tmp_path: Path
) -> None:
    context, trials = resumable(digits, tmp_path), COHORTS["adamw"]()
    before = fit(context, pausing(trials))
    again = fit(context, pausing(trials))
    assert list(map(bits, again)) == list(map(bits, before))
    paused = [n for n, outcome in enumerate(before) if outcome.is_paused]
    assert paused == [0, 2]
    for n in paused:  # the very epochs of before
        assert again[n].curve == before[n].curve


def test_a_trial_beyond_its_pause_says_all_that_it_has_done(
    digits: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that died after the gate asks again; the epochs behind it are not lost."""
    monkeypatch.setattr("pipeline.learning.checkpoints.states.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("pipeline.learning.checkpoints.states.COST_FACTOR", 0)
    context = resumable(digits, tmp_path)
    heard = stop_after(context, [one()], 3)
    (paused,) = fit(context, pausing([one()]))
    assert paused.is_paused
    assert list(paused.curve) == [heard[0, epoch] for epoch in (1, 2, 3)]
    (after,) = fit(context, [one()])
    assert bits(after) == bits(fit(digits, [one()])[0])


def test_a_pause_belongs_to_no_fingerprint(digits: PreparedData) -> None:
    (outcome,) = fit(digits, [one()])
    assert outcome.facts is not None
    told = {fingerprint_of(trial, outcome.facts, [(0, 0)]) for trial in [one(), *pausing([one()])]}
    assert len(told) == 1


@pytest.mark.parametrize("damage", [*DAMAGES, "lost"])
def test_a_trial_whose_checkpoint_is_lost_at_its_pause_is_trained_from_the_start(
    digits: PreparedData, tmp_path: Path, damage: str
) -> None:
    context = resumable(digits, tmp_path)
    (early,) = fit(context, pausing([one()]))
    file = context.folder.file(0)
    if damage == "lost":
        file.unlink()
    else:
        file.write_bytes(DAMAGES[damage](file.read_bytes()))
    heard: list[EpochScores] = []
    (after,) = fit_cohort(Cohort((one(),)), context, heard.append)
    assert bits(after) == bits(fit(digits, [one()])[0])
    assert epochs_trained(heard, early) == [1, 2, 3, 4]


def test_a_trial_pauses_though_nothing_can_be_written(digits: PreparedData, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file in the folder's place")
    for context in (digits, resumable(digits, tmp_path)):
        before = fit(context, pausing([one()]))
        assert before[0].is_paused
        (after,) = fit_again(context, [one()], before)
        assert bits(after) == bits(fit(digits, [one()])[0])


def test_a_trial_that_ends_at_its_pause_does_not_pause(
    digits: PreparedData, tmp_path: Path
) -> None:
    context = resumable(digits, tmp_path)
    trials = COHORTS["patience"]()
    ended = {n: len(outcome.curve) for n, outcome in enumerate(fit(digits, trials))}
    for n, trial in enumerate(trials):
        (outcome,) = fit(context, pausing([trial], ended[n]))
        assert outcome.state is TrialState.COMPLETE
        assert bits(outcome) == bits(fit(digits, [trial])[0])
    assert not context.folder.path.exists()


OWN = RESUMED | ANEW


@pytest.mark.parametrize("what", OWN)
def test_an_own_module_that_pauses_goes_on_as_if_it_never_had(
    digits: PreparedData, tmp_path: Path, what: str
) -> None:
    trial = OWN[what]
    data = _data(trial, digits)
    (undisturbed,) = fit(data, [trial])
    context = Resumable(data, CheckpointFolder(tmp_path / "checkpoints" / "tests"))
    (early,) = fit(context, pausing([trial]))
    assert early.is_paused, early.cause
    assert len(early.curve) == PAUSE
    assert early.n_parameters == undisturbed.n_parameters
    (again,) = fit(context, pausing([trial]))
    assert bits(again) == bits(early)
    heard: list[EpochScores] = []
    (after,) = fit_cohort(Cohort((trial,)), context, heard.append)
    assert bits(after) == bits(undisturbed)
    is_resumed = what in RESUMED
    assert (epochs_trained(heard, again) == list(range(PAUSE + 1, 4))) == is_resumed


def test_an_own_module_that_ends_itself_at_its_pause_does_not_pause(
    digits: PreparedData, tmp_path: Path
) -> None:
    config = OWN["metrics and callbacks"].config
    config = config.model_copy(
        update={"training": config.training.model_copy(update={"epochs": 9})}
    )
    trial = Assignment(config=config, epochs=9)
    (undisturbed,) = fit(digits, [trial])
    assert len(undisturbed.curve) < 9
    (outcome,) = fit(resumable(digits, tmp_path), pausing([trial], len(undisturbed.curve)))
    assert outcome.state is TrialState.COMPLETE
    assert bits(outcome) == bits(undisturbed)
