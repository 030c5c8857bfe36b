"""What each parameter does, by a model of all outcomes: the answer to the study's question.

A parameter's effect is a partial dependence (Friedman, Annals of Statistics 29, 2001): what the
model predicts at each of its values, in the mean over settings that the other parameters are
taken from, the best ones or all. Trials that were stopped count as what they are forecast to come
to, with their doubt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pipeline.config import Params, StudyConfig, usual_setting
from pipeline.search.answers.anova import EffectModel, Moments
from pipeline.search.sampling.encoding import Axis, Encoding, NominalAxis
from pipeline.search.sampling.surrogate import Matrix, Vector
from pipeline.trial import Effect
from pipeline.trial.effects import NARROW, NORMAL, End, Verdict

CONTEXTS: Final = 8
"""The best settings, so many at most, that the other parameters are taken from."""
PLACES: Final = 21
"""A range is looked at in so many places at most."""
FEWEST: Final = 8
"""From fewer settings nothing is said."""
MOST_AVERAGED: Final = 48
"""So many settings at most stand for all."""
COUNTED: Final = {
    ("mlp", "depth"): "hidden layer",
    ("cnn", "depth"): "dense layer",
    ("cnn", "blocks"): "block",
    ("autoencoder", "depth"): "encoder layer",
}
"""What the parameters of built-in models count."""
AT_END: Final = 0.02
"""So near to an end of its range, as a part of it, a value is at the end."""
SMALL: Final = 0.2
"""A difference is small that is below this part of the largest one that a parameter makes."""


def find_effects(
    study: StudyConfig, encoding: Encoding, model: EffectModel, settings: Sequence[Params]
) -> tuple[Effect, ...]:
    """Say what each parameter does to the value, by numbers alone.

    Args:
        study: Its space.
        encoding: Of that space.
        model: Of all outcomes.
        settings: Those of complete trials, each once, the best predicted mean first.

    Returns:
        Of each parameter that a setting has, rates first; none of fewer than ``FEWEST`` settings.
    """
    if len(settings) < FEWEST:
        return ()
    filled = [fill(study, setting) for setting in settings]
    curves = [
        _curve(study, encoding, model, contexts, name)
        for name in encoding.axes
        if (contexts := having(study, filled, name))
    ]
    small = max(model.noise_sd, SMALL * max(float(curve.losses.max()) for curve in curves))
    spread = sum(float(curve.losses.var()) for curve in curves)
    effects = [_effect_of(curve, study, small=small, spread=spread) for curve in curves]
    return tuple(sorted(effects, key=lambda effect: not effect.is_rate))


@dataclass(frozen=True, kw_only=True)
class _Curve:
    """What the model predicts along a parameter.

    Attributes:
        values: By which the arrays go.
        losses: By how much each is above the best, the others as in the best settings.
        sds: Of the differences.
        averaged: As ``losses``, the others as in all settings.
        averaged_sds: Of those.
    """

    name: str
    axis: Axis
    values: list[Any]
    losses: Vector
    sds: Vector
    averaged: Vector
    averaged_sds: Vector


def fill(study: StudyConfig, setting: Params) -> Params:
    """A setting in which the layers that it does not have are like its last one.

    What the sampler drew for them was never trained.
    """
    active = dict.fromkeys(study.space.active(setting))
    filled = usual_setting(study) | {name: setting[name] for name in active}
    for name in study.space.domains:
        kind, layer = study.space.layer_of(name) or ("", 0)
        before = f"{kind}_{layer - 1}"
        if name not in active and before in filled:
            filled[name] = filled[before]
    return filled


def having(study: StudyConfig, settings: Sequence[Params], *names: str) -> list[Params]:
    """The settings that have parameters, in their order."""
    return [one for one in settings if all(study.space.has(name, one) for name in names)]


def _curve(
    study: StudyConfig,
    encoding: Encoding,
    model: EffectModel,
    contexts: Sequence[Params],
    name: str,
) -> _Curve:
    """Predict along a parameter that all contexts have, the best of them first."""
    axis = encoding.axes[name]
    values = values_along(axis, PLACES)
    best, some = contexts[:CONTEXTS], evenly(contexts, MOST_AVERAGED)
    losses, sds = above_lowest(predict_values(study, encoding, model, best, name, values))
    averaged, averaged_sds = above_lowest(
        predict_values(study, encoding, model, some, name, values)
    )
    return _Curve(
        name=name,
        axis=axis,
        values=values,
        losses=losses,
        sds=sds,
        averaged=averaged,
        averaged_sds=averaged_sds,
    )


def predict_values(
    study: StudyConfig,
    encoding: Encoding,
    model: EffectModel,
    contexts: Sequence[Params],
    name: str,
    values: Sequence[Any],
) -> Moments:
    """Predict what each value comes to in the mean over contexts, around the mean of all."""
    if name not in study.space.deciding:
        line = encoding.encode([contexts[0] | {name: value} for value in values])
        others, index = encoding.encode(contexts), list(encoding.axes).index(name)
        return model.predict(lambda process: process.along(index, line, others))
    places = encoding.encode([one | {name: value} for value in values for one in contexts])
    return predict_means(model, places, len(contexts))


def predict_means(model: EffectModel, places: Matrix, n_contexts: int) -> Moments:
    """Predict what settings come to in the mean over each so many, around the mean of all."""
    n_means = len(places) // n_contexts
    mean_of = np.kron(np.eye(n_means), np.full((1, n_contexts), 1 / n_contexts))
    centred = mean_of - mean_of.mean(axis=0)
    return model.predict(lambda process: process.contrast(places, centred))


def evenly(settings: Sequence[Params], most: int) -> list[Params]:
    """So many settings at most, evenly taken from first to last."""
    indices = np.linspace(0, len(settings) - 1, min(most, len(settings)))
    return [settings[index] for index in np.rint(indices).astype(int)]


def above_lowest(moments: Moments) -> tuple[Vector, Vector]:
    """By how much each mean is above the lowest one, with the sd of that difference."""
    means, covariances = moments
    lowest, variances = int(means.argmin()), np.diag(covariances)
    squares = variances + variances[lowest] - 2 * covariances[lowest]
    return means - means[lowest], np.sqrt(np.maximum(squares, 0.0))


def _effect_of(curve: _Curve, study: StudyConfig, *, small: float, spread: float) -> Effect:
    """Judge a curve; ``small`` is a difference that does not count.

    A value is told from the best where the 95 % interval of its difference does not hold 0.
    """
    most = float((curve.losses + NORMAL * curve.sds).max())
    is_as_good = curve.losses <= NORMAL * curve.sds
    best = curve.values[int(curve.losses.argmin())]
    verdict: Verdict = "wants"
    if is_as_good.all():
        verdict = "indifferent" if most <= small else "unknown"
    return Effect(
        parameter=curve.name,
        values=tuple(curve.values),
        losses=tuple(curve.losses.tolist()),
        sds=tuple(curve.sds.tolist()),
        is_as_good=tuple(is_as_good.tolist()),
        verdict=verdict,
        most=most,
        at_end=end_of(curve.axis, best) if is_as_good.mean() <= NARROW else None,
        share=float(curve.losses.var()) / spread if spread else 0.0,
        objective=study.objective,
        averaged=tuple(curve.averaged.tolist()),
        averaged_sds=tuple(curve.averaged_sds.tolist()),
        small=small,
        counts=COUNTED.get((study.model.name or "", curve.name)),
    )


def values_along(axis: Axis, most: int) -> list[Any]:
    """Values of a parameter, ascending: all of them, or so many evenly spaced ones."""
    if isinstance(axis, NominalAxis):
        return list(axis.domain.choices)
    n_values = axis.n_values if 0 < axis.n_values <= most else most
    found = axis.decode(np.linspace(0.0, 1.0, n_values)[:, None])
    return list(dict.fromkeys(found))


def end_of(axis: Axis, value: Any) -> End | None:
    """At which end of its range a value is; a lowest of 0 is no end, nor is a word."""
    if isinstance(axis, NominalAxis):
        return None
    [place] = axis.encode(value)
    if place >= 1 - AT_END:
        return "high"
    return "low" if place <= AT_END and value > 0 else None
