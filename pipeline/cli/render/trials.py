"""A study's trials as ``show`` prints them: a line each that fits the terminal, or CSV."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import chain
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size

from pipeline.app.result import PARAMS, flat
from pipeline.cli.render.studies import STATES, study_lines
from pipeline.cli.render.table import grouped_params, params_text, shared_names, wrapped
from pipeline.errors import BadInputError, counted, visible
from pipeline.trial import TrialRow, TrialState

if TYPE_CHECKING:
    from pipeline.app.browse import ShownStudy

SHOWN: Final = 20
"""Trials that are listed unless more are asked for."""
MOST_CAUSES: Final = 5
"""More causes of failures are counted, not shown."""
LONGEST_CELL: Final = 24
"""A parameter's text is cut there."""
SHORTEST_TITLE: Final = 5
LAYOUTS: Final = ((3, 2, False), (3, 2, True), (3, 1, True), (2, 1, True))
"""Digits of a number, spaces between columns, and whether titles are cut: the first that fits."""
KEYS: Final = ("number", "value", "best_epoch", "n_parameters")
"""What trials can be sorted by, beside their parameters."""
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""Begin what a spreadsheet would compute."""


def sorted_rows(rows: Sequence[TrialRow], key: str, study: str) -> list[TrialRow]:
    """Sort trials: by value the best first, by all else the smallest; those without it come last.

    Args:
        rows: The trials.
        key: One of ``KEYS``, or a parameter.
        study: Named by the error.

    Raises:
        BadInputError: No trial has such a parameter.
    """
    if key == "value":
        return sorted(rows, key=lambda row: (row.loss is None, row.loss or 0.0, row.number))
    if key in KEYS:
        return sorted(rows, key=lambda row: (_order(getattr(row, key)), row.number))
    names = dict.fromkeys(chain.from_iterable(row.params for row in rows))
    if key not in names:
        expected = f"one of: {', '.join((*KEYS, *names))}"
        where = f"study {study!r}"
        raise BadInputError(where=where, key="--sort", got=repr(key), expected=expected)
    return sorted(rows, key=lambda row: (_order(row.params.get(key)), row.number))


def _order(value: object) -> tuple[bool, bool, float, str]:
    """Orders numbers before texts, and what is missing last."""
    is_number = isinstance(value, int | float)
    number = float(value) if isinstance(value, int | float) else 0.0
    return value is None, not is_number, number, str(value)


def shown_lines(
    shown: "ShownStudy", rows: Sequence[TrialRow], width: int, place: str = ""
) -> list[str]:
    """Say what a study has come to, its answer first, and list some of its trials.

    Args:
        shown: The study.
        rows: The trials that are listed, in their order.
        width: Cells of a line.
        place: Options with which the next command finds the study.
    """
    result = shown.result
    answer = shown.answer["words"] if shown.answer else ()
    head = study_lines(result, answer)
    if not answer and result.best:
        head.append("answer: none yet, or not asked for: `--answer` fits a model to the trials")
    return [
        *(part for line in head for part in wrapped(line, width)),
        *trials_lines(rows, shown.run_ids, width),
        *(part for line in _foot(shown, rows, place) for part in wrapped(line, width)),
    ]


def _foot(shown: "ShownStudy", rows: Sequence[TrialRow], place: str) -> Iterator[str]:
    """Which trials are not listed, what failed, and how to see more."""
    result = shown.result
    settings = [row.params for row in rows]
    if alike := shared_names(settings):
        same = {name: value for name, value in settings[0].items() if name in alike}
        yield f"the same in all of these: {params_text(same)}"
    open_ = Counter(row.state.lower() for row in result.trials if not row.state.is_finished)
    if open_:
        yield f"not ended: {', '.join(f'{n} {state}' for state, n in open_.items())}"
    yield from _failures(result.trials)
    n_all = len(result.trials)
    if len(rows) < n_all:
        all_ = f"`pipeline show {result.study} --all{place}`"
        yield f"{len(rows)} of {counted(n_all, 'trial')}; {all_} lists all, --csv and --json too"


def _failures(rows: Sequence[TrialRow]) -> Iterator[str]:
    """The causes of failures with their trials, the most frequent first."""
    failed: dict[str, list[int]] = {}
    for row in rows:
        if row.state is TrialState.FAIL:
            failed.setdefault(row.cause or "no cause known", []).append(row.number)
    causes = sorted(failed, key=lambda cause: (-len(failed[cause]), failed[cause]))
    for cause in causes[:MOST_CAUSES]:
        numbers = failed[cause]
        listed = ", ".join(map(str, numbers[:SHOWN])) + " …" * (len(numbers) > SHOWN)
        yield f"failed: {visible(cause)} (trial {listed})"
    if len(causes) > MOST_CAUSES:
        yield f"failed: {len(causes) - MOST_CAUSES} causes more, with --json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    title: str
    cells: Sequence[str]
    is_number: bool = False

    @property
    def widest(self) -> int:
        """Cells that the column needs below its title."""
        return max(map(cell_len, self.cells), default=0)

    def width(self, *, is_cut: bool) -> int:
        """Cells of the column; a title may be cut to a few."""
        title = cell_len(self.title)
        return max(self.widest, min(title, SHORTEST_TITLE) if is_cut else title)

    def lines(self, width: int) -> list[str]:
        """Title and cells, all of one width."""
        return [_fitted(text, width, self.is_number) for text in (self.title, *self.cells)]


def _fitted(text: str, width: int, is_number: bool) -> str:  # noqa: FBT001 - a column's own
    if cell_len(text) > width:
        return f"{set_cell_size(text, width - 1)}…"
    pad = " " * (width - cell_len(text))
    return pad + text if is_number else text + pad


def trials_lines(rows: Sequence[TrialRow], run_ids: Mapping[str, str], width: int) -> list[str]:
    """Draw trials, a line each; parameters that do not fit are named below.

    A column of which all cells are alike is left out: a state, a parameter.

    Args:
        rows: In the order in which they are drawn.
        run_ids: The short form of each run id.
        width: Cells of a line.
    """
    if not rows:
        return []
    fixed = list(_fixed_columns(rows, run_ids))
    for digits, space, is_cut in LAYOUTS:
        params = _param_columns(rows, digits)
        columns = [*fixed, *params]
        if _width(columns, space, is_cut=is_cut) <= width:
            return _drawn(columns, width, space, is_cut=is_cut)
    left_out: list[str] = []
    while len(columns) > len(fixed) and _width(columns, space, is_cut=True) > width:
        left_out.insert(0, columns.pop().title)
    more = [f"not shown: {', '.join(left_out)}; --csv has all"] if left_out else []
    lines = _drawn(columns, width, space, is_cut=True)
    return [*lines, *(part for line in more for part in wrapped(line, width))]


def _fixed_columns(rows: Sequence[TrialRow], run_ids: Mapping[str, str]) -> Iterator[_Column]:
    def column(title: str, text: Callable[[TrialRow], object]) -> _Column:
        cells = ["" if (value := text(row)) is None else str(value) for row in rows]
        return _Column(title=title, cells=cells, is_number=title not in ("state", "run"))

    yield column("trial", lambda row: row.number)
    if len({row.state for row in rows}) > 1 or rows[0].value is None:
        yield column("state", lambda row: STATES.get(row.state, row.state.lower()))
    yield column("value", lambda row: None if row.value is None else f"{row.value:.4f}")
    yield column("epoch", lambda row: row.best_epoch)
    if any(row.finalist for row in rows):
        yield column("of", lambda row: row.finalist and row.finalist.setting_of)
    yield column("run", lambda row: run_ids.get(row.run_id or "", row.run_id))


def _param_columns(rows: Sequence[TrialRow], digits: int) -> list[_Column]:
    """A column for each parameter; those of the layers share one."""
    shared = shared_names([row.params for row in rows])
    settings = [
        grouped_params({n: v for n, v in row.params.items() if n not in shared}, digits)
        for row in rows
    ]
    names = dict.fromkeys(chain.from_iterable(settings))
    return [
        _Column(title=visible(name), cells=[_cell(setting.get(name, "")) for setting in settings])
        for name in names
    ]


def _cell(text: str) -> str:
    text = visible(text)
    return text if cell_len(text) <= LONGEST_CELL else f"{set_cell_size(text, LONGEST_CELL - 1)}…"


def _width(columns: Sequence[_Column], space: int, *, is_cut: bool) -> int:
    return sum(column.width(is_cut=is_cut) + space for column in columns) - space


def _drawn(columns: Sequence[_Column], width: int, space: int, *, is_cut: bool) -> list[str]:
    """Join columns to lines; titles get the room that is left."""
    room = width - _width(columns, space, is_cut=is_cut)
    drawn = []
    for column in columns:
        least = column.width(is_cut=is_cut)
        wanted = min(max(cell_len(column.title) - least, 0), max(room, 0))
        room -= wanted
        drawn.append(column.lines(least + wanted))
    return [(" " * space).join(cells).rstrip() for cells in zip(*drawn, strict=True)]


def trials_csv(rows: Sequence[TrialRow]) -> str:
    """Write trials as CSV (RFC 4180): a column for each parameter, whole run ids, lines of CRLF.

    A text that a spreadsheet would compute gets an apostrophe before it, and control characters
    are shown by their codes; ``--json`` has the texts as they are.
    """
    if not rows:
        return ""
    params = [PARAMS + name for name in dict.fromkeys(chain.from_iterable(r.params for r in rows))]
    titles = [
        title for name in rows[0].as_json() for title in (params if name == "params" else [name])
    ]
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(map(_harmless, titles))
    for row in rows:
        values = flat(row.as_json())
        writer.writerow(_harmless(values.get(title)) for title in titles)
    return text.getvalue()


def _harmless(value: object) -> object:
    """A cell's text as a text; numbers stay as they are."""
    if not isinstance(value, str):
        return value
    return f"'{visible(value)}" if value.startswith(FORMULA) else visible(value)
