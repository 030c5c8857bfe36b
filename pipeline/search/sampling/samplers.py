"""Optuna's samplers, made anew for each trial so that no hidden state couples trials."""

import warnings
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from pipeline.config import StudyConfig, derive_seed

TPE_START_UP: Final = 10
"""TPE suggests random settings until it sees so many trials that are complete or were stopped."""


class Internals:
    """The trials of a view as Optuna's samplers compute with them, converted once each.

    Args:
        space: The parameters that are searched.
    """

    def __init__(self, space: Mapping[str, BaseDistribution]) -> None:
        self._space = space
        self._columns: dict[str, array[Any]] = {
            name: array("q" if isinstance(inner, CategoricalDistribution) else "d")
            for name, inner in space.items()
        }

    def add(self, params: Mapping[str, Any]) -> None:
        """Add the view's next trial, which has every parameter."""
        for name, inner in self._space.items():
            self._columns[name].append(inner.to_internal_repr(params[name]))

    def of(self, name: str, numbers: Sequence[int]) -> npt.NDArray[Any]:
        """A parameter's values in trials, by their numbers: choices as int, others as float."""
        column = self._columns[name]
        values: npt.NDArray[Any] = np.frombuffer(column, column.typecode)[list(numbers)]
        return values


def make_sampler(
    study: StudyConfig, number: int, space: Mapping[str, BaseDistribution], internals: Internals
) -> BaseSampler:
    """Make the sampler that suggests one trial.

    Args:
        study: Its search section names the sampler.
        number: The trial's number.
        space: The parameters that are searched.
        internals: Of the trials in the sampler's view.
    """
    seed = derive_seed(study.search.seed, number, "sampler")
    match study.search.sampler:
        case "tpe":
            return KnownSpaceTPESampler(seed, space, internals)
        case "random":
            return RandomSampler(seed=seed)
        case "qmc":
            index = number - len(study.trials)
            if index < 0:  # fixed trials do not use up points of the sequence
                return RandomSampler(seed=seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return SequenceSampler(derive_seed(study.search.seed, "sequence"), index, space)
        case name:
            message = f"{name} is not a sampler of Optuna's"
            raise ValueError(message)


def _joint(space: Mapping[str, BaseDistribution]) -> dict[str, BaseDistribution]:
    """What there is to choose, in the order that Optuna samples it in."""
    return {name: inner for name, inner in sorted(space.items()) if not inner.single()}


class KnownSpaceTPESampler(TPESampler):
    """Optuna's TPE (https://arxiv.org/abs/2304.11127) with a search space that is known beforehand.

    Every trial of the view has every parameter, so what all have in common is the whole space,
    and it need not be sought in each trial anew; nor are a trial's parameters converted anew for
    each suggestion. The suggestions are the same.
    """

    def __init__(
        self, seed: int, space: Mapping[str, BaseDistribution], internals: Internals
    ) -> None:
        super().__init__(seed=seed, n_startup_trials=TPE_START_UP)
        self._space = space
        self._internals = internals

    def _get_internal_repr(
        self, trials: list[FrozenTrial], search_space: dict[str, BaseDistribution], study: Study
    ) -> dict[str, npt.NDArray[Any]]:
        del study
        numbers = [trial.number for trial in trials]
        return {name: self._internals.of(name, numbers) for name in search_space}

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Name what is sampled jointly: all that there is to choose."""
        del study, trial
        return _joint(self._space)


class SequenceSampler(QMCSampler):
    """A point of a scrambled Sobol sequence, chosen by its index and not by a shared counter.

    Optuna's counter is an attribute of the study; after a crash it would start again.
    """

    def __init__(self, seed: int, index: int, space: Mapping[str, BaseDistribution]) -> None:
        super().__init__(qmc_type="sobol", scramble=True, seed=seed)
        self._index = index
        self._space = space

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Cover the whole space from the first trial on."""
        del study, trial
        return {name: inner for name, inner in self._space.items() if not inner.single()}

    def _find_sample_id(self, study: Study, search_space: dict[str, Any]) -> int:
        del study, search_space
        return self._index
