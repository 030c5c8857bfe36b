"""What a terminal shows: progress while work goes on, tables when it is done."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from pipeline.trial import EpochScores, TrialOutcome, TrialRow, TrialState

if TYPE_CHECKING:
    from pipeline.app import StudyResult
    from pipeline.config import StudyConfig

WIDTH = 100
WORDS = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


class StudyProgress:
    """A bar on a terminal, a line a trial elsewhere; both on stderr.

    Args:
        study: Its name and total are shown.
        rows: What earlier runs have come to.
    """

    def __init__(self, study: "StudyConfig", rows: Sequence[TrialRow]) -> None:
        """Start with what earlier runs have finished."""
        self._total = study.search.trials
        self._done = sum(row.state.is_finished for row in rows)
        values = [(row.value, row.number) for row in rows if row.value is not None]
        self._best: tuple[float, int] | None = min(values, default=None)
        self._bar = _bar() if sys.stderr.isatty() else None
        self._task: TaskID | None = None
        if self._bar:
            self._task = self._bar.add_task(study.name, total=self._total, best="")

    def __enter__(self) -> Self:
        """Show the bar."""
        if self._bar:
            self._bar.start()
            self._show()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it stands."""
        if self._bar:
            self._bar.stop()

    def watch(self, news: EpochScores | TrialOutcome) -> None:
        """Count a finished trial; epochs are too many to tell of."""
        if isinstance(news, EpochScores):
            return
        self._done += 1
        if news.value is not None:
            here = (news.value, news.number)
            self._best = min(self._best, here) if self._best else here
        self._show()
        if not self._bar:
            line = f"[{self._done}/{self._total}] {_told(news)}; {self._best_text()}"
            print(line, file=sys.stderr, flush=True)

    def _show(self) -> None:
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=self._done, best=self._best_text())

    def _best_text(self) -> str:
        return f"best {self._best[0]:.4f} (trial {self._best[1]})" if self._best else "no best yet"


class Epochs:
    """Tells of each epoch of one trial, on stderr."""

    def __enter__(self) -> Self:
        """Nothing to show before the first epoch."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the line that is written over."""
        if sys.stderr.isatty():
            print(file=sys.stderr)

    def watch(self, news: EpochScores | TrialOutcome) -> None:
        """Show an epoch's validation loss."""
        if isinstance(news, EpochScores):
            end = "\r" if sys.stderr.isatty() else "\n"
            line = f"epoch {news.epoch}: val_loss {news.val_loss:.6f}"
            print(line, end=end, file=sys.stderr, flush=True)


def result_lines(result: "StudyResult", option: str) -> list[str]:
    """Say what a study came to, where its seconds went, and what to type next.

    Args:
        result: The study's table and seconds.
        option: `` --home …`` where the home is not the default one, to be typed with commands.
    """
    counts = ", ".join(f"{number} {word}" for word, number in result.counts.items())
    return [
        f"study {result.study}: {counts}",
        *_best_lines(result.best),
        f"seconds: {result.seconds['total']:.1f} = {_parts(result.seconds)}",
        f"start-up: {_parts(result.start_up)}",
        f"machinery, mostly beside the training: {_parts(result.machinery)}",
        "next:",
        f"  pipeline show {result.study}{option}",
        f"  pipeline reproduce {result.study} --trial best{option}",
        f"  pipeline ui{option}",
    ]


def trials_table(rows: Sequence[TrialRow]) -> str:
    """Draw a study's trials, in the order of their numbers; what is the same in all is left out."""
    table = Table(box=None, pad_edge=False)
    for title in ("trial", "state", "value", "best epoch", "params", "run"):
        table.add_column(title, justify="right" if title in ("trial", "value") else "left")
    shared = _shared(rows)
    for row in rows:
        value = "" if row.value is None else f"{row.value:.4f}"
        epoch = "" if row.best_epoch is None else str(row.best_epoch)
        own = {name: value for name, value in row.params.items() if name not in shared}
        failure = f"  [{row.cause}]" if row.state is TrialState.FAIL else ""
        state = WORDS.get(row.state, row.state.lower())
        cells = (str(row.number), state, value, epoch, _params(own) + failure, row.run_id or "")
        table.add_row(*map(_plain, cells))
    return _drawn(table)


def _shared(rows: Sequence[TrialRow]) -> set[str]:
    """The parameters that every trial has with one value."""
    names = set().union(*(row.params for row in rows))
    return {name for name in names if len({row.params.get(name) for row in rows}) == 1 < len(rows)}


def studies_table(studies: Sequence[Mapping[str, Any]]) -> str:
    """Draw the studies of a home."""
    table = Table(box=None, pad_edge=False)
    for title in ("study", "trials", "best value", "best trial"):
        table.add_column(title)
    for study in studies:
        counts = ", ".join(f"{number} {word}" for word, number in study["trials"].items() if number)
        best = study["best"]
        value, number = (f"{best['value']:.4f}", str(best["number"])) if best else ("", "")
        table.add_row(*map(_plain, (study["study"], counts or "none yet", value, number)))
    return _drawn(table)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[best]}"),
        console=Console(stderr=True),
    )


def _told(outcome: TrialOutcome) -> str:
    word = f"trial {outcome.number} {WORDS[outcome.state]}"
    if outcome.cause:
        return f"{word}: {outcome.cause}"
    return f"{word}: val_loss {outcome.value:.4f} after {len(outcome.curve)} epochs"


def _best_lines(best: TrialRow | None) -> Iterable[str]:
    if best is None:
        return ["no trial is complete"]
    return [
        f"best trial {best.number}: val_loss {best.value:.4f} at epoch {best.best_epoch}",
        f"  {_params(best.params)}",
    ]


def _params(params: Mapping[str, object]) -> str:
    """Put parameters into a line; those of the layers stand together: ``dropout 0.25/0.1``."""
    shown: dict[str, list[str]] = {}
    for name, value in params.items():
        kind, _, layer = name.rpartition("_")
        text = f"{value:.3g}" if isinstance(value, float) else str(value)
        shown.setdefault(kind if layer.isdecimal() else name, []).append(text)
    return ", ".join(f"{name} {'/'.join(texts)}" for name, texts in shown.items())


def _parts(seconds: Mapping[str, float]) -> str:
    """Seconds by name; a total is not among its parts."""
    return ", ".join(
        f"{name.replace('_', '-')} {spent:.1f}"
        for name, spent in seconds.items()
        if name != "total"
    )


def _plain(text: str) -> str:
    """Keep rich from reading a cause or a name as markup."""
    return text.replace("[", r"\[")


def _drawn(table: Table) -> str:
    text = StringIO()
    width = max(Console().width, WIDTH) if sys.stdout.isatty() else 10_000
    Console(file=text, width=width).print(table)
    return text.getvalue().rstrip()
