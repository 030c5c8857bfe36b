"""The main figures as PNG, for MLflow's page of artifacts."""

import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.analysis.report.content import ReportContent, is_number, shown
from pipeline.analysis.report.curve_figures import thinned
from pipeline.analysis.report.theme import BEST, REST, SECOND, STOPPED, focus, scale_of
from pipeline.config.space.domain import Range
from pipeline.trial import Effect, TrialRow, TrialState
from pipeline.trial.effects import NORMAL

PIXELS_AN_INCH: Final = 120
MOST_EFFECTS: Final = 12
COLUMNS: Final = 3
LONGEST_TEXT: Final = 90


def draw_pictures(content: ReportContent) -> dict[str, bytes]:
    """Draw history, effects and curves as PNG, by file name; none of which there is nothing."""
    if content.best is None:
        return {}
    pictures = {"history.png": _history(content), "curves.png": _curves(content)}
    if content.effects:
        pictures["effects.png"] = _effects(content)
    return pictures


def _history(content: ReportContent) -> bytes:
    figure, axes = _single(content, "trial", content.objective.metric)
    _dots(axes, content.rows, TrialState.COMPLETE, "o", REST, "complete")
    _dots(axes, content.rows, TrialState.PRUNED, "x", STOPPED, "stopped")
    finalists = [row for row in content.rows if row.finalist]
    _dots(axes, finalists, TrialState.COMPLETE, "D", SECOND, "finalists, new seeds")
    numbers, values = content.best_so_far([row for row in content.rows if row.finalist is None])
    axes.step(numbers, values, where="post", color=BEST, linewidth=2.5)
    if content.n_first:
        axes.axvspan(-0.5, content.n_first - 0.5, color=REST, alpha=0.15, label="first design")
    range_, _ = focus(
        [row.best_score for row in content.rows if row.best_score is not None],
        is_maximized=content.objective.is_maximized,
    )
    if range_:
        axes.set_ylim(*range_)
    axes.legend(frameon=False, fontsize=9)
    return _png(figure)


def _dots(
    axes: Axes, rows: Sequence[TrialRow], state: TrialState, marker: str, color: str, name: str
) -> None:
    found = [row for row in rows if row.state is state and row.best_score is not None]
    if found:
        x, y = [row.number for row in found], [row.best_score or 0.0 for row in found]
        axes.scatter(x, y, marker=marker, color=color, s=22, label=name)


def _curves(content: ReportContent) -> bytes:
    metric = content.objective.metric
    figure, axes = _single(content, "epoch", metric)
    rows = thinned(content, content.rows)
    axes.set_yscale(scale_of([score for row in rows for score in row.scores]))
    for state, color, name in (
        (TrialState.COMPLETE, REST, "complete"),
        (TrialState.PRUNED, STOPPED, "stopped"),
    ):
        for index, row in enumerate([row for row in rows if row.state is state]):
            _curve(axes, row, color=color, alpha=0.4, linewidth=0.8, label=name * (index == 0))
    if content.best is not None:
        best = content.best.trial
        _curve(axes, best, color=BEST, linewidth=2.8, label=f"best: trial {best.number}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=9)
    return _png(figure)


def _curve(axes: Axes, row: TrialRow, **look: Any) -> None:
    axes.plot(range(1, 1 + len(row.scores)), row.scores, **look)


def _effects(content: ReportContent) -> bytes:
    effects = content.effects[:MOST_EFFECTS]
    n_rows = -(-len(effects) // COLUMNS)
    figure = Figure(figsize=(3.6 * COLUMNS, 2.6 * n_rows + 0.5), layout="constrained")
    figure.suptitle(_plain(content.study.question or content.study.name), fontsize=11)
    lost = f"{content.objective.metric}, {content.objective.worse_word} the best"
    figure.supylabel(_plain(lost), fontsize=10)
    grid = figure.subplots(n_rows, COLUMNS, squeeze=False, sharey=True)
    axes = [one for row in grid for one in row]
    for one, effect in zip(axes, effects, strict=False):
        _draw_effect(one, content, effect)
    for one in axes[len(effects) :]:
        one.set_visible(False)
    return _png(figure)


def _draw_effect(axes: Axes, content: ReportContent, effect: Effect) -> None:
    domain = content.study.space.domains.get(effect.parameter)
    if isinstance(domain, Range) and all(map(is_number, effect.values)):
        _draw_band(axes, effect, is_log=domain.log)
    else:
        x, errors = range(len(effect.values)), [NORMAL * sd for sd in effect.sds]
        axes.errorbar(x, effect.losses, yerr=errors, fmt="o", color=BEST)
        axes.set_xticks(x, [_plain(shown(one)) for one in effect.values])
    axes.set_title(_plain(effect.parameter), fontsize=10)
    _tidy(axes)


def _draw_band(axes: Axes, effect: Effect, *, is_log: bool) -> None:
    x, pairs = (
        [float(one) for one in effect.values],
        list(zip(effect.losses, effect.sds, strict=True)),
    )
    low, high = ([loss + sign * NORMAL * sd for loss, sd in pairs] for sign in (-1, 1))
    axes.fill_between(x, low, high, color=BEST, alpha=0.18, linewidth=0)
    axes.plot(x, effect.losses, color=BEST, linewidth=2)
    if is_log:
        axes.set_xscale("log")
    elif isinstance(effect.best, int):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _single(content: ReportContent, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(_plain(content.study.question or content.study.name), fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(_plain(y))
    _tidy(axes)
    return figure, axes


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color=REST, alpha=0.2, linewidth=0.6)


def _plain(text: str) -> str:
    """A text that Matplotlib does not read as mathematics; a long one is cut."""
    line = " ".join(text.split())
    cut = line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 1]}…"
    return cut.replace("$", r"\$")


def _png(figure: Figure) -> bytes:
    file = BytesIO()
    with warnings.catch_warnings():  # a question may have letters that the font has not
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure.savefig(file, format="png", dpi=PIXELS_AN_INCH)
    return file.getvalue()
