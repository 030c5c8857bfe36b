"""The answer to a study's question: what each parameter does, how much it counts, what two do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.config import Params, StudyConfig, usual_setting
from pipeline.search.answers.anova import EffectModel, fit_effects
from pipeline.search.answers.effects import find_effects
from pipeline.search.answers.interactions import find_interactions
from pipeline.search.sampling.encoding import Encoding
from pipeline.search.sampling.known import Known
from pipeline.trial import Effect, TrialRow
from pipeline.trial.interaction import Interaction


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is said of the parameters.

    Attributes:
        effects: Of each, rates first; empty where there are few trials.
        interactions: The pairs whose effects depend on one another, the largest first.
    """

    effects: tuple[Effect, ...]
    interactions: tuple[Interaction, ...]


def find_answer(
    study: StudyConfig,
    suggested: Sequence[Params],
    ended: Sequence[TrialRow],
    ranked: Sequence[int],
    *,
    least_noise: float = 0.0,
    with_importances: bool = False,
) -> Answer:
    """Answer a study's question, by numbers alone.

    Args:
        study: Its space has something to search.
        suggested: The parameters of each trial, by number.
        ended: The trials that have ended.
        ranked: The first trial of each setting, the best predicted mean first.
        least_noise: As ``fit_effects`` takes it.
        with_importances: As ``summarise`` takes it.
    """
    encoding = Encoding(study.space)
    settings = [suggested[number] for number in ranked]
    model = model_of_effects(study, encoding, suggested, ended, least_noise=least_noise)
    effects = find_effects(study, encoding, model, settings)
    if effects and with_importances:
        # Its scikit-learn takes a second to import.
        from pipeline.search.answers.importance import find_importances

        found = find_importances(study, suggested, ended)
        effects = tuple(replace(one, importance=found[one.parameter]) for one in effects)
    return Answer(
        effects=effects,
        interactions=find_interactions(study, encoding, model, settings, effects),
    )


def model_of_effects(
    study: StudyConfig,
    encoding: Encoding,
    suggested: Sequence[Params],
    ended: Sequence[TrialRow],
    *,
    least_noise: float = 0.0,
) -> EffectModel:
    """Fit sums of effects to trials that have ended, whatever sampler suggested them."""
    known, usual = Known.of(ended), usual_setting(study)
    places = encoding.encode([usual | setting for setting in suggested])
    return fit_effects(known.outcomes_of_all(places, encoding.owner), least_noise=least_noise)
