"""Suggestions: a function of the outcomes that a trial is allowed to see."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from pipeline.config import Params, StudyConfig, derive_seed, usual_setting
from pipeline.search.sampling.distributions import constants, only_value, searched
from pipeline.search.sampling.samplers import Internals, make_sampler
from pipeline.trial import TrialRow, WarmStart

SamplerOf = Callable[[StudyConfig, int, Mapping[str, BaseDistribution], Internals], BaseSampler]


class Suggester(Protocol):
    """Suggests trials in the order of their numbers."""

    def ask(self, number: int) -> Params:
        """Suggest the next trial: all parameters, also those of inactive layers."""

    def restore(self, number: int, params: Params) -> None:
        """Add a trial that an earlier run suggested, instead of asking for it."""

    def peek(self, number: int, losses: Sequence[float]) -> None:
        """Show the next suggestions what a trial has come to whose outcome they may not see.

        Args:
            number: Of a trial of the block before theirs, in a study with a gate.
            losses: Its lowest loss up to each epoch, as far as the gate; infinite where none was
                finite, fewer where the trial had ended before.
        """

    def tell(self, trial: TrialRow) -> None:
        """Make a trial's outcome visible to all later suggestions."""


def make_suggester(study: StudyConfig, warm_start: WarmStart | None = None) -> Suggester:
    """Make the suggester that the study's search section names.

    Args:
        study: The study file.
        warm_start: What the study has taken over from another one; its sampler can use it.
    """
    match study.search.sampler:
        case "grid":
            return Grid(study)
        case "gp":
            from pipeline.search.sampling.bayes import BayesianSearch  # scipy takes 1 s to import

            return BayesianSearch(study, warm_start)
    return SampledView(study)


class SampledView:
    """An in-memory Optuna study that holds exactly what the next trial sees, as losses.

    Trials whose outcome is not visible yet are in it as running, with their parameters. Every
    trial has every parameter: a conditional one would make samplers fall back to sampling it
    independently (https://github.com/optuna/optuna/issues/5299). The caller drops inactive ones.

    Args:
        study: Its search section names the sampler.
        sampler_of: Makes the sampler of one trial.
    """

    def __init__(self, study: StudyConfig, sampler_of: SamplerOf = make_sampler) -> None:
        self._study = study
        self._sampler_of = sampler_of
        self._space = searched(study)
        only = {name: only_value(inner) for name, inner in self._space.items() if inner.single()}
        self._constants = constants(study) | only
        self._internals = Internals(self._space)
        self._storage = InMemoryStorage()
        self._view = optuna.create_study(storage=self._storage, study_name=study.name)
        self._study_id = self._storage.get_study_id_from_name(study.name)

    def ask(self, number: int) -> Params:
        """Suggest the next trial."""
        trial = self._storage.get_trial(self._storage.create_new_trial(self._study_id))
        sampler = self._sampler_of(self._study, number, self._space, self._internals)
        return self._write(trial, self._draw(sampler, trial, self._fixed(number)))

    def _fixed(self, number: int) -> Params:
        """What the study file fixes of a trial, without the constants."""
        if number >= len(self._study.trials):
            return {}
        fixed = self._study.fixed_params(number)
        return {name: value for name, value in fixed.items() if name in self._space}

    def _draw(self, sampler: BaseSampler, trial: FrozenTrial, given: Params) -> Params:
        """Sample what is not given, as ``Study.ask`` does, but without binding the trial to it."""
        sampler.before_trial(self._view, trial)
        joint = sampler.infer_relative_search_space(self._view, trial)
        values = self._constants | sampler.sample_relative(self._view, trial, joint) | given
        for name, inner in self._space.items():
            if name not in values:
                values[name] = sampler.sample_independent(self._view, trial, name, inner)
        return values

    def _write(self, trial: FrozenTrial, values: Params) -> Params:
        """Bind a trial of the view to its values."""
        self._internals.add(values)
        trial_id = trial._trial_id  # noqa: SLF001 - no public name for it
        for name, inner in self._space.items():
            internal = inner.to_internal_repr(values[name])
            self._storage.set_trial_param(trial_id, name, internal, inner)
        return self._constants | self._storage.get_trial(trial_id).params

    def restore(self, number: int, params: Params) -> None:
        """Add a trial that an earlier run suggested."""
        del number
        values = {name: params[name] for name in self._space}
        self._internals.add(values)
        self._view.add_trial(
            create_trial(state=OptunaState.RUNNING, params=values, distributions=self._space)
        )

    def peek(self, number: int, losses: Sequence[float]) -> None:
        """Nothing to do: Optuna's samplers look at no running trial's losses."""

    def tell(self, trial: TrialRow) -> None:
        """Make a trial's outcome visible."""
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(
            self._study_id, trial.number
        )
        for epoch, loss in enumerate(trial.lowest_so_far, start=1):
            self._storage.set_trial_intermediate_value(trial_id, epoch, loss)
        self._view.tell(trial.number, values=trial.loss, state=OptunaState[trial.state.name])


class Grid:
    """Every setting of the space once, in an order shuffled by the study's seed.

    Shuffled, because a study may ask for fewer trials than the grid has settings.
    """

    def __init__(self, study: StudyConfig) -> None:
        self._study = study
        settings = list(study.grid())
        order = np.random.default_rng(derive_seed(study.search.seed, "grid"))
        self._settings: Sequence[Params] = [
            settings[index] for index in order.permutation(len(settings))
        ]

    def ask(self, number: int) -> Params:
        """Take the next setting; what a fixed trial leaves out comes from the grid's first one."""
        n_fixed = len(self._study.trials)
        if number >= n_fixed:
            return self._settings[(number - n_fixed) % len(self._settings)]
        fixed = self._study.fixed_params(number)
        decided = {name: fixed[name] for name in self._study.space.deciding if name in fixed}
        fitting = (setting for setting in self._settings if decided.items() <= setting.items())
        return next(fitting, usual_setting(self._study)) | fixed

    def restore(self, number: int, params: Params) -> None:
        """Nothing to do: the setting follows from the number."""

    def peek(self, number: int, losses: Sequence[float]) -> None:
        """Nothing to do: a grid does not learn."""

    def tell(self, trial: TrialRow) -> None:
        """Nothing to do: a grid does not learn."""
