"""Stopping rules by name: what ``auto`` stands for, and the limits of a rule's settings."""

import math
from typing import Final, Literal, NamedTuple

from pipeline.config.messages import InvalidValueError

StoppingName = Literal["auto", "none", "halving", "median", "asha", "hyperband"]

FEWEST_EPOCHS: Final = 8
"""With fewer epochs a trial, ``auto`` stops nothing: too little is saved."""
HALVING_PART: Final = 4
"""By default ``halving`` looks after one epoch in so many."""
HALVING_REDUCTION: Final = 2


class StoppingSettings(NamedTuple):
    """A rule as a study file names it.

    Attributes:
        first_rung: The first epoch after which the rule looks; ``None``: the rule's default.
        reduction: One in so many goes on; ``None``: the rule's default.
    """

    stopping: StoppingName
    first_rung: int | None
    reduction: int | None


def resolve_stopping(given: StoppingSettings, *, epochs: int) -> StoppingSettings:
    """Put the rule that it stands for in the place of ``auto``, and check the rule's settings.

    The defaults of ``halving`` are filled in, since they follow from the epochs.

    >>> resolve_stopping(StoppingSettings("auto", None, None), epochs=20)
    StoppingSettings(stopping='halving', first_rung=5, reduction=2)

    Args:
        given: As the study file says it.
        epochs: Those of a trial.

    Raises:
        InvalidValueError: The rule has no such setting, or it begins behind the last epoch.
    """
    name, first_rung, reduction = given
    if name == "auto":
        name = "halving" if epochs >= FEWEST_EPOCHS else "none"
    if name == "none":
        _refuse("first_rung", first_rung, rule=_none_in_words(given, epochs))
        _refuse("reduction", reduction, rule=_none_in_words(given, epochs))
    if name == "median":
        _refuse("reduction", reduction, rule="median, which keeps the better half")
    if first_rung is not None and first_rung > epochs:
        expected = f"a number of at most {epochs}, training.epochs"
        raise InvalidValueError(key="first_rung", got=str(first_rung), expected=expected)
    if name != "halving":
        return StoppingSettings(name, first_rung, reduction)
    first_rung = first_rung or math.ceil(epochs / HALVING_PART)
    return StoppingSettings(name, first_rung, reduction or HALVING_REDUCTION)


def _refuse(key: str, value: int | None, *, rule: str) -> None:
    if value is not None:
        raise InvalidValueError(key=key, got=str(value), expected=f"no value with stopping: {rule}")


def _none_in_words(given: StoppingSettings, epochs: int) -> str:
    if given.stopping == "none":
        return "none"
    return f"auto, which stops nothing below {FEWEST_EPOCHS} training.epochs (here {epochs})"
