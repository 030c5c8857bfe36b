import math
from collections.abc import Sequence
from typing import NamedTuple

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, SuccessiveHalvingPruner
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState as OptunaState

from pipeline.search.stopping import StoppingRule, hyperband_bracket
from pipeline.trial import Cutoffs, TrialRow, TrialState
from tests.search.studies import ended, study

ENDS = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
# Few distinct losses, so that ties come up.
LOSSES = st.one_of(st.integers(0, 6).map(lambda loss: loss / 2), st.floats(0, 10))
DIVERGED = st.sampled_from([math.inf, math.nan])


class Settings(NamedTuple):
    """What a study file may say of a rule; ``None``: its defaults."""

    first_rung: int | None = None
    reduction: int | None = None


UNSAID = Settings()


class Past(NamedTuple):
    """A visible trial."""

    losses: list[float]
    state: TrialState


@st.composite
def situations(draw: st.DrawFn) -> tuple[int, list[Past], list[float]]:
    """Epochs, visible trials, and the curve of the trial that is decided about."""
    epochs = draw(st.integers(1, 30))
    ended = st.builds(
        Past, st.lists(LOSSES, min_size=1, max_size=epochs), st.sampled_from(ENDS[:2])
    )
    failed = st.builds(Past, st.lists(LOSSES | DIVERGED, max_size=epochs), st.just(TrialState.FAIL))
    past = draw(st.lists(ended | failed, max_size=14))
    return epochs, past, draw(st.lists(LOSSES, min_size=epochs, max_size=epochs))


def settings_of(rule: str, epochs: int) -> st.SearchStrategy[Settings]:
    """What a study file may say of a rule."""
    reductions = st.none() if rule == "median" else st.none() | st.integers(2, 6)
    return st.builds(Settings, st.none() | st.integers(1, epochs), reductions)


def cutoffs(
    rule: str,
    number: int,
    seen: Sequence[TrialRow],
    *,
    epochs: int = 9,
    said: Settings = UNSAID,
    is_asked_often: bool = False,
) -> Cutoffs | None:
    """The cut-offs of a trial that may see these outcomes."""
    stopping = StoppingRule(study(epochs=epochs, stopping=rule, **said._asdict()))
    for one in seen:
        stopping.tell(one)
        if is_asked_often:
            stopping.cutoffs(number)
    return stopping.cutoffs(number)


def optunas_pruner(rule: str, epochs: int, said: Settings = UNSAID) -> BasePruner:
    first, factor = said.first_rung or 1, said.reduction
    match rule:
        case "median":
            return MedianPruner(n_startup_trials=5, n_warmup_steps=said.first_rung or 0)
        case "asha":
            return SuccessiveHalvingPruner(min_resource=first, reduction_factor=factor or 4)
        case _:
            return HyperbandPruner(
                min_resource=first, max_resource=epochs, reduction_factor=factor or 3
            )


class Oracle:
    """Optuna's own study, fed with the running minima of each trial."""

    def __init__(self, rule: str, epochs: int, said: Settings) -> None:
        self.epochs = epochs
        self.storage = InMemoryStorage()
        self.study = optuna.create_study(
            storage=self.storage,
            study_name="small",
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=optunas_pruner(rule, epochs, said),
        )

    def add(self, seen: TrialRow) -> None:
        """Take in a trial that has ended."""
        trial = self.study.ask()
        for epoch, loss in enumerate(seen.lowest_so_far, start=1):
            trial.report(loss, epoch)
            trial.should_prune()
        values = seen.lowest_so_far[-1] if seen.state is TrialState.COMPLETE else None
        self.study.tell(trial, values, state=OptunaState[seen.state.name])

    def ends(self, losses: Sequence[float]) -> list[bool]:
        """Whether the pruner ends the next trial, epoch by epoch until it does."""
        trial = self.study.ask()
        decisions = []
        for epoch in range(1, self.epochs + 1):
            trial.report(min(losses[:epoch]), epoch)
            decisions.append(trial.should_prune())
            if decisions[-1]:
                break
        return decisions


@pytest.mark.parametrize("rule", ["median", "asha", "hyperband"])
@settings(max_examples=100)
@given(situation=situations(), data=st.data())
def test_cutoffs_decide_at_each_epoch_as_optunas_pruner_does(
    rule: str, situation: tuple[int, list[Past], list[float]], data: st.DataObject
) -> None:
    epochs, past, losses = situation
    said = data.draw(settings_of(rule, epochs))
    oracle = Oracle(rule, epochs, said)
    seen = []
    for number, (curve, state) in enumerate(past):
        seen.append(ended(number, state, None, tuple(curve)))
        oracle.add(seen[-1])
    limits = cutoffs(rule, len(past), seen, epochs=epochs, said=said)
    assert limits is not None
    ours = []
    for epoch in range(1, epochs + 1):
        ours.append(limits.verdict(losses[:epoch]) is not None)
        if ours[-1]:
            break
    assert ours == oracle.ends(losses)
    often = cutoffs(rule, len(past), seen, epochs=epochs, said=said, is_asked_often=True)
    assert often == limits


def test_cutoffs_do_end_trials_in_the_situations_that_are_compared() -> None:
    seen = [ended(n, TrialState.COMPLETE, 0.1, (0.1,) * 9) for n in range(12)]
    for rule in ("median", "asha"):
        limits = cutoffs(rule, 12, seen)
        assert limits is not None
        assert limits.verdict([0.2]) == f"{rule}: lowest val_loss 0.2 above 0.1 at epoch 1"


@pytest.mark.parametrize("rule", ["none", "halving"])
def test_cutoffs_are_absent_where_no_trial_ends_while_it_is_trained(rule: str) -> None:
    assert cutoffs(rule, 0, [ended(0, TrialState.COMPLETE, 0.1, (0.1,) * 9)]) is None


@pytest.mark.parametrize("rule", ["median", "asha", "hyperband"])
def test_no_cutoff_lies_before_the_first_rung(rule: str) -> None:
    seen = [ended(n, TrialState.COMPLETE, 0.1, (0.1,) * 9) for n in range(40)]
    limits = cutoffs(rule, 40, seen, said=Settings(first_rung=4))
    assert limits is not None
    assert limits.limits[:3] == (math.inf,) * 3
    assert min(limits.limits) == 0.1


@given(
    number=st.integers(0, 100_000),
    epochs=st.integers(1, 1_000),
    first_rung=st.integers(1, 1_000),
    reduction=st.integers(2, 9),
)
def test_hyperband_bracket_is_the_one_that_optuna_chooses(
    number: int, epochs: int, first_rung: int, reduction: int
) -> None:
    said = Settings(min(first_rung, epochs), reduction)
    ours = hyperband_bracket("small", number, epochs, **said._asdict())
    assert ours == optunas_bracket(number, epochs, said)


@pytest.mark.parametrize("epochs", [1, 2, 3, 9, 27, 81, 243, 729, 2187])
def test_hyperband_bracket_is_optunas_at_powers_of_the_reduction(epochs: int) -> None:
    numbers = range(60)
    ours = [hyperband_bracket("small", number, epochs) for number in numbers]
    assert ours == [optunas_bracket(number, epochs, UNSAID) for number in numbers]


def optunas_bracket(number: int, epochs: int, said: Settings) -> int:
    pruner = optunas_pruner("hyperband", epochs, said)
    assert isinstance(pruner, HyperbandPruner)
    asked = optuna.create_study(study_name="small", pruner=pruner)
    pruner._try_initialization(asked)
    trial = optuna.trial.create_trial(state=OptunaState.RUNNING)
    trial.number = number
    return pruner._get_bracket_id(asked, trial)
