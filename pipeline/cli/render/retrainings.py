"""What a terminal shows of trials that were trained again."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from pipeline.cli.render.models import models_lines
from pipeline.cli.render.table import drawn, params_text, plain, shared_names
from pipeline.config import NO_DROPOUT, label_of
from pipeline.errors import counted, visible

if TYPE_CHECKING:
    from pipeline.analysis import Comparison, Confirmation
    from pipeline.app.retraining.confirmed import ConfirmedStudy
    from pipeline.app.retraining.refit import Refit
    from pipeline.app.retraining.reproduce import Reproduction

MOST_DIFFERENCES = 8
"""More of them are counted, not shown: a later version differs in a hundred sources."""


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
        *models_lines(confirmed.models),
        *_after_confirmation(confirmed.study, answer, place),
    ]


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
            plain(title), justify="right" if is_number else "left", no_wrap=title != "settings"
        )
    shared = shared_names([candidate.params for candidate in answer.candidates])
    for candidate in answer.candidates:
        varied = {name: value for name, value in candidate.params.items() if name not in shared}
        mark = "*" if candidate.number in answer.tied else ""
        tested = [str(candidate.test_accuracy or candidate.test_loss)] * len(measured)
        search = "" if candidate.search_value is None else f"{candidate.search_value:.4f}"
        value, n_seeds = str(answer.value_of(candidate)) or "failed", str(len(candidate.repeats))
        scores = search, value, n_seeds, *tested
        more_scores = (str(candidate.test_metrics.get(name, "")) for name in more)
        cells = (mark, candidate.title, params_text(varied), *scores, *more_scores)
        table.add_row(*map(plain, cells))
    return drawn(table)


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


def _after_confirmation(study: str, answer: "Confirmation", place: str) -> list[str]:
    """What to type next; a setting that no trial of the study had cannot be refitted."""
    if answer.winner == NO_DROPOUT:
        params = params_text(answer.candidates[0].params)
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


def refit_lines(answer: "Refit") -> list[str]:
    """Say where the weights of a refit are."""
    return [
        f"trial {answer.number}: {answer.epochs} epochs on training and validation rows",
        f"  weights: {answer.path}",
        f"  weights SHA-256: {answer.weights_sha256}",
    ]
