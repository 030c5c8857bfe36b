"""How long a study takes: what a few of its cohorts took, and the study rehearsed at that price."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

import numpy as np

from pipeline.config import StudyConfig, TrialConfig
from pipeline.search.cohorts import relative_cost
from pipeline.search.rehearsal import Habits, Price, Rehearsed, rehearse
from pipeline.search.sampling.encoding import Matrix
from pipeline.search.sampling.surrogate import Vector
from pipeline.trial import Assignment, Duration, Speed

SHORT: Final = Habits(best_part=(0.15, 0.65), learning=0.0)
LONG: Final = Habits(best_part=(0.6, 1.6), learning=1.2)
"""Between these two lie the trials of most studies, if nothing is known of their curves."""
SEEDS: Final = range(3)
MOST_REHEARSED: Final = 120
WORSE: Final = 1.4
BETTER: Final = 0.75
"""What a measured epoch may be wrong by: others use the machine, settings differ."""
SECONDS_A_COHORT: Final = 0.05
"""Networks, optimizers and Lightning's trainer are made."""
SECONDS_A_TRIAL: Final = (0.02, 0.12)
"""A worker waits for a suggestion and for both ledgers, at the least and at the most."""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What decides beside the study how long it takes.

    Attributes:
        n_rows: Rows of an epoch.
        n_workers: Cohorts that are trained at a time.
        max_cohort: As ``run`` is given it.
        contention: How many times as long work takes while all workers work.
        overhead: Seconds before the first trial and after the last, at the least and at the most.
        part_left: Of the study, what earlier runs have left.
    """

    n_rows: int
    n_workers: int
    max_cohort: int | None = None
    contention: float = 1.0
    overhead: tuple[float, float] = (0.0, 0.0)
    part_left: float = 1.0


def part_rehearsed(study: StudyConfig) -> float:
    """The part of a study's trials that is rehearsed: of a long study its first trials say all."""
    return min(max(MOST_REHEARSED, len(study.trials)) / study.search.trials, 1.0)


def _first_part(study: StudyConfig) -> StudyConfig:
    return _of_trials(study, round(study.search.trials * part_rehearsed(study)))


def _of_trials(study: StudyConfig, n_trials: int) -> StudyConfig:
    search = study.search.model_copy(update={"trials": max(n_trials, len(study.trials), 1)})
    return study.model_copy(update={"search": search})


def find_cohorts(study: StudyConfig, circumstances: Circumstances) -> list[Sequence[Assignment]]:
    """Rehearse a study to see its cohorts, the dearest last; of a long one those of a part."""
    habits = LONG
    made = rehearse(
        _first_part(study),
        lambda _assignments, epochs: float(max(epochs)),
        habits,
        n_workers=circumstances.n_workers,
        max_cohort=circumstances.max_cohort,
    )
    cohorts = [one.assignments for one in made.cohorts]
    return sorted(cohorts, key=lambda one: sum(relative_cost(each.config) for each in one))


def price_of(speeds: Sequence[Speed], circumstances: Circumstances) -> Price:
    """Make a price of what was measured.

    An epoch of a cohort costs something for each step, for each step of each network, and for each
    product; the three prices are the non-negative ones that fit best, by relative errors.

    Args:
        speeds: At least one.
        circumstances: How many rows an epoch has.
    """
    n_rows = circumstances.n_rows
    measured = np.array([one.epoch_seconds for one in speeds])
    work = np.array([work_of(one.config, one.n_members, n_rows) for one in speeds])
    prices = _fit(work / measured[:, None])

    def epoch_seconds(assignment: Assignment, n_members: int) -> float:
        return float(work_of(assignment.config, n_members, n_rows) @ prices)

    def price(assignments: Sequence[Assignment], epochs: Sequence[int]) -> float:
        """Trials that end early leave the others a smaller stack."""
        ends = sorted(epochs)
        seconds, before = SECONDS_A_COHORT, 0
        for index, end in enumerate(ends):
            each = epoch_seconds(assignments[0], len(ends) - index)
            seconds += each * max(end - before, 0)
            before = end
        return seconds * circumstances.contention

    return price


def work_of(config: TrialConfig, n_members: int, n_rows: int) -> Vector:
    """Of an epoch: its steps, the steps of all networks, and their products."""
    n_steps = n_rows / config.batch_size
    products = relative_cost(config) if config.model.name else 0.0
    return np.array([n_steps, n_steps * n_members, n_rows * n_members * products])


def _fit(work: Matrix) -> Vector:
    """The non-negative prices for which each row costs about 1, by least squares."""
    in_use = [column for column in range(work.shape[1]) if work[:, column].any()]
    prices = np.zeros(work.shape[1])
    while in_use:
        scale = work[:, in_use].max(0)
        target = np.ones(len(work))
        found = np.linalg.lstsq(work[:, in_use] / scale, target, rcond=None)[0] / scale
        if (found > 0).all():
            prices[in_use] = found
            break
        in_use = [one for one, price in zip(in_use, found, strict=True) if price > 0]
    return prices


def habits_of(speeds: Sequence[Speed], study: StudyConfig) -> tuple[Habits, Habits]:
    """What the shortest and the longest study suppose, by the curves that were seen."""
    short, long = SHORT, LONG
    if study.search.sampler not in ("gp", "tpe"):
        long = Habits(best_part=long.best_part, learning=0.3)
    epochs = study.training.most_epochs
    seen = [curve for one in speeds for curve in one.losses if len(curve) > 1]
    ended = [_best(curve) / epochs for curve in seen if len(curve) - _best(curve) > 1]
    whole = [1.0 for curve in seen if len(curve) == epochs and _best(curve) == len(curve)]
    parts = [*ended, *whole]
    if len(parts) < 2:  # noqa: PLR2004 - one says nothing of the others
        return short, long
    middle = fmean(parts)
    return (
        Habits(best_part=(0.6 * min(parts), middle), learning=short.learning),
        Habits(best_part=(middle, 1.5 * max(parts)), learning=long.learning),
    )


def _best(curve: Sequence[float]) -> int:
    return curve.index(min(curve)) + 1


def predict(study: StudyConfig, speeds: Sequence[Speed], circumstances: Circumstances) -> Duration:
    """Predict how long a study takes.

    Args:
        study: The study.
        speeds: What some of its cohorts took, at least one.
        circumstances: Where it runs.
    """
    price = price_of(speeds, circumstances)
    shortest, longest = (
        [_rehearsed(_first_part(study), price, habits, circumstances, seed) for seed in SEEDS]
        for habits in habits_of(speeds, study)
    )
    part = part_rehearsed(study)
    left, (before_low, before_high) = circumstances.part_left, circumstances.overhead
    of_trials = [one * study.search.trials / circumstances.n_workers for one in SECONDS_A_TRIAL]
    low = fmean(one.seconds for one in shortest) / part * BETTER + of_trials[0]
    high = fmean(one.seconds for one in longest) / part * WORSE + of_trials[1]
    n_epochs = [round(one.n_epochs / part) for one in (*shortest, *longest)]
    if study.search.max_seconds is not None:
        high = min(high, study.search.max_seconds * WORSE)
        low = min(low, study.search.max_seconds)
    middle = [one.seconds for one in (*shortest, *longest)]
    return Duration(
        low=low * left + before_low,
        high=high * left + before_high,
        parts={
            "start_up_and_end": (before_low + before_high) / 2,
            "training": median(middle) / part * left,
            "driver": fmean(of_trials) * left,
        },
        epochs=(min(n_epochs), max(n_epochs)),
    )


def _rehearsed(
    study: StudyConfig, price: Price, habits: Habits, where: Circumstances, seed: int
) -> Rehearsed:
    if study.search.until == "settled" and habits.learning == 0:
        study = _soon_settled(study)
    return rehearse(
        study, price, habits, n_workers=where.n_workers, max_cohort=where.max_cohort, seed=seed
    )


def _soon_settled(study: StudyConfig) -> StudyConfig:
    """The study as short as ``until: settled`` can make it."""
    n_trials = study.search.trials
    return _of_trials(study, min(n_trials, 3 * study.search.block + n_trials - study.n_searched))
