"""Optuna's samplers, made anew for each trial so that no hidden state couples trials."""

import warnings
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from pipeline.config import SearchConfig, derive_seed


def make_sampler(search: SearchConfig, number: int, *, n_fixed: int) -> BaseSampler:
    """Make the sampler that suggests one trial.

    Args:
        search: The study's search section.
        number: The trial's number.
        n_fixed: How many trials the study file fixes; they do not use up points of a sequence.
    """
    seed = derive_seed(search.seed, number, "sampler")
    match search.sampler:
        case "tpe":
            return TPESampler(seed=seed)
        case "random":
            return RandomSampler(seed=seed)
        case "gp":
            # Measured noise: the same setting with another seed gives another value.
            return GPSampler(seed=seed, deterministic_objective=False)
        case "qmc":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                start = max(number - n_fixed, 0)
                return SequenceSampler(derive_seed(search.seed, "sequence"), start)
        case "grid":
            message = "grid lists its settings and samples nothing"
            raise ValueError(message)


class SequenceSampler(QMCSampler):
    """A point of a scrambled Sobol sequence, chosen by its place and not by a shared counter.

    Optuna's counter is an attribute of the study; after a crash it would start again.
    """

    def __init__(self, seed: int, place: int) -> None:
        """Choose a sequence by its seed and a point by its place, from 0."""
        super().__init__(qmc_type="sobol", scramble=True, seed=seed)
        self._place = place
        self.space: Mapping[str, BaseDistribution] = {}

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Cover the whole space from the first trial on."""
        del study, trial
        return {name: inner for name, inner in self.space.items() if not inner.single()}

    def _find_sample_id(self, study: Study, search_space: dict[str, Any]) -> int:
        del study, search_space
        return self._place
