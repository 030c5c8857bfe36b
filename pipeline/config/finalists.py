"""Finalists: how many settings a study trains again on new seeds as its last part."""

from typing import Final

from pipeline.config.messages import InvalidValueError

FINALIST_SEEDS: Final = 3
"""Each finalist is trained on so many new seeds, each an ordinary trial of the study."""
DEFAULT_FINALISTS: Final = 3
FEWEST_TRIALS: Final = 40
"""With fewer trials there are no finalists by default: the search needs them all."""


def count_finalists(
    given: int | None, *, trials: int, n_fixed: int, default: int = DEFAULT_FINALISTS
) -> int:
    """How many finalists a study has; the default follows from its number of trials.

    >>> count_finalists(None, trials=60, n_fixed=1)
    3

    Args:
        given: As the study file says it; ``None``: the default.
        trials: The study's total.
        n_fixed: Settings that the file names: they are tried before.
        default: Where there are enough trials for it.

    Raises:
        InvalidValueError: They leave no trial for the search, or too few for the fixed trials.
    """
    n_first = max(n_fixed, 1)
    most = max(trials - n_first, 0) // FINALIST_SEEDS
    if given is None:
        return default if trials >= FEWEST_TRIALS and default <= most else 0
    if given > most:
        left = f"{n_fixed} fixed trials" if n_fixed > 1 else "one trial for the search"
        expected = (
            f"at most {most}: each is trained {FINALIST_SEEDS} times, "
            f"and search.trials, {trials}, is to leave {left}"
        )
        raise InvalidValueError(key="search.finalists", got=str(given), expected=expected)
    return given
