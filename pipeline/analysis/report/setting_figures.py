"""Every setting at a glance: parallel coordinates, the best settings in colour.

Lines of SVG and not Plotly's own ``parcoords``: those need WebGL and evaluate code, which the page
forbids, have no place for a layer that a network does not have, and do not print sharply.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import plotly.graph_objects as go

from pipeline.analysis.report.content import ReportContent, is_number, shown
from pipeline.analysis.report.theme import (
    BEST,
    FAINT,
    FAINT_STOPPED,
    GOOD,
    Chart,
    axis,
    figure,
    label,
    scale_of,
)
from pipeline.config import Scalar
from pipeline.config.space.domain import Choices, Range
from pipeline.errors import counted
from pipeline.trial import TrialRow, TrialState

ABSENT: Final = -0.12
"""The height of a parameter that a trial does not have, below the lowest of those that have it."""
TOP: Final = 0.1
"""The part of the complete trials that has a colour."""
MOST: Final = 400
"""So many trials are drawn, the best ones."""
MOST_AXES: Final = 16

Place = Callable[[Scalar], float]


def setting_chart(content: ReportContent) -> Chart | None:
    """Draw one line a trial across one axis a parameter; the value is the last axis."""
    names = list(content.varied)[: MOST_AXES - 1]
    rows = _ordered(content)
    if not names or not rows:
        return None
    columns: dict[str, Sequence[Scalar | None]] = {
        name: [row.params.get(name) for row in rows] for name in names
    }
    columns[content.objective.metric] = [row.best_score for row in rows]
    places = [_places(content, name, values) for name, values in columns.items()]
    return Chart(
        key="settings",
        title="All settings",
        alt=f"Parallel coordinates of {counted(len(rows), 'trial')} over {', '.join(columns)}",
        caption="One line a trial; a name in the legend hides or shows its lines. Where a line "
        "runs below an axis, that network does not have the parameter."
        + f" No more than {MOST} trials are drawn, the best ones."
        * (len(rows) == MOST),
        figure=figure(
            [*_axes(list(columns), places, columns), *_lines(rows, places, columns)],
            height=420,
            showlegend=True,
            xaxis=_names_axis(list(columns)),
            yaxis={"visible": False, "range": [-0.16, 1.08], "fixedrange": True},
            legend={"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top"},
        ),
        is_wide=True,
        n_columns=len(columns),
    )


def _ordered(content: ReportContent) -> list[TrialRow]:
    """The settings of complete trials as they are ranked, then those of stopped ones."""
    stopped = [
        row for row in content.rows if row.state is TrialState.PRUNED and row.best_score is not None
    ]
    return [*(one.trial for one in content.ranked), *stopped][:MOST]


def _places(content: ReportContent, name: str, values: Sequence[Scalar | None]) -> list[float]:
    """Where each value is on its axis, from 0 to 1."""
    domain = content.study.space.domains.get(name)
    known = [value for value in values if value is not None]
    if isinstance(domain, Choices):
        place = _place_among([one for one in domain.choices if one in known])
    elif all(map(is_number, known)) and len(set(known)) > 1:
        numbers = [float(value) for value in known]
        is_log = domain.log if isinstance(domain, Range) else scale_of(numbers) == "log"
        place = _place_between(min(numbers), max(numbers), is_log=is_log)
    else:
        place = _place_among(sorted(set(known), key=str))
    return [ABSENT if value is None else place(value) for value in values]


def _place_among(order: Sequence[Scalar]) -> Place:
    """Evenly spaced; a single value stands in the middle."""
    if len(order) <= 1:
        return lambda _value: 0.5
    return lambda value: order.index(value) / (len(order) - 1)


def _place_between(low: float, high: float, *, is_log: bool) -> Place:
    if is_log:
        return lambda value: math.log(float(value) / low) / math.log(high / low)
    return lambda value: (float(value) - low) / (high - low)


def _axes(
    names: Sequence[str],
    places: Sequence[Sequence[float]],
    columns: Mapping[str, Sequence[Scalar | None]],
) -> list[go.Scatter]:
    """The vertical lines, with the lowest and the highest value written at their ends."""
    x: list[float | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    for index, name in enumerate(names):
        known = [
            (place, value)
            for place, value in zip(places[index], columns[name], strict=True)
            if value is not None
        ]
        ends = [f(known, key=lambda one: one[0]) for f in (min, max)] if known else []
        for (_, value), at in zip(ends, (0.0, 1.0), strict=False):
            x.append(index)
            y.append(at)
            texts.append(label(shown(value), 9))
        x.append(None)
        y.append(None)
        texts.append("")
    above = ["bottom center", "top center", "top center"] * len(names)
    return [
        go.Scatter(
            x=x,
            y=y,
            text=texts,
            textposition=above[: len(x)],
            mode="lines+text",
            line={"color": FAINT, "width": 1.5},
            hoverinfo="skip",
            showlegend=False,
        )
    ]


def _lines(
    rows: Sequence[TrialRow],
    places: Sequence[Sequence[float]],
    columns: Mapping[str, Sequence[Scalar | None]],
) -> list[go.Scatter]:
    """The trials by group, the best group last, so that it is drawn above the others."""
    complete = [index for index, row in enumerate(rows) if row.state is TrialState.COMPLETE]
    n_top = max(1, round(TOP * len(complete)))
    groups: tuple[tuple[str, Sequence[int], dict[str, Any]], ...] = (
        (
            "stopped",
            [index for index, row in enumerate(rows) if row.state is TrialState.PRUNED],
            {"color": FAINT_STOPPED, "width": 1, "dash": "dot"},
        ),
        ("other complete", complete[n_top:], {"color": FAINT, "width": 1}),
        (f"next best {n_top - 1}", complete[1:n_top], {"color": GOOD, "width": 1.8}),
        (
            f"best: trial {rows[complete[0]].number}" if complete else "best",
            complete[:1],
            {"color": BEST, "width": 3.5},
        ),
    )
    return [
        _group(name, indices, style, rows, places, columns)
        for name, indices, style in groups
        if indices
    ]


def _group(
    name: str,
    indices: Sequence[int],
    style: Mapping[str, Any],
    rows: Sequence[TrialRow],
    places: Sequence[Sequence[float]],
    columns: Mapping[str, Sequence[Scalar | None]],
) -> go.Scatter:
    across = [*range(len(places)), None]
    heights = [[*(column[index] for column in places), None] for index in indices]
    texts = [
        [
            *(
                f"trial {rows[index].number}<br>{label(title)} {label(shown(values[index]))}"
                for title, values in columns.items()
            ),
            "",
        ]
        for index in indices
    ]
    return go.Scatter(
        x=across * len(indices),
        y=[one for line in heights for one in line],
        hovertext=[one for line in texts for one in line],
        hoverinfo="text",
        mode="lines",
        name=name,
        line=dict(style),
    )


def _names_axis(names: Sequence[str]) -> dict[str, Any]:
    return axis(
        "",
        tickvals=list(range(len(names))),
        ticktext=[label(name, 18) for name in names],
        side="top",
        showgrid=False,
        fixedrange=True,
        range=[-0.4, len(names) - 0.6],
    )
