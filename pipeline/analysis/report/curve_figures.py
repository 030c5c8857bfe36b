"""The best trial's curves against those of the others."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import plotly.graph_objects as go

from pipeline.analysis.report.content import ReportContent
from pipeline.analysis.report.theme import (
    BEST,
    FAINT,
    FAINT_STOPPED,
    GOOD,
    STOPPED,
    Chart,
    axis,
    figure,
    label,
    scale_of,
    value_axis,
)
from pipeline.errors import counted
from pipeline.trial import TrialRow, TrialState

N_NEXT: Final = 4
"""So many trials behind the best one have a colour of their own."""
MOST_CURVES: Final = 50
"""Of the complete and of the stopped trials so many are drawn, evenly by rank."""
MOST_EPOCHS: Final = 100
"""Of a longer curve every so many epochs are drawn, its last one always."""
TITLES: Final = {
    "train_loss_no_dropout": "Training loss, dropout off",
    "val_loss": "Validation loss",
}


def curve_charts(content: ReportContent) -> list[Chart]:
    """One chart for the objective and one for each loss that was measured."""
    metrics = dict.fromkeys((content.objective.metric, "val_loss", "train_loss_no_dropout"))
    return [chart for metric in metrics if (chart := _chart(content, metric))]


def _chart(content: ReportContent, metric: str) -> Chart | None:
    groups = _groups(content)
    traces = [
        trace
        for name, rows, style in groups
        if (trace := _trace(content, metric, name, rows, style)) is not None
    ]
    if not traces:
        return None
    values = [value for trace in traces for value in trace.y if value is not None]
    title = TITLES.get(metric, metric)
    return Chart(
        key=f"curve-{list(TITLES).index(metric) if metric in TITLES else 'objective'}",
        title=title,
        alt=f"{title} by epoch of {counted(len(content.curves), 'trial')}, the best one in blue",
        caption=_caption(content),
        figure=figure(
            traces,
            height=360,
            xaxis=axis("epoch", rangemode="tozero"),
            yaxis=value_axis(metric, scale_of(values)),
        ),
    )


def _groups(content: ReportContent) -> list[tuple[str, list[TrialRow], dict[str, Any]]]:
    """The others first, so that the best is drawn above them."""
    ranked = [one.trial for one in content.ranked]
    shown_apart = {row.number for row in ranked[: 1 + N_NEXT]}
    others = [
        row
        for row in content.rows
        if row.state is TrialState.COMPLETE and row.number not in shown_apart
    ]
    stopped = [row for row in content.rows if row.state is TrialState.PRUNED]
    thin, thick = {"width": 1, "color": FAINT}, {"width": 3, "color": BEST}
    dashed = {"width": 1, "color": FAINT_STOPPED, "dash": "dot"}
    next_best = {"width": 1.6, "color": GOOD}
    return [
        (f"other complete ({len(others)})", thinned(content, others), thin),
        (f"stopped ({len(stopped)})", thinned(content, stopped), dashed),
        (f"next best {len(ranked[1 : 1 + N_NEXT])}", ranked[1 : 1 + N_NEXT], next_best),
        (f"best: trial {ranked[0].number}" if ranked else "best", ranked[:1], thick),
    ]


def thinned(content: ReportContent, rows: Sequence[TrialRow]) -> list[TrialRow]:
    """At most ``MOST_CURVES`` trials, evenly from the best to the worst."""

    def loss(row: TrialRow) -> float:
        best = row.best_score
        return math.inf if best is None else content.objective.loss(best)

    ordered = sorted(rows, key=loss)
    if len(ordered) <= MOST_CURVES:
        return ordered
    step = (len(ordered) - 1) / (MOST_CURVES - 1)
    return [ordered[round(index * step)] for index in range(MOST_CURVES)]


def _trace(
    content: ReportContent, metric: str, name: str, rows: Sequence[TrialRow], style: dict[str, Any]
) -> go.Scatter | None:
    """All curves of a group as one line with gaps; a stopped one ends in a cross."""
    points = [point for row in rows for point in _points(content, metric, row)]
    if not any(y is not None for _, y, _, _ in points):
        return None
    x, y, numbers, ends = zip(*points, strict=True)
    is_stopped = "dash" in style
    return go.Scatter(
        x=x,
        y=y,
        customdata=numbers,
        hovertemplate="trial %{customdata}, epoch %{x}<br>"
        f"{label(metric)} %{{y:.4g}}<extra></extra>",
        name=name,
        mode="lines+markers",
        line=style,
        marker={
            "symbol": "x" if is_stopped else "circle",
            "size": [_marker_size(is_end=is_end, is_stopped=is_stopped) for is_end in ends],
            "color": STOPPED if is_stopped else style["color"],
        },
    )


def _marker_size(*, is_end: bool, is_stopped: bool) -> int:
    return 5 * (is_end and is_stopped)


Drawn = tuple[int | None, float | None, int, bool]
"""Epoch, score, the trial's number, and whether the curve ends here."""


def _points(content: ReportContent, metric: str, row: TrialRow) -> Iterator[Drawn]:
    curve = content.curves.get(row.number, ())
    step = -(-len(curve) // MOST_EPOCHS) or 1
    kept = [one for index, one in enumerate(curve) if index % step == 0 or one is curve[-1]]
    for one in kept:
        score = one.measured.get(metric, math.nan)
        yield one.epoch, score if math.isfinite(score) else None, row.number, one is curve[-1]
    if kept:
        yield None, None, row.number, False


def _caption(content: ReportContent) -> str:
    """What is left out, if anything is."""
    states = [row.state for row in content.rows]
    is_thinned = any(
        states.count(state) > MOST_CURVES + 1 + N_NEXT
        for state in (TrialState.COMPLETE, TrialState.PRUNED)
    )
    longest = max((len(curve) for curve in content.curves.values()), default=0)
    said = [
        "A cross ends the curve of a trial that the stopping rule ended."
        * (TrialState.PRUNED in states),
        f"Of many trials {MOST_CURVES} are drawn, evenly from the best to the worst." * is_thinned,
        f"Every {-(-longest // MOST_EPOCHS)}th epoch is drawn." * (longest > MOST_EPOCHS),
    ]
    return " ".join(filter(None, said))
