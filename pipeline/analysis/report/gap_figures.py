"""How much worse the network is on rows that it was not trained on, and what dropout does."""

import math
from collections.abc import Sequence
from typing import Any, Final

import plotly.graph_objects as go

from pipeline.analysis.gap import best_epoch_of
from pipeline.analysis.report.content import ReportContent, is_number, shown
from pipeline.analysis.report.theme import (
    BAND,
    BEST,
    REST,
    SECOND,
    STOPPED,
    Chart,
    axis,
    figure,
    label,
)
from pipeline.config import mean_dropout
from pipeline.trial import Curve, TrialRow, TrialState

MEAN: Final = "mean of the hidden layers"
STYLES: Final = {
    TrialState.COMPLETE: ("complete", "circle", REST),
    TrialState.PRUNED: ("stopped", "x", STOPPED),
}


def gap_charts(content: ReportContent) -> list[Chart]:
    """The gap against the rates, and epoch by epoch for the best trial."""
    return [chart for chart in (_against_rates(content), _by_epoch(content)) if chart]


def _against_rates(content: ReportContent) -> Chart | None:
    names = [name for name in (MEAN, *content.rates) if _has_rate(content, name)]
    if not names:
        return None
    groups = [_dots(content, names, state) for state in STYLES]
    traces = [trace for trace in groups if trace is not None]
    if not traces:
        return None
    return Chart(
        key="gap-rate",
        title="Gap against dropout",
        alt=f"generalization_gap at the best epoch of each trial against {names[0]}",
        caption="Each trial at its best epoch: val_loss minus train_loss_no_dropout; the star is "
        "the best trial. Near 0 the network does not overfit. The list chooses the rate.",
        figure=figure(
            traces,
            height=380,
            margin={"l": 8, "r": 12, "t": 52, "b": 8},
            xaxis=axis("dropout"),
            yaxis=axis("generalization_gap", zeroline=True),
            updatemenus=[_menu(content, names, traces)],
        ),
    )


def _has_rate(content: ReportContent, name: str) -> bool:
    rates = {_rate(row, name) for row in content.rows} - {None}
    return len(rates) > 1 or (name == MEAN and bool(rates))


def _rate(row: TrialRow, name: str) -> float | None:
    if name == MEAN:
        return mean_dropout(row.params)
    value = row.params.get(name)
    return float(value) if value is not None and is_number(value) else None


def _dots(content: ReportContent, names: list[str], state: TrialState) -> go.Scatter | None:
    gaps = {row.number: gap for row in content.rows if (gap := _gap(content, row)) is not None}
    rows = [row for row in content.rows if row.state is state and row.number in gaps]
    if not rows:
        return None
    return go.Scatter(
        x=[_rate(row, names[0]) for row in rows],
        y=[gaps[row.number] for row in rows],
        customdata=[row.number for row in rows],
        mode="markers",
        name=STYLES[state][0],
        marker=_markers(content, rows, state),
        hovertext=[_text(row, gaps[row.number]) for row in rows],
        hoverinfo="text",
    )


def _markers(content: ReportContent, rows: Sequence[TrialRow], state: TrialState) -> dict[str, Any]:
    """Those of the state, and a star for the best trial."""
    _, symbol, color = STYLES[state]
    best = content.best.number if content.best else None
    looks = [("star", 15, BEST) if row.number == best else (symbol, 7, color) for row in rows]
    symbols, sizes, colors = zip(*looks, strict=True)
    return {"symbol": symbols, "size": sizes, "color": colors, "opacity": 1, "line": {"width": 0}}


def _text(row: TrialRow, gap: float) -> str:
    value = f"{label(row.objective.metric)} {shown(row.best_score)}"
    return f"trial {row.number}<br>gap {gap:.3g}<br>{value}"


def _gap(content: ReportContent, row: TrialRow) -> float | None:
    at_best = best_epoch_of(row, content.curves)
    gap = at_best.generalization_gap if at_best else math.nan
    return gap if math.isfinite(gap) else None


def _menu(content: ReportContent, names: list[str], traces: list[Any]) -> dict[str, Any]:
    """A list of the rates; choosing one moves the points."""
    by_number = {row.number: row for row in content.rows}
    return {
        "type": "dropdown",
        "x": 0,
        "xanchor": "left",
        "y": 1.02,
        "yanchor": "bottom",
        "buttons": [
            {
                "label": label(name),
                "method": "restyle",
                "args": [
                    {"x": [[_rate(by_number[n], name) for n in one.customdata] for one in traces]}
                ],
            }
            for name in names
        ],
    }


def _by_epoch(content: ReportContent) -> Chart | None:
    best = content.best
    curve = content.curves.get(best.number, ()) if best else ()
    known = tuple(one for one in curve if math.isfinite(one.generalization_gap))
    if not known or best is None:
        return None
    return Chart(
        key="gap-epoch",
        title=f"Gap by epoch, trial {best.number}",
        alt=f"Training and validation loss of trial {best.number} by epoch; the gap between them",
        caption=f"The shaded part is the gap. The best epoch is {best.trial.best_epoch}.",
        figure=figure(
            _losses(known),
            height=380,
            xaxis=axis("epoch", rangemode="tozero"),
            yaxis=axis("loss"),
            shapes=[_best_epoch(best.trial)],
        ),
    )


def _losses(curve: Curve) -> list[go.Scatter]:
    """Both losses by epoch, the gap between them filled."""
    training = [one.train_loss_no_dropout for one in curve]
    validation = [one.train_loss_no_dropout + one.generalization_gap for one in curve]
    shared: dict[str, Any] = {"x": [one.epoch for one in curve], "mode": "lines"}
    below, above = {"color": SECOND, "width": 2.5}, {"color": BEST, "width": 2.5}
    filled = {"fill": "tonexty", "fillcolor": BAND}
    return [
        go.Scatter(y=training, name="train_loss_no_dropout", line=below, **shared),
        go.Scatter(y=validation, name="val_loss", line=above, **shared, **filled),
    ]


def _best_epoch(trial: TrialRow) -> dict[str, Any]:
    at = {"x0": trial.best_epoch, "x1": trial.best_epoch, "y0": 0, "y1": 1}
    line = {"color": REST, "width": 1.5, "dash": "dot"}
    return {"type": "line", "xref": "x", "yref": "paper", "line": line} | at
