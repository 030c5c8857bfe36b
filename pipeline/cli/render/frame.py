"""The live screen of a study as lines that fit a terminal, whatever its size."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from pipeline.app.progress.sparkline import sparkline
from pipeline.app.progress.tally import RunningTrial, Tally
from pipeline.cli.render.table import params_text
from pipeline.errors import visible

TITLE: Final = 11
"""Cells before what a line says."""
MARGIN: Final = 3
"""Cells that are left free: a terminal may begin a new line after its last one, and echoes ``^C``
where the cursor is, behind the last line."""
WIDE: Final = 97
"""With so many cells, running trials are shown with their settings."""
CURVE: Final = 20
"""Cells of a running trial's curve."""
LONGEST_NAME: Final = 30
TRIAL: Final = "{:>6} {:>9} {:>11}  {}  {}"
"""A running trial: number, epoch, score, curve, setting."""


def frame(tally: Tally, width: int, height: int) -> list[Text]:
    """Draw how far a study is; no line is wider than ``width``, and there are at most ``height``.

    Args:
        tally: What is known of the study.
        width: Cells of a line.
        height: Lines.
    """
    room = max(width - MARGIN, 1)
    head = [_progress_line(tally, room), *_facts(tally, room)]
    running = _running_lines(tally, room, height - len(head) - 1)
    lines = [*head, *([Text()] if running else []), *running]
    return [_cut(line, room) for line in lines[: max(height, 1)]]


def last_frame(tally: Tally, width: int, height: int) -> list[Text]:
    """Draw what stays on the screen after the run: nothing is running any more."""
    room = max(width - MARGIN, 1)
    lines = [_progress_line(tally, room), *_ended_facts(tally, room)]
    return [_cut(line, room) for line in lines[: max(height, 1)]]


def _progress_line(tally: Tally, width: int) -> Text:
    """The study's name, a bar, how many trials have ended, and the time."""
    name = visible(tally.study)
    name = set_cell_size(name, min(cell_len(name), LONGEST_NAME, width // 3))
    numbers = f" {tally.done}/{tally.total}  {_clock(tally.seconds)}"
    numbers += f"  {tally.left_text}" * bool(tally.left_text)
    n_bars = max(width - cell_len(name) - len(numbers) - 1, 0)
    n_full = n_bars * min(tally.done, tally.total) // max(tally.total, 1)
    bar = ("━" * n_full, "green"), ("─" * (n_bars - n_full), "bright_black")
    return Text.assemble((name, "bold"), " ", *bar, numbers)


def _clock(seconds: float) -> str:
    """``1:02:03``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}"


def _facts(tally: Tally, width: int) -> Iterator[Text]:
    """What is known, a line each: the wait, or the best value, the curves, and how trials ended."""
    if tally.step:
        yield _line("now", tally.step, "yellow")
    if tally.best or not tally.step:
        yield from _ended_facts(tally, width)
    if tally.running and not tally.step:
        yield _line("running", tally.running_text)


def _ended_facts(tally: Tally, width: int) -> Iterator[Text]:
    yield _line("best", f"{tally.objective.metric} {tally.best_text}  {tally.found_text}", "bold")
    if tally.best is not None:
        yield _line("", params_text(tally.best.params))
        yield _curve("by trial", tally.history, width)
        yield _curve("its curve", tally.best.scores, width)
    yield _line("ended", tally.ended_text)


def _line(title: str, text: str, style: str = "") -> Text:
    return Text.assemble((f"{title:<{TITLE}}", "cyan"), (visible(text), style))


def _curve(title: str, values: Sequence[float], width: int) -> Text:
    """A curve with its first and its last value."""
    ends = f"  {values[0]:.4f} to {values[-1]:.4f}" if values else ""
    bars = sparkline(values, width - TITLE - len(ends))
    return Text.assemble((f"{title:<{TITLE}}", "cyan"), (bars, "blue"), ends)


def _running_lines(tally: Tally, width: int, n_lines: int) -> list[Text]:
    """The running trials below their titles, with the number of those for which there is no room.

    Args:
        tally: What is known of the study.
        width: Cells of a line.
        n_lines: So many lines at most; none are drawn where no trial would have one.
    """
    n_running = len(tally.running)
    n_room = n_lines - 1
    if tally.step or not n_running or n_room < 1:
        return []
    has_more = n_running > n_room
    shown = tally.best_running(n_room - has_more)
    draw = _setting if width >= WIDE else _no_setting
    titles = TRIAL.format("trial", "epoch", tally.objective.metric[:11], f"{'curve':<{CURVE}}", "")
    more = [f"{'':>{TITLE}}and {n_running - len(shown)} more"] * has_more
    return [
        Text(titles, style="bright_black"),
        *(_trial_line(trial, draw) for trial in shown),
        *(Text(line, style="bright_black") for line in more),
    ]


def _trial_line(trial: RunningTrial, setting: Callable[[RunningTrial], str]) -> Text:
    curve = sparkline(trial.scores, CURVE)
    if trial.is_paused:
        curve = set_cell_size(f"{curve} paused", CURVE)
    cells = trial.number, trial.epoch_text, trial.score_text, f"{curve:<{CURVE}}", setting(trial)
    style = "bright_black" if trial.is_paused else ""
    return Text(visible(TRIAL.format(*cells)).rstrip(), style=style)


def _setting(trial: RunningTrial) -> str:
    return params_text(trial.params)


def _no_setting(_trial: RunningTrial) -> str:
    return ""


def _cut(line: Text, width: int) -> Text:
    """A line of at most so many cells."""
    line.truncate(width, overflow="ellipsis")
    line.no_wrap = True
    line.overflow = "crop"
    return line
