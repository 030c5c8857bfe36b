"""What a search has come to, once its trials have ended: what was gained, and what is tied."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

from threadpoolctl import threadpool_limits

from pipeline.config import Params, StudyConfig, usual_setting
from pipeline.search.answers.answer import find_answer
from pipeline.search.answers.effects import end_of
from pipeline.search.finalists import first_of_each, model_of, setting_of
from pipeline.search.gate import Gate
from pipeline.search.sampling.encoding import Encoding
from pipeline.search.sampling.known import MIN_OUTCOMES
from pipeline.search.sampling.samplers import TPE_START_UP
from pipeline.search.sampling.surrogate import GaussianProcess
from pipeline.search.storage.store import TrialStore
from pipeline.trial import (
    Best,
    FinalistSetting,
    ModelGain,
    SearchSummary,
    SmallerNetwork,
    TrialRow,
    TrialState,
    find_best,
)
from pipeline.trial.search_summary import Origin

BOUND: Final = 2.0
"""A setting is told from the best where its predicted difference is above so many of its standard
deviations; 1.645 would be the one-sided 95 % bound if lengths and noise were known."""


def summary_of(
    study: StudyConfig, store: TrialStore, *, with_importances: bool = False
) -> SearchSummary | None:
    """Summarise the search of a study as it is stored; see ``summarise``."""
    return summarise(study, store.suggested(), store.rows(), with_importances=with_importances)


def summarise(
    study: StudyConfig,
    suggested: Sequence[Params],
    trials: Sequence[TrialRow],
    *,
    with_importances: bool = False,
) -> SearchSummary | None:
    """Say what a search has come to, by numbers alone.

    A Gaussian process over all outcomes, those of finalists included, predicts by how much each
    setting is above the best one, which ``find_best`` names. Its noise is at least what was
    measured between the seeds of the finalists.

    Args:
        study: Its space, sampler and first trials.
        suggested: The parameters of each trial, by number.
        trials: All of them; those that have not ended are left out.
        with_importances: Whether importances are found, which takes scikit-learn and its time.

    Returns:
        ``None`` where no trial is complete, or where there is nothing to search.
    """
    encoding = Encoding(study.space)
    ended = [trial for trial in trials if trial.state.is_finished]
    best = find_best(ended)
    if best is None or not encoding.n_columns:
        return None
    with threadpool_limits(1):  # sums must not depend on how many cores the driver has
        noise = noise_between_seeds(best.finalists)
        fitted = fit_outcomes(study, encoding, suggested, ended, best.number, least_noise=noise)
        answer = find_answer(
            study,
            suggested,
            ended,
            fitted.ranked,
            least_noise=noise,
            with_importances=with_importances,
        )
    number, tied = fitted.best, fitted.tied
    searched = [trial.number for trial in ended if trial.finalist is None]
    return SearchSummary(
        n_trials=len(searched),
        n_settings=len(fitted.above),
        best=number,
        origin=_origin(study, suggested, number),
        at_ends=_at_ends(study, encoding, suggested[number]),
        noise=fitted.model.noise_sd,
        last_gain=tied[0],
        tied=tuple(one for one in tied if one != number),
        smaller=_smaller(trials, best, tied),
        gain=_gain(count_first_design(study, trials), searched, fitted.above, tied),
        effects=answer.effects,
        interactions=answer.interactions,
        metric=study.objective.metric,
    )


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model of all outcomes, and what it says of the settings of complete trials.

    Settings are named by their first trial.

    Attributes:
        best: The setting of the best trial.
        above: By how much each setting's predicted mean is above the best one's.
        tied: Those that cannot be told from the best one, itself included.
    """

    model: GaussianProcess
    best: int
    above: Mapping[int, float]
    tied: Sequence[int]

    @property
    def ranked(self) -> list[int]:
        """The settings by their predicted mean, the lowest first."""
        return sorted(self.above, key=self.above.__getitem__)


def fit_outcomes(
    study: StudyConfig,
    encoding: Encoding,
    suggested: Sequence[Params],
    ended: Sequence[TrialRow],
    best: int,
    *,
    least_noise: float = 0.0,
) -> Fitted:
    """Fit a model to all outcomes, and compare each setting with the best one.

    Args:
        study: Its space.
        encoding: Of that space; it has columns.
        suggested: The parameters of each trial, by number.
        ended: The trials that have ended.
        best: The number of the best of those.
        least_noise: As ``fit`` takes it.
    """
    first = first_of_each(study, suggested, ended)
    number, numbers = first[setting_of(study, suggested[best])], list(first.values())
    model, places = model_of(study, encoding, suggested, ended, least_noise=least_noise)
    means, sds = model.compare(places[numbers], places[number])
    is_tied = (means <= BOUND * sds).tolist()
    return Fitted(
        model=model,
        best=number,
        above=dict(zip(numbers, means.tolist(), strict=True)),
        tied=[one for one, tie in zip(numbers, is_tied, strict=True) if tie or one == number],
    )


def noise_between_seeds(finalists: Sequence[FinalistSetting]) -> float:
    """The standard deviation of a setting's values over seeds, pooled over finalists.

    The root of the sum of squares within the settings over its degrees of freedom; 0 where no
    setting has two values.
    """
    several = [one.values for one in finalists if len(one.values) > 1]
    squares = sum((value - fmean(values)) ** 2 for values in several for value in values)
    degrees = sum(len(values) - 1 for values in several)
    return math.sqrt(squares / degrees) if degrees else 0.0


def count_first_design(study: StudyConfig, trials: Sequence[TrialRow]) -> int:
    """How many first trials were suggested without a model; all are where the sampler has none.

    It follows from the study file and the table: which outcomes the first trial of each part of
    a block sees (see ``Blocks``), and how many the sampler waits for.

    Args:
        study: Its sampler, block and stopping rule, and the settings that it names.
        trials: All of its trials, by number.
    """
    match study.search.sampler:
        case "gp" if study.search.warm_start:
            return len(study.trials) + 1  # the usual setting; the few later ones are not first
        case "gp":
            known, needed = [True] * len(trials), MIN_OUTCOMES
        case "tpe":
            seen = (TrialState.COMPLETE, TrialState.PRUNED)
            known, needed = [trial.state in seen for trial in trials], TPE_START_UP
        case _:
            return len(trials)
    begins = (
        begin
        for begin, n_visible in sorted(_parts(study, trials).items())
        if sum(known[:n_visible]) >= needed
    )
    return max(next(begins, len(trials)), len(study.trials))


def _parts(study: StudyConfig, trials: Sequence[TrialRow]) -> dict[int, int]:
    """Where trials are suggested together: of how many first ones they know something."""
    block, is_shown = study.search.block, study.search.sampler == "gp" and Gate.of(study)
    if is_shown:
        halves = range(0, block, math.ceil(block / 2))
        parts = {n + half: n + half for n in range(0, len(trials), block) for half in halves}
    else:
        parts = {n: max(n - block, 0) for n in range(0, len(trials), block)}
    for trial in trials:
        if trial.finalist is not None:
            behind = trial.finalist.last + 1
            before = behind if is_shown else trial.finalist.first
            parts[behind] = max(parts.get(behind, 0), before)
    return parts


def _gain(
    n_first: int, searched: Sequence[int], above: Mapping[int, float], tied: Sequence[int]
) -> ModelGain | None:
    """What the model's trials gained; ``above`` is by complete trial, against the best."""
    first = [number for number in above if number < n_first]
    n_later = sum(number >= n_first for number in searched)
    if not first or not n_later:
        return None
    best = min(first, key=lambda number: (above[number], number))
    return ModelGain(
        n_first=n_first,
        n_later=n_later,
        first=best,
        gained=max(above[best], 0.0),
        is_beyond_noise=tied[0] >= n_first,
    )


def _smaller(trials: Sequence[TrialRow], best: Best, tied: Sequence[int]) -> SmallerNetwork | None:
    """The smallest network of tied settings, of equals the first."""
    sizes = {number: trials[number].n_parameters for number in tied}
    known = {number: size for number, size in sizes.items() if size is not None}
    of_best = best.trial.n_parameters
    if of_best is None or not known:
        return None
    number = min(known, key=lambda one: (known[one], one))
    if known[number] >= of_best:
        return None
    return SmallerNetwork(number=number, n_parameters=known[number], instead_of=of_best)


def _origin(study: StudyConfig, suggested: Sequence[Params], number: int) -> Origin:
    if number < len(study.trials):
        return "file"
    usual = setting_of(study, usual_setting(study))
    return "usual" if setting_of(study, suggested[number]) == usual else "search"


def _at_ends(study: StudyConfig, encoding: Encoding, setting: Params) -> tuple[str, ...]:
    """The parameters of a setting whose range could be wider where they are."""
    active = [name for name in study.space.active(setting) if name in encoding.axes]
    return tuple(
        f"{name} {_shown(setting[name])}"
        for name in active
        if end_of(encoding.axes[name], setting[name])
    )


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
