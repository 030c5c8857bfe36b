"""What ``confirm`` came to: means over new seeds, with their intervals, and the test part."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import plotly.graph_objects as go

from pipeline.analysis.report.content import ReportContent, is_number
from pipeline.analysis.report.theme import BEST, REST, Chart, axis, figure, label
from pipeline.errors import as_sentence, counted

MOST_METRICS: Final = 3
"""So many test scores of a user's own have a column."""


@dataclass(frozen=True, kw_only=True)
class RepeatsLine:
    """A candidate.

    Attributes:
        name: The trial's number, or ``baseline``.
        note: What came of it beside its scores.
    """

    name: str
    is_winner: bool
    note: str
    cells: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """The table of a confirmation.

    Attributes:
        sentence: Who wins, or who cannot be told apart.
        more: The baseline, the search's own value, and who was dropped, a sentence each.
        titles: Of the scores.
        lines: The best candidate first.
        openings: How often the test part was opened, in words.
    """

    sentence: str
    more: Sequence[str]
    titles: Sequence[str]
    lines: Sequence[RepeatsLine]
    openings: str


def repeats(content: ReportContent) -> Repeats | None:
    """Read ``confirmation.json``, also of another version; ``None`` where there is none."""
    found = content.confirmation
    if not found:
        return None
    candidates = _candidates(found)
    columns = _columns(content, candidates)
    tied = _list(found, "tied")
    n_openings = found.get("test_openings")
    return Repeats(
        sentence=_sentence(content, found),
        more=[as_sentence(one) for one in _list(found, "why")[1:] if isinstance(one, str)],
        titles=["search", *columns],
        lines=[
            RepeatsLine(
                name=str(one["number"]),
                is_winner=one["number"] == found.get("winner"),
                note=_note(one, tied),
                cells=[_searched(one), *(_interval(_scores(one, key)) for key in columns.values())],
            )
            for one in candidates
        ],
        openings=f"The test part of this study was opened {counted(n_openings, 'time')}."
        if isinstance(n_openings, int)
        else "",
    )


def _list(found: Mapping[str, Any], key: str) -> list[Any]:
    """A list of another version's file; empty where it has something else there."""
    value = found.get(key)
    return value if isinstance(value, list) else []


def _candidates(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        one
        for one in _list(found, "candidates")
        if isinstance(one, Mapping) and isinstance(one.get("number"), int | str)
    ]


def _searched(candidate: Mapping[str, Any]) -> str:
    """What the search had measured of it."""
    value = candidate.get("search_value")
    return f"{value:.4f}" if is_number(value) else ""


def _note(candidate: Mapping[str, Any], tied: Sequence[object]) -> str:
    """Whether it is the baseline, was dropped, or is as good as the winner."""
    dropped = _scores(candidate, ("dropped",)).get("after")
    said = {
        "baseline": candidate.get("is_baseline") is True,
        f"dropped after {dropped} seeds": isinstance(dropped, int),
        "cannot be told from the winner": candidate["number"] in tied,
    }
    return ", ".join(text for text, is_so in said.items() if is_so)


def _sentence(content: ReportContent, found: Mapping[str, Any]) -> str:
    if why := [one for one in _list(found, "why") if isinstance(one, str)]:
        return as_sentence(why[0])
    winner, tied = found.get("winner"), _list(found, "tied")
    seeds = counted(found.get("seeds") or 0, "new seed")
    if winner is None:
        return f"No candidate was trained on all of {seeds}."
    if len(tied) <= 1:
        return f"Trial {winner} wins over {seeds}."
    numbers = f"{', '.join(map(str, tied[:-1]))} and {tied[-1]}"
    best = f"trial {winner} has the {content.objective.best_word} mean"
    return f"Trials {numbers} cannot be told apart over {seeds}; {best}."


def _columns(
    content: ReportContent, candidates: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[str, ...]]:
    """Title and place of each score that a candidate has."""
    logged = dict.fromkeys(name for one in candidates for name in _scores(one, ("metrics",)))
    columns: dict[str, tuple[str, ...]] = {
        content.objective.metric: (),
        "test loss": ("test",),
        "test accuracy": ("test_accuracy",),
    }
    columns |= {f"test {name}": ("metrics", name) for name in list(logged)[:MOST_METRICS]}
    return {
        title: path
        for title, path in columns.items()
        if any(is_number(_scores(one, path).get("mean")) for one in candidates)
    }


def _scores(candidate: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any]:
    """The interval of a candidate; empty where it has none."""
    found: Any = candidate
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _interval(found: Mapping[str, Any]) -> str:
    mean, low, high = (found.get(name) for name in ("mean", "low", "high"))
    if not is_number(mean):
        return "failed"
    if not (is_number(low) and is_number(high)):
        return f"{mean:.4f}"
    return f"{mean:.4f} [{low:.4f}, {high:.4f}]"


def winning_setting(content: ReportContent) -> tuple[str, Mapping[str, Any]] | None:
    """The winner's name and setting; ``None`` where there is none, or its setting is not told."""
    found = content.confirmation or {}
    for one in _candidates(found):
        if one["number"] == found.get("winner") and isinstance(one.get("params"), Mapping):
            return _name(one["number"]), one["params"]
    return None


def repeats_chart(content: ReportContent) -> Chart | None:
    """Means and intervals side by side, the best on top."""
    found = content.confirmation or {}
    known = [one for one in _candidates(found) if is_number(one.get("mean"))]
    if not known:
        return None
    metric = content.objective.metric
    return Chart(
        key="confirmed",
        title="Means over new seeds",
        alt=f"Mean {metric} of each candidate with its 95 % interval",
        caption="95 % intervals. Blue: cannot be told from the best mean.",
        figure=figure(
            [_means(list(reversed(known)), _list(found, "tied"))],
            height=110 + 34 * len(known),
            xaxis=axis(metric),
            yaxis=axis("", type="category"),
        ),
    )


def _means(candidates: Sequence[Mapping[str, Any]], tied: Sequence[object]) -> go.Scatter:
    names = [label(_name(one["number"])) for one in candidates]
    texts = [f"{name}<br>{_interval(one)}" for name, one in zip(names, candidates, strict=True)]
    halves = [_half(one) for one in candidates]
    return go.Scatter(
        x=[one["mean"] for one in candidates],
        y=names,
        mode="markers",
        error_x={"type": "data", "array": halves, "thickness": 2.5, "width": 7, "color": REST},
        marker={
            "size": 12,
            "color": [BEST if one["number"] in tied else REST for one in candidates],
        },
        hovertext=texts,
        hoverinfo="text",
    )


def _name(number: int | str) -> str:
    return f"trial {number}" if isinstance(number, int) else number


def _half(candidate: Mapping[str, Any]) -> float:
    """Half the interval; 0 where there is none."""
    low, high = candidate.get("low"), candidate.get("high")
    width = high - low if is_number(low) and is_number(high) else 0.0  # type: ignore[operator]
    return width / 2 if math.isfinite(width) else 0.0
