"""What each parameter does, how much it matters, and which two depend on one another."""

from collections.abc import Sequence
from typing import Any, Final

import plotly.graph_objects as go

from pipeline.analysis.report.content import ReportContent, is_number, shown
from pipeline.analysis.report.theme import (
    BAND,
    BEST,
    REST,
    SCALE,
    SECOND,
    Chart,
    axis,
    figure,
    label,
)
from pipeline.config.space.domain import Range
from pipeline.trial import Effect, Interaction
from pipeline.trial.effects import NORMAL

MOST_CHARTS: Final = 24
MOST_INTERACTIONS: Final = 6


def effect_charts(content: ReportContent) -> list[Chart]:
    """One chart a parameter, all on one scale, rates first."""
    effects = content.effects[:MOST_CHARTS]
    if not effects:
        return []
    top = max(loss + NORMAL * sd for one in effects for loss, sd in _pairs(one)) or 1.0
    return [
        Chart(
            key=f"effect-{index}",
            title=one.parameter,
            alt=f"Effect of {one.parameter}: {one.sentence}",
            caption=f"{one.sentence}.",
            figure=_effect_figure(content, one, top),
        )
        for index, one in enumerate(effects)
    ]


def _effect_figure(content: ReportContent, effect: Effect, top: float) -> go.Figure:
    domain = content.study.space.domains.get(effect.parameter)
    is_line = all(map(is_number, effect.values)) and isinstance(domain, Range)
    x = list(effect.values) if is_line else [label(shown(value)) for value in effect.values]
    is_log = is_line and isinstance(domain, Range) and domain.log
    kind = ("log" if is_log else "linear") if is_line else "category"
    traces = [*_band(x, effect), _line(x, effect)] if is_line else [_whiskers(x, effect)]
    lost = f"{content.objective.metric}, {effect.objective.worse_word} the best"
    return figure(
        traces,
        height=260,
        showlegend=False,
        xaxis=axis("", type=kind, **({"dtick": 1, "exponentformat": "power"} if is_log else {})),
        yaxis=axis(lost, range=[-0.1 * top, 1.05 * top]),
    )


def _band(x: Sequence[Any], effect: Effect) -> list[go.Scatter]:
    low = [loss - NORMAL * sd for loss, sd in _pairs(effect)]
    high = [loss + NORMAL * sd for loss, sd in _pairs(effect)]
    shared = {"x": x, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    below = go.Scatter(y=low, **shared)
    return [below, go.Scatter(y=high, fill="tonexty", fillcolor=BAND, **shared)]


def _line(x: Sequence[Any], effect: Effect) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=effect.losses,
        mode="lines+markers",
        line={"color": BEST, "width": 2.5},
        marker=_markers(effect),
        hovertext=_texts(effect),
        hoverinfo="text",
    )


def _whiskers(x: Sequence[Any], effect: Effect) -> go.Scatter:
    errors = {"type": "data", "array": [NORMAL * sd for sd in effect.sds], "color": BEST}
    return go.Scatter(
        x=x,
        y=effect.losses,
        mode="markers",
        error_y=errors | {"thickness": 2, "width": 6},
        marker=_markers(effect) | {"size": 10},
        hovertext=_texts(effect),
        hoverinfo="text",
    )


def _markers(effect: Effect) -> dict[str, Any]:
    """Filled where a value cannot be told from the best, hollow where it is worse."""
    symbols = ["circle" if is_it else "circle-open" for is_it in effect.is_as_good]
    return {"symbol": symbols, "size": 7, "color": BEST, "line": {"width": 1.5, "color": BEST}}


def _texts(effect: Effect) -> list[str]:
    worse = effect.objective.worse_word
    return [
        f"{label(effect.parameter)} {label(shown(value))}<br>{loss:.3g} ± {NORMAL * sd:.2g} "
        f"{worse} the best<br>{'as good as the best' if is_it else 'worse'}"
        for value, (loss, sd), is_it in zip(
            effect.values, _pairs(effect), effect.is_as_good, strict=True
        )
    ]


def _pairs(effect: Effect) -> list[tuple[float, float]]:
    return list(zip(effect.losses, effect.sds, strict=True))


def importance_chart(content: ReportContent) -> Chart | None:
    """How much of the differences each parameter makes, the largest on top."""
    ordered = sorted(content.effects, key=lambda one: one.share)
    if not ordered:
        return None
    bars = _importances(ordered)
    longest = max(value or 0.0 for bar in bars for value in bar.x) or 1.0
    return Chart(
        key="importance",
        title="How much each parameter matters",
        alt="Importance: "
        + ", ".join(f"{one.parameter} {one.share:.0%}" for one in reversed(ordered)),
        caption="Near the best settings, over the whole range of each parameter. What matters "
        "little may take any value.",
        figure=figure(
            bars,
            height=90 + 26 * len(ordered) * len(bars),
            barmode="group",
            xaxis=axis("part of all differences", tickformat=".0%", range=[0, 1.15 * longest]),
            yaxis=axis("", type="category"),
        ),
    )


def _importances(effects: Sequence[Effect]) -> list[go.Bar]:
    """The model's, and Optuna's where it is known."""
    names = [label(one.parameter) for one in effects]
    bars = [_bars("share of the model's differences", names, [one.share for one in effects], BEST)]
    if any(one.importance is not None for one in effects):
        values = [one.importance for one in effects]
        bars.append(_bars("importance by Optuna's evaluator", names, values, SECOND))
    return bars


def _bars(name: str, names: Sequence[str], values: Sequence[float | None], color: str) -> go.Bar:
    texts = ["" if value is None else f"{value:.0%}" for value in values]
    return go.Bar(
        name=name,
        x=values,
        y=names,
        text=texts,
        textposition="outside",
        cliponaxis=False,
        orientation="h",
        marker={"color": color},
        hoverinfo="y+text",
    )


def interaction_charts(content: ReportContent) -> list[Chart]:
    """A heat map of each pair of parameters that depend on one another."""
    found = content.summary.interactions if content.summary else ()
    return [
        Chart(
            key=f"interaction-{index}",
            title=" and ".join(one.parameters),
            alt=f"Interaction of {' and '.join(one.parameters)}: {one.sentence}",
            caption=f"{one.sentence}.",
            figure=_heat_map(content, one),
        )
        for index, one in enumerate(found[:MOST_INTERACTIONS])
    ]


def _heat_map(content: ReportContent, pair: Interaction) -> go.Figure:
    names = [[label(shown(value)) for value in values] for values in pair.values]
    worse = content.objective.worse_word
    first, second = map(label, pair.parameters)
    texts = [
        [
            f"{first} {a}, {second} {b}<br>{loss:.3g} ± {NORMAL * sd:.2g} {worse} the best pair"
            for b, loss, sd in zip(names[1], losses, sds, strict=True)
        ]
        for a, losses, sds in zip(names[0], pair.losses, pair.sds, strict=True)
    ]
    heat = go.Heatmap(
        x=names[1],
        y=names[0],
        z=pair.losses,
        hovertext=texts,
        hoverinfo="text",
        colorscale=SCALE,
        colorbar={"title": {"text": f"{worse} the best"}, "thickness": 12, "outlinewidth": 0},
    )
    return figure(
        [heat, _best_pair(names, pair)],
        height=320,
        showlegend=False,
        xaxis=axis(pair.parameters[1], type="category", showgrid=False),
        yaxis=axis(pair.parameters[0], type="category", showgrid=False),
    )


def _best_pair(names: Sequence[Sequence[str]], pair: Interaction) -> go.Scatter:
    """A star on the best pair."""
    cells = [
        (loss, row, column)
        for row, losses in enumerate(pair.losses)
        for column, loss in enumerate(losses)
    ]
    _, row, column = min(cells)
    return go.Scatter(
        x=[names[1][column]],
        y=[names[0][row]],
        mode="markers",
        marker={
            "symbol": "star",
            "size": 14,
            "color": "#ffffff",
            "line": {"color": REST, "width": 1},
        },
        hoverinfo="skip",
    )
