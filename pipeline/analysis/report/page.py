"""The page: everything put together into one file that opens offline."""

import secrets
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pipeline.analysis.report.answer_table import answer_lines, headline, told
from pipeline.analysis.report.content import STATES, ReportContent, shown
from pipeline.analysis.report.curve_figures import curve_charts
from pipeline.analysis.report.effect_figures import (
    effect_charts,
    importance_chart,
    interaction_charts,
)
from pipeline.analysis.report.gap_figures import gap_charts
from pipeline.analysis.report.history_figures import history_charts, history_note
from pipeline.analysis.report.leaderboard import leaderboard
from pipeline.analysis.report.next_steps import next_steps
from pipeline.analysis.report.repeats import repeats, repeats_chart, winning_setting
from pipeline.analysis.report.reproduction import facts, time_parts, time_sentence
from pipeline.analysis.report.setting_figures import setting_chart
from pipeline.analysis.report.theme import THEMES, Chart, drawn
from pipeline.errors import as_sentence

PACKAGE: Final = "pipeline.analysis.report"
Charts = Mapping[str, Sequence[Chart]]
"""The figures of each section."""


def render_page(content: ReportContent) -> str:
    """Write a study's report.

    Texts of users are escaped by Jinja, also in the JSON of the figures, and by ``label`` where
    Plotly reads them. A content security policy lets no other script run and nothing be loaded.

    Args:
        content: The study.

    Returns:
        One HTML file that needs nothing else.
    """
    charts = _charts(content)
    return (
        _environment()
        .get_template("page.html")
        .render(
            _said(content),
            charts=charts,
            drawn={
                "themes": THEMES,
                "figures": {one.key: drawn(one) for found in charts.values() for one in found},
            },
            nonce=secrets.token_urlsafe(16),
            plotly=Markup(get_plotlyjs()),  # noqa: S704 - the library's own script
            style=_own_file("page.css"),
            script=_own_file("page.js"),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    compact = {"allow_nan": False, "separators": (",", ":")}
    environment.policies["json.dumps_kwargs"] = compact
    return environment


def _own_file(name: str) -> Markup:
    """A file of this package that holds no text of anybody else's."""
    return Markup((files(PACKAGE) / "templates" / name).read_text("utf-8"))  # noqa: S704


def _charts(content: ReportContent) -> Charts:
    return {
        "effects": effect_charts(content),
        "importance": _one(importance_chart(content)),
        "interactions": interaction_charts(content),
        "curves": curve_charts(content),
        "settings": _one(setting_chart(content)),
        "history": history_charts(content),
        "gap": gap_charts(content),
        "confirmed": _one(repeats_chart(content)),
    }


def _one(chart: Chart | None) -> list[Chart]:
    return [chart] if chart else []


def _setting(content: ReportContent) -> tuple[str, Mapping[str, Any]]:
    """The setting to use, with its title: the confirmed winner's, else the best trial's."""
    if winner := winning_setting(content):
        name, setting = winner
        return f"confirmed best setting, {name}", setting
    best = content.best
    return ("best setting, not confirmed", best.params) if best else ("best setting", {})


def _said(content: ReportContent) -> dict[str, Any]:
    """All that is told in words and tables."""
    best, (setting_title, setting) = content.best, _setting(content)
    return {
        "study": content.study,
        "objective": content.objective,
        "made_at": content.made_at,
        "version": content.version,
        "faults": content.faults,
        "headline": headline(content),
        "best": best,
        "setting_title": setting_title,
        "setting": {name: shown(value) for name, value in setting.items()},
        "counts": {STATES[state]: n for state, n in content.counts.items()},
        "n_trials": len(content.rows),
        "answer": answer_lines(content),
        "told": told(content),
        "remarks": [(as_sentence(text), is_warning) for text, is_warning in content.remarks],
        "n_first": content.n_first,
        "history_note": history_note(content),
        "leaderboard": leaderboard(content),
        "repeats": repeats(content),
        "steps": next_steps(content),
        "facts": facts(content),
        "time_parts": time_parts(content),
        "time_sentence": time_sentence(content),
        "importance_known": any(one.importance is not None for one in content.effects),
    }
