"""What each parameter does, by a model of all outcomes: the answer to the study's question.

A parameter's effect is a partial dependence (Friedman, Annals of Statistics 29, 2001): what the
model predicts at each of its values, the others as they are in the best settings, in the mean over
those. Trials that were stopped count as what they are forecast to come to, with their doubt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pipeline.config import Params, StudyConfig, usual_setting
from pipeline.search.encoding import Axis, Encoding, NominalAxis
from pipeline.search.surrogate import GaussianProcess, Vector
from pipeline.trial import Effect
from pipeline.trial.effects import NARROW, End, Verdict

CONTEXTS: Final = 8
"""The best settings, so many at most, that the other parameters are taken from."""
PLACES: Final = 21
"""A range is looked at in so many places at most."""
FEWEST: Final = 8
"""From fewer settings nothing is said."""
BOUND: Final = 2.5
"""A value is told from the best where its predicted difference is above so many of its standard
deviations: of 160 parameters without an effect one in twenty is then said to have one
(docs/decisions/0030-what-each-parameter-does.md)."""
AT_END: Final = 0.02
"""So near to an end of its range, as a part of it, a value is at the end."""
SMALL: Final = 0.2
"""A difference is small that is below this part of the largest one that a parameter makes."""


def find_effects(
    study: StudyConfig, encoding: Encoding, model: GaussianProcess, settings: Sequence[Params]
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
    filled = [_filled(study, setting) for setting in settings]
    curves = [
        curve
        for name in encoding.axes
        if (curve := _curve(study, encoding, model, filled, name)) is not None
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
        losses: By how much each is above the best, float [values].
        sds: Of the differences, float [values].
    """

    name: str
    axis: Axis
    values: list[Any]
    losses: Vector
    sds: Vector


def _filled(study: StudyConfig, setting: Params) -> Params:
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


def _curve(
    study: StudyConfig,
    encoding: Encoding,
    model: GaussianProcess,
    settings: Sequence[Params],
    name: str,
) -> _Curve | None:
    """Predict along a parameter; ``None`` where no setting has it."""
    contexts = [one for one in settings if name in study.space.active(one)][:CONTEXTS]
    if not contexts:
        return None
    axis = encoding.axes[name]
    values = _values(axis)
    losses, sds = _differences(encoding, model, contexts, name, values)
    return _Curve(name=name, axis=axis, values=values, losses=losses, sds=sds)


def _effect_of(curve: _Curve, study: StudyConfig, *, small: float, spread: float) -> Effect:
    """Judge a curve; ``small`` is a difference that does not count."""
    most = float((curve.losses + BOUND * curve.sds).max())
    is_as_good = curve.losses <= BOUND * curve.sds
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
    )


def _values(axis: Axis) -> list[Any]:
    """Values of a parameter, ascending: all of them, or evenly spaced ones."""
    if isinstance(axis, NominalAxis):
        return list(axis.domain.choices)
    n_values = axis.n_values if 0 < axis.n_values <= PLACES else PLACES
    found = axis.decode(np.linspace(0.0, 1.0, n_values)[:, None])
    return list(dict.fromkeys(found))


def _differences(
    encoding: Encoding,
    model: GaussianProcess,
    contexts: Sequence[Params],
    name: str,
    values: Sequence[Any],
) -> tuple[Vector, Vector]:
    """By how much each value is above the best one in the mean over contexts, with its sd."""
    places = encoding.encode([one | {name: value} for value in values for one in contexts])
    mean_of = np.kron(np.eye(len(values)), np.full((1, len(contexts)), 1 / len(contexts)))
    centred = mean_of - mean_of.mean(axis=0)
    best = int(model.contrast(places, centred)[0].argmin())
    losses, sds = model.contrast(places, mean_of - mean_of[best])
    return np.maximum(losses, 0.0), sds


def end_of(axis: Axis, value: Any) -> End | None:
    """At which end of its range a value is; a lowest of 0 is no end, nor is a word."""
    if isinstance(axis, NominalAxis):
        return None
    [place] = axis.encode(value)
    if place >= 1 - AT_END:
        return "high"
    return "low" if place <= AT_END and value > 0 else None
