from collections.abc import Callable, Mapping
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from pipeline.config import StudyConfig, derive_seed
from pipeline.search.sampling.distributions import constants, searched
from pipeline.search.sampling.samplers import Internals, make_sampler
from pipeline.search.sampling.suggest import SampledView, make_suggester
from pipeline.trial import TrialState
from tests.search.studies import SPACE, ended, study

ENDS = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE, TrialState.FAIL)
STARTUP_TRIALS = 10
"""Optuna's TPE draws at random until so many trials are finished."""


class RecordingTPESampler(TPESampler):
    """Optuna's sampler, which writes down what it samples on its own."""

    def __init__(self, seed: int, calls: list[tuple[int, str]]) -> None:
        super().__init__(seed=seed)
        self.calls = calls

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Write the call down, and sample."""
        self.calls.append((trial.number, param_name))
        return super().sample_independent(study, trial, param_name, param_distribution)


def test_tpe_samples_nothing_on_its_own_after_startup_though_the_depth_varies() -> None:
    asked, calls, depths = study(trials=60, sampler="tpe"), list[tuple[int, str]](), set[int]()

    def sampler_of(
        config: StudyConfig, number: int, space: Mapping[str, BaseDistribution], known: Internals
    ) -> BaseSampler:
        del space, known
        return RecordingTPESampler(derive_seed(config.search.seed, number, "sampler"), calls)

    view = SampledView(asked, sampler_of)
    for number in range(60):
        depths.add(view.ask(number)["depth"])
        if number >= 3:
            past = number - 3
            view.tell(ended(past, TrialState.COMPLETE, 1.0 / (1 + past), (1.0,)))
    assert depths == {0, 1, 2, 3}
    independent = {number for number, _ in calls}
    assert independent == set(range(STARTUP_TRIALS + 3))


def test_recorded_sampler_suggests_what_the_studys_own_does() -> None:
    asked = study(trials=3, sampler="tpe")
    own = SampledView(asked)
    recorded = SampledView(
        asked, lambda *given: RecordingTPESampler(derive_seed(0, given[1], "sampler"), [])
    )
    assert own.ask(0) == recorded.ask(0)


PLAIN: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}
SINGLE = SPACE | {"width": {"low": 8, "high": 8}, "width_2": {"choices": [4]}}


@pytest.mark.parametrize("sampler", sorted(PLAIN))
def test_view_suggests_what_optunas_own_asking_does(sampler: str) -> None:
    fixed: list[dict[str, Any]] = [{"depth": 2, "dropout": 0.25}, {"learning_rate": 1e-3}, {}]
    asked = study(trials=60, space=SINGLE, sampler=sampler, fixed=fixed)
    ours = SampledView(asked)
    theirs = optuna.create_study()
    for number in range(60):
        if number < len(fixed):
            theirs.enqueue_trial(asked.fixed_params(number))
        theirs.sampler = PLAIN[sampler](derive_seed(asked.search.seed, number, "sampler"))
        params = theirs.ask(fixed_distributions=searched(asked)).params
        assert ours.ask(number) == constants(asked) | params
        if number >= 3:
            past, state = number - 3, ENDS[number % len(ENDS)]
            value = 1.0 / (1 + past % 10) if state is TrialState.COMPLETE else None
            ours.tell(ended(past, state, value, (0.5,)))
            theirs._storage.set_trial_intermediate_value(past, 1, 0.5)
            theirs.tell(past, value, state=optuna.trial.TrialState[state.name])


def test_restored_trials_lead_to_the_suggestions_that_asked_ones_do() -> None:
    asked, told = study(trials=30, sampler="tpe"), ended(0, TrialState.COMPLETE, 0.5, (0.5,))
    live = SampledView(asked)
    params = [live.ask(number) for number in range(20)]
    again = SampledView(asked)
    for number, known in enumerate(params):
        again.restore(number, known)
    for view in (live, again):
        for number in range(14):
            view.tell(ended(number, told.state, 1.0 / (1 + number), told.scores))
    assert live.ask(20) == again.ask(20)


@pytest.mark.parametrize("name", ["grid", "gp"])
def test_what_optuna_does_not_sample_has_no_sampler_of_optunas(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is not a sampler of Optuna's"):
        make_sampler(study(sampler=name), 0, {}, Internals({}))


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp"])
def test_space_of_constants_alone_is_sampled(sampler: str) -> None:
    space = {"depth": 1, "width": 8, "dropout": 0.5, "batch_size": 8, "learning_rate": 0.1}
    view = make_suggester(study(space=space, sampler=sampler))
    assert view.ask(0) == view.ask(1) == space | {"input_dropout": 0.0, "weight_decay": 0.0}


def test_trials_converted_once_are_those_that_optuna_converts_each_time() -> None:
    asked = study(trials=40, sampler="tpe")
    view = SampledView(asked)
    for number in range(30):
        view.ask(number)
    space = dict(searched(asked))
    sampler = make_sampler(asked, 30, space, view._internals)
    assert isinstance(sampler, TPESampler)
    trials = view._view.get_trials(deepcopy=False)[3::2]
    ours = sampler._get_internal_repr(trials, space, view._view)
    theirs = TPESampler._get_internal_repr(sampler, trials, space, view._view)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        assert ours[name].dtype == values.dtype
        assert ours[name].tolist() == values.tolist()
