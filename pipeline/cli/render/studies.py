"""What a terminal shows of studies: how one ended, its trials, its answer, its pages."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from pipeline.cli.render.models import models_lines
from pipeline.cli.render.table import drawn, params_text, plain
from pipeline.errors import visible
from pipeline.trial import Best, SearchSummary

if TYPE_CHECKING:
    from pipeline.app.browse import Pages
    from pipeline.app.report import Report
    from pipeline.app.result import StudyResult

STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
"""What a finished trial is called in tables and lines."""
PAGES = {
    "leaderboard": "the complete trials by value, with a column for each rate",
    "curves": "the ten best by epoch, and all settings against their value",
    "compare": "the best settings side by side",
    "trials": "every trial in its order, with its state and why it was stopped",
    "study": "question, answer, best value so far, settings",
    "runs": "the trials below the study's run, which is older than the pages that are missing here;"
    " `pipeline doctor --fix` adds them",
}
"""What MLflow's pages of a study show."""


def result_lines(result: "StudyResult", place: str = "") -> list[str]:
    """Say how a study ended, where its seconds went, and what to type next.

    Args:
        result: The study's table and seconds.
        place: Options with which the next commands find the study.
    """
    return [
        *study_lines(result, result.search.answer if result.search else ()),
        *summary_lines(result.search),
        *models_lines(result.models),
        f"seconds: {result.seconds['total']:.1f} = {_parts(result.seconds)}",
        f"start-up: {_parts(result.start_up)}",
        f"machinery, mostly beside the training: {_parts(result.machinery)}",
        "next:",
        *(f"  pipeline {words}{place}" for words in _next_commands(result)),
    ]


def study_lines(result: "StudyResult", answer: Sequence[str]) -> list[str]:
    """Say how many trials ended how, which is the best, and what each parameter wants."""
    counts = ", ".join(f"{number} {state}" for state, number in result.counts.items())
    return [
        f"study {result.study}: {counts}",
        *([f"  {result.warm_start.sentence}"] if result.warm_start else []),
        *([f"  {result.settled.sentence}"] if result.settled else []),
        *_best_lines(result.best),
        *(_answer(answer) if answer else ()),
    ]


def _next_commands(result: "StudyResult") -> Iterator[str]:
    yield f"show {result.study}"
    if result.best is not None:
        yield f"reproduce {result.study} --trial best"
        yield f"confirm {result.study}"
        yield f"report {result.study}"
        yield f"export {result.study}"
    yield "ui"


def _best_lines(best: Best | None) -> list[str]:
    if best is None:
        return ["no trial is complete"]
    trial, finalist = best.trial, best.ranked.finalist
    warning = [f"  warning: {trial.warning}"] if trial.warning else []
    metric = best.objective.metric
    alone = f"best trial {best.number}: {metric} {best.value:.4f} at epoch {trial.best_epoch}"
    first = f"best: {finalist.sentence}" if finalist else alone
    others = [f"  then the {one.sentence}" for one in best.finalists if one is not finalist]
    return [first, f"  {params_text(best.params)}", *warning, *others]


def _parts(seconds: Mapping[str, float]) -> str:
    """Seconds by name; a total is not among its parts."""
    return ", ".join(
        f"{name.replace('_', '-')} {spent:.1f}"
        for name, spent in seconds.items()
        if name != "total"
    )


def _answer(sentences: Sequence[str]) -> list[str]:
    return ["answer:", *(f"  {visible(sentence)}" for sentence in sentences)]


def summary_lines(summary: SearchSummary | None) -> list[str]:
    """Say what the search has come to, and warn where its model gained nothing."""
    if summary is None:
        return []
    warning = [f"warning: {summary.warning}"] if summary.warning else []
    return [*warning, *(f"search: {sentence}" for sentence in summary.sentences)]


def report_lines(report: "Report") -> list[str]:
    """Say what the report answers, what to do next, and where it is."""
    return [
        *_answer(report.answer["words"] or ["not yet"]),
        *(f"warning: {fault}" for fault in report.faults),
        "next:",
        *(f"  {step}" for step in report.next_steps),
        f"report: {report.path}",
    ]


def studies_lines(studies: Sequence[Mapping[str, Any]], home: Path) -> list[str]:
    """Draw the studies of a home as a table."""
    if not studies:
        return [f"no study in {home} yet; `pipeline run FILE` makes one"]
    table = Table(box=None, pad_edge=False)
    for title in ("study", "trials", "best value", "best trial"):
        table.add_column(title)
    for study in studies:
        counts = ", ".join(f"{n} {state}" for state, n in study["trials"].items() if n)
        best = study["best"]
        value, number = (f"{best['value']:.4f}", str(best["number"])) if best else ("", "")
        table.add_row(*map(plain, (study["study"], counts or "none yet", value, number)))
    return [drawn(table)]


def pages_lines(pages: "Pages") -> list[str]:
    """Link to MLflow's pages of each study, and say what each of them shows."""
    lines: list[str] = []
    for name, links in pages.studies.items():
        lines += [f"study {name}", *(line for one in links.items() for line in _link_lines(*one))]
    return [*lines, f"all studies: {pages.address}", "Ctrl-C ends"]


def _link_lines(what: str, address: str) -> list[str]:
    return [f"  {what}: {PAGES[what]}", f"    {address}"]
