"""How the best value came down: against trials, epochs and seconds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Final

import plotly.graph_objects as go

from pipeline.analysis.report.content import ReportContent, shown
from pipeline.analysis.report.theme import (
    BEST,
    REST,
    SECOND,
    STOPPED,
    Chart,
    axis,
    figure,
    focus,
    label,
)
from pipeline.errors import counted
from pipeline.trial import Curve, TrialRow, TrialState

SHADE: Final = "rgba(138, 148, 163, 0.22)"
LONGEST_PAUSE_SECONDS: Final = 600.0
"""Where for so long no epoch ended, nobody ran the study; the pause is left out."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """When each trial had ended, by one measure of effort.

    Attributes:
        title: The measure.
        at: By trial.
        note: What is to be known of it.
    """

    title: str
    at: Mapping[int, float]
    note: str = ""


def history_charts(content: ReportContent) -> list[Chart]:
    """One chart for each measure of effort that is known."""
    clocks = (_trials(content), _epochs(content), _seconds(content))
    return [
        Chart(
            key=f"history-{index}",
            title=f"Best so far against {clock.title.split(' ')[0]}",
            alt=f"Best value so far of {content.objective.metric} against {clock.title}",
            caption=clock.note,
            figure=_figure(content, clock),
        )
        for index, clock in enumerate(clocks)
        if clock.at and content.best is not None
    ]


def history_note(content: ReportContent) -> str:
    """What the figures do not show at once."""
    values = [row.best_score for row in content.rows if row.best_score is not None]
    _, n_outside = focus(values, is_maximized=content.objective.is_maximized)
    what = f"{counted(n_outside, 'trial')} of worse values are outside the figures"
    return f"{what}; a double click shows them." if n_outside else ""


def _trials(content: ReportContent) -> Clock:
    return Clock(title="trials", at={row.number: row.number + 1 for row in content.rows})


def _epochs(content: ReportContent) -> Clock:
    lengths = [len(row.scores) for row in content.rows]
    numbers = [row.number for row in content.rows]
    return Clock(
        title="epochs of all trials", at=dict(zip(numbers, accumulate(lengths), strict=True))
    )


def _seconds(content: ReportContent) -> Clock:
    """Wall time since the first epoch began, without the pauses between runs."""
    ends = sorted(one.ended_at_ms / 1_000 for curve in content.curves.values() for one in curve)
    if not ends:
        return Clock(title="seconds", at={})
    first = min(
        curve[0].ended_at_ms / 1_000 - _finite(curve[0].epoch_seconds)
        for curve in content.curves.values()
        if curve
    )
    longest = max(LONGEST_PAUSE_SECONDS, 3 * _longest_epoch(content.curves))
    pauses = [
        (after, after - before) for before, after in pairwise(ends) if after - before > longest
    ]
    at = {
        number: curve[-1].ended_at_ms / 1_000 - first - _paused_before(curve, pauses)
        for number, curve in content.curves.items()
        if curve
    }
    left_out = sum(length for _, length in pauses)
    note = f"Pauses of {left_out:,.0f} seconds, in which no epoch ended, are left out." * bool(
        pauses
    )
    return Clock(title="seconds since the first epoch began", at=at, note=note)


def _paused_before(curve: Curve, pauses: Sequence[tuple[float, float]]) -> float:
    return sum(length for at, length in pauses if at <= curve[-1].ended_at_ms / 1_000)


def _longest_epoch(curves: Mapping[int, Curve]) -> float:
    return max(_finite(one.epoch_seconds) for curve in curves.values() for one in curve)


def _finite(seconds: float) -> float:
    return seconds if math.isfinite(seconds) else 0.0


def _figure(content: ReportContent, clock: Clock) -> go.Figure:
    rows = sorted(
        (row for row in content.rows if row.number in clock.at),
        key=lambda row: clock.at[row.number],
    )
    searched = [row for row in rows if row.finalist is None]
    groups = (
        ("complete", "circle", REST, _in_state(searched, TrialState.COMPLETE)),
        ("stopped, best epoch", "x", STOPPED, _in_state(searched, TrialState.PRUNED)),
        ("finalists, new seeds", "diamond", SECOND, [row for row in rows if row.finalist]),
    )
    traces = [_dots(clock, *group) for group in groups if group[3]]
    traces.append(_best_so_far(content, clock, searched))
    values = [value for row in rows if (value := row.best_score) is not None]
    range_, _ = focus(values, is_maximized=content.objective.is_maximized)
    return figure(
        traces,
        height=300,
        showlegend=False,
        xaxis=axis(clock.title, rangemode="tozero"),
        yaxis=axis(content.objective.metric, range=range_),
        shapes=_first_design(content, clock),
    )


def _in_state(rows: Sequence[TrialRow], state: TrialState) -> list[TrialRow]:
    return [row for row in rows if row.state is state and row.best_score is not None]


def _dots(clock: Clock, name: str, symbol: str, color: str, rows: Sequence[TrialRow]) -> go.Scatter:
    return go.Scatter(
        x=[clock.at[row.number] for row in rows],
        y=[row.best_score for row in rows],
        mode="markers",
        name=name,
        marker={"symbol": symbol, "size": 6, "color": color, "opacity": 0.75},
        hovertext=[
            f"trial {row.number}<br>{label(row.objective.metric)} {shown(row.best_score)}"
            for row in rows
        ],
        hoverinfo="text",
    )


def _best_so_far(content: ReportContent, clock: Clock, rows: Sequence[TrialRow]) -> go.Scatter:
    """A step wherever a complete trial of the search is the best so far."""
    numbers, y = content.best_so_far(rows)
    x = [clock.at[number] for number in numbers]
    end = max(clock.at.values())
    return go.Scatter(
        x=[*x, end],
        y=[*y, *y[-1:]],
        mode="lines",
        name="best so far",
        line={"color": BEST, "width": 3, "shape": "hv"},
        hoverinfo="skip",
    )


def _first_design(content: ReportContent, clock: Clock) -> list[dict[str, Any]]:
    """Shade the trials that no model suggested."""
    numbers = range(content.n_first or 0)
    known = [clock.at[number] for number in numbers if number in clock.at]
    if not known:
        return []
    corners = {"x0": 0, "x1": max(known), "y0": 0, "y1": 1}
    look = {"fillcolor": SHADE, "line": {"width": 0}, "layer": "below"}
    return [{"type": "rect", "xref": "x", "yref": "paper"} | corners | look]
