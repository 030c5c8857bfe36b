"""Faults of a study that its file alone shows: what can never matter, and what makes no sense."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, Final

from pipeline.config import Params, StudyConfig
from pipeline.config.messages import InvalidValueError
from pipeline.config.objective import BETTER_HIGHER
from pipeline.config.space.domain import Choices, Range, is_fixed, values_of
from pipeline.config.space.grid import count_settings
from pipeline.errors import counted
from pipeline.trial import Fault

MOST_DROPPED: Final = 0.9
"""A higher rate leaves less than one unit in ten."""
LARGEST_RATE: Final = {"adamw": 0.3, "adam": 0.3, "sgd": 10.0}
"""A learning rate above this makes every known network diverge."""
LEAST_RATE: Final = 1e-6
MOST_DECAY: Final = 10.0
WIDE: Final = 100.0
"""A range over two decades, of which a linear one gives the lower one a hundredth of its trials."""
FEWEST_UNITS: Final = 2
MOST_COMBINATIONS: Final = 4_096
LEARNING_RATE: Final = "learning_rate"
WITH_LAG: Final = ("asha", "median", "hyperband")
"""Rules that compare a trial with those of blocks before the last one."""


def find_space_faults(study: StudyConfig) -> list[Fault]:
    """Find what in a study file is pointless, without its data and without a machine."""
    rules: Sequence[Callable[[StudyConfig], Iterator[Fault]]] = (
        _single_values,
        _inactive,
        _unused,
        _rates,
        _optimizer_ranges,
        _linear_ranges,
        _widths,
        _stopping,
        _objective,
        _trials,
        _repeated_trials,
    )
    return [fault for rule in rules for fault in rule(study)]


def _ends(study: StudyConfig, name: str) -> tuple[float, float]:
    values = values_of(study.space.domains[name], corners=True)
    return min(values), max(values)


def _searched(study: StudyConfig) -> Iterator[tuple[str, Range[Any] | Choices[Any]]]:
    for name, domain in study.space.domains.items():
        if isinstance(domain, Range | Choices):
            yield name, domain


def _key(study: StudyConfig, name: str) -> str:
    """Where the study file says it: ``space.dropout`` also of ``dropout_2``."""
    if name in study.space.of_training:
        return f"training.{name}"
    layer = study.space.layer_of(name)
    return f"space.{name if name in study.space.given or not layer else layer[0]}"


def _single_values(study: StudyConfig) -> Iterator[Fault]:
    """What is searched and has one value."""
    for name, domain in study.space.given.items():
        if is_fixed(domain) or len(set(ends := values_of(domain, corners=True))) > 1:
            continue
        what = f"got one value to search ({ends[0]}), expected two or more; write {ends[0]} alone"
        yield Fault(_key(study, name), what)


def _inactive(study: StudyConfig) -> Iterator[Fault]:
    """What no setting has."""
    space = study.space
    some = {name for values in _decisions(study) for name in space.active(values)}
    in_use = some | {layer[0] for name in some if (layer := space.layer_of(name))}
    for name, domain in space.given.items():
        if name in in_use:
            continue
        kind = (space.layer_of(name) or (name,))[0]
        count = space.layered.get(kind)
        why = f"{count} is at most {space.most(count)}" if count else "its conditions never hold"
        is_default = is_fixed(domain)
        what = f"got a parameter that no trial has, since {why}; remove it"
        yield Fault(f"space.{name}", what, is_warning=is_default)


def _decisions(study: StudyConfig) -> Iterator[Params]:
    """Values of the parameters that conditions name, as many combinations as are worth it."""
    space = study.space
    values = [_some_values(space.domains[name]) for name in space.deciding]
    names = space.deciding
    for number, setting in enumerate(product(*values)):
        if number >= MOST_COMBINATIONS:
            return
        yield dict(zip(names, setting, strict=True))


def _some_values(domain: Any) -> tuple[Any, ...]:
    try:
        return values_of(domain)
    except ValueError:
        low, high = values_of(domain, corners=True)
        return (low, (low + high) / 2, high)


def _unused(study: StudyConfig) -> Iterator[Fault]:
    """What is searched and changes nothing in any setting."""
    domains = study.space.domains
    if not is_fixed(domains.get("schedule", 0)) and study.training.most_epochs == 1:
        what = "got schedules to search, but with 1 epoch all are the same; fix one"
        yield Fault("space.schedule", what)
    rates = [name for name in domains if name.split("_")[-1] == "dropout" or "dropout_" in name]
    if not is_fixed(domains.get("regularizer", 0)) and all(
        _ends(study, name)[1] == 0 for name in rates
    ):
        what = "got regularizers to search, but every rate is 0 and nothing is dropped; fix one"
        yield Fault("space.regularizer", what)


def _rates(study: StudyConfig) -> Iterator[Fault]:
    """Dropout that leaves next to nothing."""
    for name in study.space.given:
        kind = (study.space.layer_of(name) or (name,))[0]
        if kind not in study.space.table.rates:
            continue
        highest = max(values_of(study.space.given[name], corners=True))
        if highest > MOST_DROPPED:
            what = (
                f"got rates up to {highest:g}, expected at most {MOST_DROPPED:g}: "
                f"{1 - highest:.1%} of the values would be left; lower the upper bound"
            )
            yield Fault(f"space.{name}", what)


def _optimizer_ranges(study: StudyConfig) -> Iterator[Fault]:
    """Learning rates and decays at which nothing is learned."""
    domains, optimizer = study.space.domains, study.training.optimizer
    if study.model.name is None:
        return
    if LEARNING_RATE in domains:
        low, high = _ends(study, LEARNING_RATE)
        limit = LARGEST_RATE[optimizer]
        if high > limit:
            what = f"got up to {high:g}, expected at most {limit:g} with {optimizer}: training"
            yield Fault("space.learning_rate", f"{what} diverges above; lower the upper bound")
        if low < LEAST_RATE:
            what = f"got from {low:g}, expected at least {LEAST_RATE:g}: nothing is learned below"
            yield Fault("space.learning_rate", f"{what}; raise the lower bound")
    if "weight_decay" in domains and (high := _ends(study, "weight_decay")[1]) > MOST_DECAY:
        what = f"got up to {high:g}, expected at most {MOST_DECAY:g}: weights fade to 0 above"
        yield Fault("space.weight_decay", f"{what}; lower the upper bound")


def _linear_ranges(study: StudyConfig) -> Iterator[Fault]:
    """Numbers over decades that are drawn evenly."""
    rates = study.space.table.rates
    for name, domain in study.space.given.items():
        kind = (study.space.layer_of(name) or (name,))[0]
        if not isinstance(domain, Range) or domain.log or domain.step or kind in rates:
            continue
        if type(domain.low) is int or domain.low <= 0 or domain.high / domain.low < WIDE:
            continue
        what = (
            f"got {domain.low:g} to {domain.high:g} without log: nine in ten trials would lie "
            f"above {domain.low + (domain.high - domain.low) / 10:.2g}; say log: true"
        )
        yield Fault(f"space.{name}", what, is_warning=study.space.table.find(name) is None)


def _widths(study: StudyConfig) -> Iterator[Fault]:
    """Layers of one unit, through which one number passes."""
    for name, domain in study.space.given.items():
        kind = (study.space.layer_of(name) or (name,))[0]
        if kind not in ("width", "filters") or study.model.name is None:
            continue
        least = min(values_of(domain, corners=True))
        if least < FEWEST_UNITS:
            what = f"got {least}, expected at least {FEWEST_UNITS}: one number says nothing of ten"
            yield Fault(f"space.{name}", f"{what} classes; raise the lower bound")


def _stopping(study: StudyConfig) -> Iterator[Fault]:
    """Stopping that cannot stop."""
    epochs, search, early = study.training.most_epochs, study.search, study.training.early_stopping
    if early and early.patience >= epochs:
        what = f"got {early.patience}, expected fewer than the {counted(epochs, 'epoch')} of a "
        what += "trial: no trial would end early; lower it or leave early_stopping out"
        yield Fault("training.early_stopping.patience", what)
    if search.first_rung and search.stopping != "none" and search.first_rung >= epochs:
        what = f"got {search.first_rung}, expected fewer than the {counted(epochs, 'epoch')} of a "
        what += "trial: no trial would be stopped; lower it or say stopping: none"
        yield Fault("search.first_rung", what)
    if search.stopping in WITH_LAG and study.n_searched <= 2 * search.block:
        what = f"got {search.stopping}, but all {counted(study.n_searched, 'trial')} lie in the "
        what += f"first two blocks of {search.block}, which see no outcome: none is stopped"
        yield Fault("search.stopping", what, is_warning=True)


def _objective(study: StudyConfig) -> Iterator[Fault]:
    """A loss that is maximised, or an accuracy that is minimised."""
    metric, is_maximized = study.objective.metric, study.objective.is_maximized
    words = set(metric.lower().replace("/", "_").split("_"))
    is_loss = "loss" in words
    if (is_loss and is_maximized) or (not is_loss and words & BETTER_HIGHER and not is_maximized):
        better = "minimize" if is_loss else "maximize"
        what = f"got {study.objective}, expected {better}: the worst trial would win"
        yield Fault("objective.direction", what)


def _trials(study: StudyConfig) -> Iterator[Fault]:
    """More trials than there are settings, or fewer than there are parameters."""
    n_trials = study.n_searched
    n_searched = sum(1 for _ in _searched(study))
    size = _size(study)
    if size is not None and size < n_trials and study.search.sampler != "grid":
        what = (
            f"got {counted(n_trials, 'trial')}, expected at most {size}: the space has "
            f"{counted(size, 'setting')}, and the rest would repeat one; use sampler: grid"
        )
        yield Fault("search.trials", what)
    elif n_trials < n_searched:
        what = f"got {counted(n_trials, 'trial')} for {counted(n_searched, 'parameter')}: expected "
        what += "at least as many trials as parameters, or little is learned of most of them"
        yield Fault("search.trials", what, is_warning=True)


def _size(study: StudyConfig) -> int | None:
    try:
        return count_settings(study.space)
    except InvalidValueError:  # a range of numbers, or more than a million
        return None


def _repeated_trials(study: StudyConfig) -> Iterator[Fault]:
    """Fixed trials that are one setting."""
    first: dict[tuple[tuple[str, Any], ...], int] = {}
    for number in range(len(study.trials)):
        params = study.fixed_params(number)
        if not set(params) >= {name for name, _ in _searched(study)}:
            continue  # the sampler suggests the rest
        setting = tuple(sorted(params.items()))
        if setting in first:
            what = f"got the setting of trials.{first[setting]} again; remove one"
            yield Fault(f"trials.{number}", what)
        first.setdefault(setting, number)


def standard_rows(error: float, difference: float) -> int:
    """Rows that tell two settings apart whose accuracies differ by ``difference``.

    Two networks of error ``error`` disagree about the order of ``error`` of the rows; the standard
    error of the difference is then sqrt(error / n), and 1.96 of it are to fit into the difference
    (McNemar's test, https://doi.org/10.1007/BF02295996).

    >>> standard_rows(0.05, 0.01)
    1921
    """
    return math.ceil(1.96**2 * error / difference**2)
