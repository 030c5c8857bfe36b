"""The setting that a practitioner would try first: where the search of a space begins."""

import math
from typing import Any

from pipeline.config.frozen import Params, Scalar
from pipeline.config.space.domain import Choices, Domain, Range
from pipeline.config.study import StudyConfig

USUAL_SGD_RATE = 0.1
"""Without an adaptive step; Srivastava et al., section A.2, begin higher with dropout."""


def usual_setting(study: StudyConfig) -> Params:
    """The value of each parameter that is usual, brought into the study's space.

    A parameter without a usual value (an argument of a user's own module) has the middle of its
    range, the first of words, or the middle one of numbers.

    Args:
        study: Its model's table says what is usual.

    Returns:
        A value for each parameter of the space, also of layers that the setting does not have.
    """
    return {
        name: _nearest(domain, _usual(study, name)) for name, domain in study.space.domains.items()
    }


def _usual(study: StudyConfig, name: str) -> Scalar | None:
    if name == "learning_rate" and study.training.optimizer == "sgd":
        return USUAL_SGD_RATE
    parameter = study.space.table.find(name)
    return None if parameter is None else parameter.usual


def _nearest(domain: Domain, usual: Scalar | None) -> Any:
    match domain:
        case Range():
            return _in_range(domain, usual)
        case Choices():
            return _among(domain.choices, usual)
    return domain


def _in_range(domain: Range[Any], usual: Scalar | None) -> Any:
    low, high = domain.low, domain.high
    if usual is None:
        usual = math.sqrt(low * high) if domain.log else (low + high) / 2
    return domain.nearest(float(usual))


def _among(choices: tuple[Any, ...], usual: Scalar | None) -> Any:
    if isinstance(choices[0], str):
        return usual if usual in choices else choices[0]
    ordered = sorted(choices)
    if usual is None:
        return ordered[(len(ordered) - 1) // 2]
    return min(ordered, key=lambda choice: abs(choice - min(float(usual), ordered[-1])))
