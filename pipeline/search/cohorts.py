"""Cohorts: which trials are trained together, by their numbers and shapes and never by timing."""

import math
from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from pipeline.config import Shape, TrialConfig
from pipeline.trial import Assignment, Cohort

DEFAULT_MAX_COHORT: Final = 16
"""Larger cohorts do not run faster on a CPU; on a GPU, pass ``--max-cohort``."""

IMAGE_SIDE: Final = 28
N_CLASSES: Final = 10
UPDATE_ROWS: Final = 21
"""An optimizer step takes as long for each weight as the products of so many rows.

Measured with AdamW on a CPU.
"""


def form_cohorts(
    assignments: Sequence[Assignment], *, n_workers: int, max_cohort: int | None = None
) -> list[Cohort]:
    """Put trials of one shape together.

    Args:
        assignments: Trials with different numbers.
        n_workers: Cohorts that are trained at a time.
        max_cohort: The largest cohort, at least 1; by default what keeps all workers busy.

    Returns:
        The longest cohort first: one that is begun last would leave the other workers idle.
    """
    by_number = {assignment.config.number: assignment for assignment in assignments}
    shapes = {number: one.config.shape for number, one in by_number.items()}
    limit = max_cohort or largest_cohort(len(shapes), n_workers=n_workers)
    groups = partition(group_keys(shapes), max_cohort=limit)
    costs = {n: relative_cost(one.config) * one.epochs for n, one in by_number.items()}
    groups.sort(key=lambda numbers: -sum(costs[number] for number in numbers))
    return [Cohort(tuple(by_number[number] for number in numbers)) for numbers in groups]


def group_keys(shapes: Mapping[int, Shape]) -> dict[int, Hashable]:
    """Grouping key of each trial: its shape, or a unique key where the shape cannot be fused.

    Networks that are not trained as one gain nothing from sharing a worker.
    """
    return {n: shape if shape.is_fusable else (shape, n) for n, shape in shapes.items()}


def partition(keys: Mapping[int, Hashable], *, max_cohort: int) -> list[tuple[int, ...]]:
    """Put trials with the same key together.

    A key with more trials than ``max_cohort`` is split evenly: five trials in cohorts of at most
    four become three and two, not four and one.

    >>> partition({0: "a", 1: "b", 2: "a", 3: "a", 4: "a", 5: "a"}, max_cohort=4)
    [(0, 2, 3), (1,), (4, 5)]

    Args:
        keys: The grouping key of each trial, by trial number.
        max_cohort: The largest cohort, at least 1.

    Returns:
        Trial numbers, ordered by the first of each cohort.
    """
    alike: dict[Hashable, list[int]] = {}
    for number in sorted(keys):
        alike.setdefault(keys[number], []).append(number)
    return sorted(cohort for numbers in alike.values() for cohort in _split(numbers, max_cohort))


def _split(numbers: list[int], max_cohort: int) -> list[tuple[int, ...]]:
    n_parts = math.ceil(len(numbers) / max_cohort)
    ends = [math.ceil(len(numbers) * part / n_parts) for part in range(n_parts + 1)]
    return [tuple(numbers[begin:end]) for begin, end in pairwise(ends)]


def largest_cohort(n_trials: int, *, n_workers: int) -> int:
    """Choose the largest cohort so that workers share evenly when all trials have one shape.

    >>> largest_cohort(16, n_workers=2)
    8

    Args:
        n_trials: How many trials are to be shared out.
        n_workers: Cohorts that are trained at a time.
    """
    return max(min(DEFAULT_MAX_COHORT, math.ceil(n_trials / n_workers)), 1)


def relative_cost(config: TrialConfig) -> float:
    """Estimate the training time a row, to order cohorts by; no result depends on it.

    Counted are products in dense layers and 3 x 3 convolutions, on images of 28 x 28 pixels with
    ten classes, and the optimizer's step for each weight.
    """
    n_products, n_weights, n_outputs, side = 0, 0, IMAGE_SIDE**2, IMAGE_SIDE
    for before, after in pairwise((1, *config.values_of("filters"))):
        n_block = 9 * (before + after) * after
        n_products += n_block * side**2
        n_weights += n_block
        side = max(side // 2, 1)
        n_outputs = after * side**2
    widths = (n_outputs, *config.values_of("width"), N_CLASSES)
    n_dense: int = sum(before * after for before, after in pairwise(widths))
    return n_products + n_dense + (n_weights + n_dense) * UPDATE_ROWS / config.batch_size
