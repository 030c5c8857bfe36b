"""What a score other than the value comes to along each parameter: the gap, a training loss."""

from collections.abc import Mapping, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.config import Params, Scalar, StudyConfig, usual_setting
from pipeline.search.answers.anova import EffectModel, fit_effects
from pipeline.search.answers.effects import (
    FEWEST,
    MOST_AVERAGED,
    PLACES,
    evenly,
    fill,
    having,
    predict_values,
    values_along,
)
from pipeline.search.sampling.encoding import Encoding, NominalAxis
from pipeline.search.sampling.known import MAX_ANSWERING, evenly_ranked, without_outliers
from pipeline.search.sampling.surrogate import Outcomes, Vector
from pipeline.trial.dependence import Dependence


def find_dependences(
    study: StudyConfig,
    suggested: Sequence[Params],
    scores: Mapping[int, float],
    references: Mapping[str, Scalar],
) -> tuple[Dependence, ...]:
    """Smooth a score along each parameter, the others as in all trials that have the score.

    Args:
        study: Its space.
        suggested: The parameters of each trial, by number.
        scores: Finite, by the trial's number.
        references: By parameter the value that rises are told from; by default the first.

    Returns:
        Of each parameter that a trial has; none of fewer than ``FEWEST`` trials.
    """
    encoding = Encoding(study.space)
    numbers = evenly_ranked(scores, MAX_ANSWERING)
    if len(numbers) < FEWEST or not encoding.n_columns:
        return ()
    usual = usual_setting(study)
    places = encoding.encode([usual | suggested[number] for number in numbers])
    values = without_outliers(np.array([scores[number] for number in numbers]))
    doubt = np.zeros(len(numbers))
    settings = [fill(study, suggested[number]) for number in numbers]
    with threadpool_limits(1):  # as the summary's sums
        model = fit_effects(
            Outcomes(places=places, values=values, doubt=doubt, owner=encoding.owner)
        )
        return tuple(
            _dependence(study, encoding, model, settings, values, name, references.get(name))
            for name in encoding.axes
            if having(study, settings, name)
        )


def _dependence(
    study: StudyConfig,
    encoding: Encoding,
    model: EffectModel,
    settings: Sequence[Params],
    scores: Vector,
    name: str,
    reference: Scalar | None,
) -> Dependence:
    """Predict along a parameter; the mean over the trials is that of their scores."""
    axis = encoding.axes[name]
    values = values_along(axis, PLACES)
    has = np.array([study.space.has(name, setting) for setting in settings])
    contexts = having(study, settings, name)
    means, covariances = predict_values(
        study, encoding, model, evenly(contexts, MOST_AVERAGED), name, values
    )
    line = np.array([axis.encode(value) for value in values])
    trained = np.array([axis.encode(setting[name]) for setting in contexts])
    nearest = ((trained[:, None] - line[None]) ** 2).sum(axis=2).argmin(axis=1)
    part = np.bincount(nearest, minlength=len(values)) / len(nearest)
    centre = np.eye(len(values)) - part
    noise = model.noise_sd**2 / len(contexts)
    variances = np.diag(centre @ covariances @ centre.T) + noise
    first = values.index(reference) if reference in values else 0
    rises = covariances[first, first] + np.diag(covariances) - 2 * covariances[first]
    return Dependence(
        parameter=name,
        values=tuple(values),
        means=tuple((centre @ means + float(scores[has].mean())).tolist()),
        sds=tuple(np.sqrt(np.maximum(variances, 0.0)).tolist()),
        rises=tuple((means - means[first]).tolist()),
        rise_sds=tuple(np.sqrt(np.maximum(rises, 0.0)).tolist()),
        is_ordered=not isinstance(axis, NominalAxis),
    )
