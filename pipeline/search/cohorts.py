"""Who is trained with whom: a function of trial numbers and shapes, never of timing."""

import math
from collections.abc import Hashable, Mapping
from itertools import pairwise
from typing import Final

from pipeline.config import Shape

LARGEST_BY_DEFAULT: Final = 16
"""Beyond so many members a processor gains nothing more; a GPU does, and is told so."""


def companies(shapes: Mapping[int, Shape]) -> dict[int, Hashable]:
    """Say what each trial's companions must have in common: its shape, or nothing that others have.

    Where no kernels train several networks as one, a cohort would only keep a worker longer.
    """
    return {n: shape if shape.is_fusable else (shape, n) for n, shape in shapes.items()}


def form_cohorts(shapes: Mapping[int, Hashable], *, most: int) -> list[tuple[int, ...]]:
    """Put trials of one shape together.

    A shape of more trials than ``most`` is split evenly: five at most four become three and two,
    not four and one.

    >>> form_cohorts({0: "a", 1: "b", 2: "a", 3: "a", 4: "a", 5: "a"}, most=4)
    [(0, 2, 3), (1,), (4, 5)]

    Args:
        shapes: What each trial must have in common with its companions, by trial number.
        most: The largest cohort, at least 1.

    Returns:
        Trial numbers, ordered by the first of each cohort.
    """
    alike: dict[Hashable, list[int]] = {}
    for number in sorted(shapes):
        alike.setdefault(shapes[number], []).append(number)
    return sorted(cohort for numbers in alike.values() for cohort in _split(numbers, most))


def _split(numbers: list[int], most: int) -> list[tuple[int, ...]]:
    n_parts = math.ceil(len(numbers) / most)
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
    return max(min(LARGEST_BY_DEFAULT, math.ceil(n_trials / n_workers)), 1)
