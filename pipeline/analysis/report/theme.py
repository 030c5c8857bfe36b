"""What all figures share: colours, light and dark, axes, and safe numbers and texts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

import plotly.graph_objects as go

BEST: Final = "#2f7de1"
GOOD: Final = "#1d9a86"
STOPPED: Final = "#d07a1e"
FAILED: Final = "#d4495a"
REST: Final = "#8a94a3"
SECOND: Final = "#8f63d4"
BAND: Final = "rgba(47, 125, 225, 0.18)"
FAINT: Final = "rgba(138, 148, 163, 0.45)"
FAINT_STOPPED: Final = "rgba(208, 122, 30, 0.55)"
"""Colours of the middle, which can be read on white and on near-black alike."""
SCALE: Final = ((0.0, "#2f7de1"), (0.25, "#5fb0c9"), (0.5, "#e6d690"), (1.0, "#d4495a"))
"""From the best, blue, to the worst."""
FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
LONGEST_LABEL: Final = 28
LONGEST_TITLE: Final = 48
FEWEST_TO_FOCUS: Final = 10
DIGITS: Final = 5
"""Of a number in a figure: more than an eye can see."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure with what is said of it.

    Attributes:
        key: A word that identifies it on the page.
        title: Above it; a user's text may be part of it.
        alt: What it shows, for who cannot see it.
        caption: How to read it.
        figure: What Plotly draws.
        is_wide: Whether it takes the page's whole width.
        n_columns: It is never drawn narrower than so many labels need; 0: as narrow as it gets.
    """

    key: str
    title: str
    alt: str
    figure: go.Figure
    caption: str = ""
    is_wide: bool = False
    n_columns: int = 0


def _template(ink: str, soft: str, grid: str, ground: str) -> dict[str, Any]:
    axis = {
        "gridcolor": grid,
        "zerolinecolor": grid,
        "linecolor": soft,
        "tickfont": {"color": soft, "size": 12},
        "title": {"font": {"color": ink, "size": 13}},
    }
    return {
        "layout": {
            "font": {"family": FONT, "color": ink, "size": 13},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {"bgcolor": ground, "bordercolor": soft, "font": {"color": ink}},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": soft, "activecolor": BEST},
            "annotationdefaults": {"font": {"color": ink}},
            "updatemenudefaults": {
                "bgcolor": ground,
                "bordercolor": soft,
                "font": {"color": ink, "size": 12},
            },
        }
    }


THEMES: Final = {
    "light": _template("#1c2430", "#566171", "#e3e7ed", "#ffffff"),
    "dark": _template("#e6eaf0", "#a3aebd", "#2b333f", "#171c24"),
}


def figure(traces: Sequence[Any], *, height: int = 320, **layout: Any) -> go.Figure:
    """Make a figure with the page's margins and a legend below it."""
    shared = {
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "legend": {"orientation": "h", "x": 0, "y": -70 / max(height - 90, 80), "yanchor": "top"},
        "hovermode": "closest",
        "showlegend": len(traces) > 1,
    }
    return go.Figure(data=list(traces), layout=shared | layout)


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis whose title and ticks have the room that they need."""
    text = label(title, LONGEST_TITLE)
    return {"title": {"text": text, "standoff": 8}, "automargin": True, "zeroline": False} | more


def value_axis(title: str, kind: str, **more: Any) -> dict[str, Any]:
    """An axis of losses or rates; a logarithmic one is labelled at 1, 2 and 5."""
    ticks = {"dtick": "D2", "exponentformat": "power"} if kind == "log" else {}
    return axis(title, type=kind, **ticks, **more)


def focus(values: Sequence[float], *, is_maximized: bool) -> tuple[list[float] | None, int]:
    """The part of an axis that holds the better nine tenths, and how many values lie outside.

    >>> focus([0.2, 0.25, 0.3, 9.0] + [0.22] * 16, is_maximized=False)
    ([0.195, 0.305], 1)
    """
    ordered = sorted((one for one in values if math.isfinite(one)), reverse=is_maximized)
    if len(ordered) < FEWEST_TO_FOCUS:
        return None, 0
    best, worst = ordered[0], ordered[int(0.9 * (len(ordered) - 1))]
    n_outside = sum(one < worst if is_maximized else one > worst for one in ordered)
    margin = 0.05 * abs(worst - best)
    low, high = min(best, worst) - margin, max(best, worst) + margin
    return ([low, high], n_outside) if low < high else (None, 0)


def label(text: object, longest: int = LONGEST_LABEL) -> str:
    """A text as Plotly, which reads some HTML, is to show it; a long one is cut.

    >>> label("<b>loss</b>")
    '&lt;b&gt;loss&lt;/b&gt;'
    """
    line = " ".join(str(text).split())
    return escape(line if len(line) <= longest else f"{line[: longest - 1]}…", quote=False)


def scale_of(values: Sequence[float]) -> str:
    """A logarithmic axis where positive values lie an order of magnitude apart, else a linear."""
    finite = [value for value in values if math.isfinite(value)]
    is_wide = finite and min(finite) > 0 and max(finite) > 8 * min(finite)
    return "log" if is_wide else "linear"


def drawn(chart: Chart) -> dict[str, Any]:
    """The figure as JSON that every browser reads: no NaN, and no more digits than are seen."""
    plain: dict[str, Any] = _plain(chart.figure.to_plotly_json())
    plain["layout"].pop("template", None)
    return plain


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {str(name): _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case float():
            return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value
