"""What a terminal shows when work is done: tables and a few lines."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from pipeline.config import NO_DROPOUT, label_of
from pipeline.errors import counted, visible
from pipeline.trial import Best, SearchSummary, TrialRow, TrialState

if TYPE_CHECKING:
    from pipeline.analysis import Comparison, Confirmation, Finding
    from pipeline.app.browse import Pages
    from pipeline.app.confirmed import ConfirmedStudy
    from pipeline.app.doctor import Diagnosis
    from pipeline.app.refit import Refit
    from pipeline.app.report import Report
    from pipeline.app.reproduce import Reproduction
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
WIDTH = 100
MOST_DIFFERENCES = 8
"""More of them are counted, not shown: a later version differs in a hundred sources."""


def result_lines(result: "StudyResult", place: str = "") -> list[str]:
    """Say how a study ended, where its seconds went, and what to type next.

    Args:
        result: The study's table and seconds.
        place: Options with which the next commands find the study.
    """
    counts = ", ".join(f"{number} {state}" for state, number in result.counts.items())
    return [
        f"study {result.study}: {counts}",
        *([f"  {result.warm_start.sentence}"] if result.warm_start else []),
        *([f"  {result.settled.sentence}"] if result.settled else []),
        *_best_lines(result.best),
        *answer_lines(result.search),
        *summary_lines(result.search),
        f"seconds: {result.seconds['total']:.1f} = {_parts(result.seconds)}",
        f"start-up: {_parts(result.start_up)}",
        f"machinery, mostly beside the training: {_parts(result.machinery)}",
        "next:",
        *(f"  pipeline {words}{place}" for words in _next_commands(result)),
    ]


def _next_commands(result: "StudyResult") -> Iterator[str]:
    yield f"show {result.study}"
    if result.best is not None:
        yield f"reproduce {result.study} --trial best"
        yield f"confirm {result.study}"
        yield f"report {result.study}"
    yield "ui"


def trials_table(rows: Sequence[TrialRow]) -> str:
    """Draw a study's trials, in the order of their numbers; what is the same in all is left out."""
    table = Table(box=None, pad_edge=False)
    finalists = ["finalist of"] * any(row.finalist for row in rows)
    for title in ("trial", "state", "value", "best epoch", *finalists, "params", "run"):
        table.add_column(title, justify="right" if title in ("trial", "value") else "left")
    shared = _shared([row.params for row in rows])
    for row in rows:
        value = "" if row.value is None else f"{row.value:.4f}"
        epoch = "" if row.best_epoch is None else str(row.best_epoch)
        varied = {name: value for name, value in row.params.items() if name not in shared}
        failure = f"  [{row.cause}]" if row.state is TrialState.FAIL else ""
        state = STATES.get(row.state, row.state.lower())
        setting_of = [str(row.finalist.setting_of) if row.finalist else ""] * len(finalists)
        cells = (str(row.number), state, value, epoch, *setting_of)
        table.add_row(*map(_plain, (*cells, _params(varied) + failure, row.run_id or "")))
    return _drawn(table)


def _shared(settings: Sequence[Mapping[str, object]]) -> set[str]:
    """The parameters that several settings all have with one value."""
    names = set().union(*settings)
    return {
        name
        for name in names
        if len({params.get(name) for params in settings}) == 1 < len(settings)
    }


def confirmed_table(confirmed: "ConfirmedStudy") -> str:
    """Draw the candidates, the best first; a star marks those that cannot be told apart."""
    answer = confirmed.answer
    measured = _test_measure(answer)
    table = Table(box=None, pad_edge=False)
    more = answer.shown_metrics
    columns = ("tied", "trial", "settings", "search", answer.objective.metric, "seeds")
    for title in (*columns, *measured, *more):
        is_number = title in ("trial", "search", "seeds")
        table.add_column(
            _plain(title), justify="right" if is_number else "left", no_wrap=title != "settings"
        )
    shared = _shared([candidate.params for candidate in answer.candidates])
    for candidate in answer.candidates:
        varied = {name: value for name, value in candidate.params.items() if name not in shared}
        mark = "*" if candidate.number in answer.tied else ""
        tested = [str(candidate.test_accuracy or candidate.test_loss)] * len(measured)
        search = "" if candidate.search_value is None else f"{candidate.search_value:.4f}"
        value, n_seeds = str(answer.value_of(candidate)) or "failed", str(len(candidate.repeats))
        scores = search, value, n_seeds, *tested
        more_scores = (str(candidate.test_metrics.get(name, "")) for name in more)
        cells = (mark, candidate.title, _params(varied), *scores, *more_scores)
        table.add_row(*map(_plain, cells))
    return _drawn(table)


def _test_measure(answer: "Confirmation") -> list[str]:
    """Which of a study's own test scores has a column: the accuracy before the loss."""
    if answer.has_test_accuracy:
        return ["test accuracy"]
    return ["test loss"] * answer.has_test_loss


def _failure_lines(confirmed: "ConfirmedStudy") -> list[str]:
    return [
        f"{candidate.label} failed, repeat {repeat}: {cause}"
        for candidate in confirmed.answer.candidates
        for repeat, cause in candidate.failures.items()
    ]


def confirmed_lines(confirmed: "ConfirmedStudy", place: str = "") -> list[str]:
    """Say who wins, or who cannot be told apart, and what to type next.

    Args:
        confirmed: The answer.
        place: Options with which the next command finds the study.
    """
    answer = confirmed.answer
    lines = [confirmed_table(confirmed), *_failure_lines(confirmed), *answer.sentences]
    if answer.winner is None:
        return [*lines, "the test part stayed closed"]
    times, best = counted(confirmed.test_openings, "time"), answer.objective.best_word
    return [
        *lines,
        f"means over seeds with 95 % intervals; *: cannot be told apart from the {best} mean",
        *["the winner's interval allows for its having been chosen"] * answer.is_widened,
        f"the test part of this study has now been opened {times}",
        *_after_confirmation(confirmed.study, answer, place),
    ]


def _after_confirmation(study: str, answer: "Confirmation", place: str) -> list[str]:
    """What to type next; a setting that no trial of the study had cannot be refitted."""
    if answer.winner == NO_DROPOUT:
        params = _params(answer.candidates[0].params)
        return [f"no trial had this setting; a new study can begin with it (trials: {params})"]
    return ["next:", f"  pipeline refit {study} --trial {answer.winner}{place}"]


def reproduced_lines(answer: "Reproduction") -> list[str]:
    """Say whether a trial that was trained again is the same, and what is not as recorded."""
    comparison = answer.comparison
    repeat = f", repeat {answer.repeat}" if answer.repeat else ""
    weights = comparison.weights_recorded, comparison.weights_again
    facts = [
        *_difference_facts(comparison.differences),
        ("epochs compared", f"{comparison.epochs_compared}, {_alike(comparison)}"),
        ("weights SHA-256", f"{weights[0] or 'none'} recorded"),
        ("", f"{weights[1] or 'none'} now"),
        ("run", f"{answer.run_id}, reproduces {answer.original_run_id}"),
    ]
    head = f"{label_of(answer.number)}{repeat} of {answer.study}: {comparison.verdict.value}"
    return [head, *(visible(f"  {name:<18}{text}") for name, text in facts)]


def _difference_facts(differences: Sequence[str]) -> list[tuple[str, str]]:
    """Differences with their digests cut to what an eye compares; JSON has them whole."""
    shown = [re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1…", text) for text in differences]
    names = ["first difference", *[""] * len(shown)]
    facts = list(zip(names, shown[:MOST_DIFFERENCES], strict=False))
    n_more = len(shown) - MOST_DIFFERENCES
    return [*facts, ("", f"and {n_more} more, with --json")] if n_more > 0 else facts


def _alike(comparison: "Comparison") -> str:
    if comparison.epochs_identical == comparison.epochs_compared:
        return "every score the same to the bit"
    if not comparison.epochs_identical:
        return "which part at the first"
    return f"the first {comparison.epochs_identical} the same to the bit"


def report_lines(report: "Report") -> list[str]:
    """Say what the report answers, what to do next, and where it is."""
    return [
        *_answer(report.answer["words"] or ["not yet"]),
        *(f"warning: {fault}" for fault in report.faults),
        "next:",
        *(f"  {step}" for step in report.next_steps),
        f"report: {report.path}",
    ]


def refit_lines(answer: "Refit") -> list[str]:
    """Say where the weights of a refit are."""
    return [
        f"trial {answer.number}: {answer.epochs} epochs on training and validation rows",
        f"  weights: {answer.path}",
        f"  weights SHA-256: {answer.weights_sha256}",
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
        table.add_row(*map(_plain, (study["study"], counts or "none yet", value, number)))
    return [_drawn(table)]


def pages_lines(pages: "Pages") -> list[str]:
    """Link to MLflow's pages of each study, and say what each of them shows."""
    lines: list[str] = []
    for name, links in pages.studies.items():
        lines += [f"study {name}", *(line for one in links.items() for line in _link_lines(*one))]
    return [*lines, f"all studies: {pages.address}", "Ctrl-C ends"]


def _link_lines(what: str, address: str) -> list[str]:
    return [f"  {what}: {PAGES[what]}", f"    {address}"]


def _best_lines(best: Best | None) -> list[str]:
    if best is None:
        return ["no trial is complete"]
    trial, finalist = best.trial, best.ranked.finalist
    warning = [f"  warning: {trial.warning}"] if trial.warning else []
    metric = best.objective.metric
    alone = f"best trial {best.number}: {metric} {best.value:.4f} at epoch {trial.best_epoch}"
    first = f"best: {finalist.sentence}" if finalist else alone
    others = [f"  then the {one.sentence}" for one in best.finalists if one is not finalist]
    return [first, f"  {_params(best.params)}", *warning, *others]


def answer_lines(summary: SearchSummary | None) -> list[str]:
    """Say what each parameter wants, a line each, and which two act together."""
    return _answer(summary.answer) if summary and summary.answer else []


def _answer(sentences: Sequence[str]) -> list[str]:
    return ["answer:", *(f"  {visible(sentence)}" for sentence in sentences)]


def summary_lines(summary: SearchSummary | None) -> list[str]:
    """Say what the search has come to, and warn where its model gained nothing."""
    if summary is None:
        return []
    warning = [f"warning: {summary.warning}"] if summary.warning else []
    return [*warning, *(f"search: {sentence}" for sentence in summary.sentences)]


def _params(params: Mapping[str, object]) -> str:
    """Put parameters into a line; those of the layers are grouped: ``dropout 0.25/0.1``."""
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
    """Keep rich from reading a cause or a name as markup, and a terminal as a command."""
    return visible(text).replace("[", r"\[")


def _drawn(table: Table) -> str:
    text = StringIO()
    width = max(Console().width, WIDTH) if sys.stdout.isatty() else 10_000
    Console(file=text, width=width).print(table)
    return text.getvalue().rstrip()


def diagnosis_lines(diagnosis: "Diagnosis", *, home: Path, place: str = "", fix: bool) -> list[str]:
    """Say of each study what is off and what was done about it, and what to type next.

    Args:
        diagnosis: What was found.
        home: Where it was looked.
        place: Options with which the next command finds the same.
        fix: Whether it was asked to fix.
    """
    if not diagnosis.studies:
        return [f"no study in {home}: nothing can be off"]
    lines = [line for name in diagnosis.studies for line in _study_lines(diagnosis, name)]
    return [*lines, _last_line(diagnosis, place, fix=fix)]


def _study_lines(diagnosis: "Diagnosis", name: str) -> Iterator[str]:
    found = [finding for finding in diagnosis.findings if finding.study == name]
    off = counted(len(found), "finding") if found else "healthy"
    is_run = " (being run: finished trials alone were looked at)" * (name in diagnosis.running)
    yield f"study {name}: {off}{is_run}"
    for finding in found:
        yield from _finding_lines(finding)


def _finding_lines(finding: "Finding") -> Iterator[str]:
    who = "study" if finding.trial is None else f"trial {finding.trial}"
    yield f"  {who}: {finding.kind.value}"
    yield f"    found: {finding.what}"
    if finding.how:
        yield f"    {'fixed' if finding.is_fixed else 'not fixed'}: {finding.how}"


def _last_line(diagnosis: "Diagnosis", place: str, *, fix: bool) -> str:
    n_found = len(diagnosis.findings)
    n_fixed = sum(finding.is_fixed for finding in diagnosis.findings)
    if not n_found:
        return "healthy: the two ledgers agree"
    if diagnosis.is_healthy:
        return f"healthy: {counted(n_found, 'finding')}, all fixed"
    if not fix:
        again = f"pipeline doctor --fix{place}"
        return f"{counted(n_found, 'finding')}, nothing was changed; `{again}` fixes what it can"
    return f"{counted(n_found, 'finding')}, {n_fixed} fixed, {n_found - n_fixed} left"
