"""Finalists: which settings a study trains again on new seeds as its last part."""

from collections.abc import Sequence

from threadpoolctl import threadpool_limits

from pipeline.config import FINALIST_SEEDS, Params, StudyConfig, usual_setting
from pipeline.search.sampling.encoding import Encoding, Matrix
from pipeline.search.sampling.known import Known
from pipeline.search.sampling.surrogate import GaussianProcess, fit
from pipeline.trial import TrialRow, TrialState

Setting = tuple[tuple[str, object], ...]


def choose_settings(
    study: StudyConfig, suggested: Sequence[Params], trials: Sequence[TrialRow], *, n_trials: int
) -> list[int]:
    """Choose the setting of each trial of the finalists.

    The settings of the lowest predicted means are chosen, not those of the lowest values: a
    Gaussian process over all outcomes does not take a lucky seed for a good setting. It is the same
    whatever sampler suggested the trials.

    Args:
        study: Its space, and how many finalists it has.
        suggested: The parameters of each trial before the finalists, by number.
        trials: All of those trials, ended.
        n_trials: How many trials the finalists have together.

    Returns:
        For each of the trials the number of the trial that had its setting first. The best setting
        comes first, ``FINALIST_SEEDS`` trials of each beside each other; where fewer settings have
        a complete trial, the best one has what is left over. Empty where none has.
    """
    most = min(study.n_finalists, max(n_trials // FINALIST_SEEDS, 1))
    chosen = rank_settings(study, suggested, trials)[:most]
    left_over = n_trials - FINALIST_SEEDS * len(chosen)
    seeds = [max(FINALIST_SEEDS + left_over, 1), *[FINALIST_SEEDS] * len(chosen[1:])]
    return [number for number, n_seeds in zip(chosen, seeds, strict=False) for _ in range(n_seeds)]


def rank_settings(
    study: StudyConfig, suggested: Sequence[Params], trials: Sequence[TrialRow]
) -> list[int]:
    """Rank the settings of complete trials by their predicted mean, the best first.

    Args:
        study: Its space.
        suggested: The parameters of each trial, by number.
        trials: Those that have ended.

    Returns:
        Of each setting the number of the first complete trial.
    """
    first = list(first_of_each(study, suggested, trials).values())
    encoding = Encoding(study.space)
    if not encoding.n_columns or not first:
        return first
    with threadpool_limits(1):  # sums must not depend on how many cores the driver has
        model, places = model_of(study, encoding, suggested, trials)
        means, _ = model.predict(places[first])
    return [first[index] for index in means.argsort(kind="stable").tolist()]


def model_of(
    study: StudyConfig,
    encoding: Encoding,
    suggested: Sequence[Params],
    trials: Sequence[TrialRow],
    *,
    least_noise: float = 0.0,
) -> tuple[GaussianProcess, Matrix]:
    """Fit a model to trials that have ended, whatever sampler suggested them.

    Args:
        study: Its space.
        encoding: Of that space; it has columns.
        suggested: The parameters of each trial, by number; a grid's have none of layers that they
            do not have.
        trials: At least one.
        least_noise: As ``fit`` takes it.

    Returns:
        The model, and the place of each trial's setting, float [trials, columns].
    """
    known, usual = Known.of(trials), usual_setting(study)
    places = encoding.encode([usual | setting for setting in suggested])
    return fit(known.outcomes(places, encoding.owner), least_noise=least_noise), places


def first_of_each(
    study: StudyConfig, suggested: Sequence[Params], trials: Sequence[TrialRow]
) -> dict[Setting, int]:
    """The number of the first complete trial of each setting, ascending."""
    first: dict[Setting, int] = {}
    complete = (trial.number for trial in trials if trial.state is TrialState.COMPLETE)
    for number in sorted(complete):
        first.setdefault(setting_of(study, suggested[number]), number)
    return first


def setting_of(study: StudyConfig, params: Params) -> Setting:
    """What tells a setting from others: the names and values of its active parameters."""
    return tuple((name, params[name]) for name in study.space.active(params))
