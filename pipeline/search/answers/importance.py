"""How much each parameter counts, by Optuna's evaluator fANOVA.

The part of a random forest's variance that a parameter makes (Hutter, Hoos and Leyton-Brown,
http://proceedings.mlr.press/v32/hutter14.html).
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, create_trial

from pipeline.config import Params, StudyConfig, usual_setting
from pipeline.search.finalists import Setting, setting_of
from pipeline.search.sampling.distributions import searched
from pipeline.search.sampling.known import MAX_ANSWERING, Known, evenly_ranked
from pipeline.trial import TrialRow

TREES: Final = 16
"""With four times as many the order is no better, and takes four times as long."""


def find_importances(
    study: StudyConfig, suggested: Sequence[Params], ended: Sequence[TrialRow]
) -> dict[str, float]:
    """Find the importance of each searched parameter; they sum to 1.

    A setting counts once, with the mean of its values; a trial that was stopped with the value
    that it is forecast to come to, one that failed not at all. Parameters that a setting does not
    have are those that were drawn for it: they make no difference. It is the same however the
    objective is directed, and each time.

    Args:
        study: Its space.
        suggested: The parameters of each trial, by number.
        ended: The trials that have ended.
    """
    names = list(searched(study))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        told = optuna.create_study()
        told.add_trials(list(_frozen(study, suggested, ended)))
        evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
        found = get_param_importances(told, evaluator=evaluator, params=names)
    return {name: float(found[name]) for name in names}


def _frozen(
    study: StudyConfig, suggested: Sequence[Params], ended: Sequence[TrialRow]
) -> Iterator[FrozenTrial]:
    """Each setting as a complete trial of Optuna, with the search's loss as its value."""
    known, usual, distributions = Known.of(ended), usual_setting(study), searched(study)
    finite = {number: loss for number, loss in known.values()[0].items() if np.isfinite(loss)}
    settings: dict[Setting, list[int]] = {}
    for number in evenly_ranked(finite, MAX_ANSWERING):
        settings.setdefault(setting_of(study, suggested[number]), []).append(number)
    for numbers in settings.values():
        params = usual | suggested[numbers[0]]
        yield create_trial(
            value=float(np.mean([finite[number] for number in numbers])),
            params={name: params[name] for name in distributions},
            distributions=distributions,
        )
