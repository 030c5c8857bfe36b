"""The study run's note: what MLflow's page says about a study, in Markdown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.config import Objective, Scalar, SearchConfig
from pipeline.errors import as_sentence, counted
from pipeline.tracking import views
from pipeline.tracking.names import LARGEST_TAG
from pipeline.trial import (
    Best,
    Ranked,
    SearchSummary,
    Settled,
    TrialRow,
    TrialState,
    find_best,
    rank,
)

TOP = 10
LARGEST_QUESTION = 400
LARGEST_PARAMS = 20
PLAIN = " .,;?%='$^"
CONFIRMED = "\n\n**Confirmed on new seeds.**"
"""What begins a note's last part; no user's text can, since asterisks are escaped."""
LARGEST_CONFIRMED = 2_500
"""Characters, so that the whole stays below MLflow's 8,000."""


def escape(text: str, largest: int = LARGEST_QUESTION) -> str:
    """Turn a user's text into Markdown that shows it and does nothing else.

    Every character that Markdown or HTML may read becomes a numeric entity.

    >>> escape("a|b <b>")
    'a&#124;b &#60;b&#62;'
    """
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    cut = line if len(line) <= largest else line[: largest - 1] + "…"
    return "".join(
        char if char.isalnum() or char in PLAIN or not char.isascii() else f"&#{ord(char)};"
        for char in cut
        if char.isprintable()
    )


def study_note(
    name: str,
    question: str,
    rows: Sequence[TrialRow],
    experiment_id: str,
    search: SearchConfig | None = None,
    settled: Settled | None = None,
    summary: SearchSummary | None = None,
) -> str:
    """Write the note: question, best trial, answer, leaderboard, search, and what to do next.

    MLflow's page folds all but the first lines. Rows of the leaderboard are left out from the end
    where a tag could not hold them all.

    Args:
        name: The study's name.
        question: The study's question.
        rows: Its trials.
        experiment_id: MLflow's, for links.
        search: How the space is searched.
        settled: Why the search ended before all its trials were done.
        summary: What the search has come to.
    """
    ranked = rank(rows)[:TOP]
    begins = [_headline(name, question), _best_line(find_best(rows)), _answer_lines(summary)]
    said = [
        _settled_line(settled),
        _summary_lines(summary),
        _search(search),
        _pages(experiment_id),
        _commands(name),
    ]
    while True:
        table = _leaderboard(ranked, experiment_id)
        parts = [*begins, _counts(rows), table, *said]
        note = "\n\n".join(part for part in parts if part)
        if len(note) <= LARGEST_TAG or not ranked:
            return note
        ranked = ranked[:-1]


def _headline(name: str, question: str) -> str:
    return f"**{escape(name)}** {escape(question)}".strip()


def _counts(rows: Sequence[TrialRow]) -> str:
    states = [row.state for row in rows]
    kinds = {
        "complete": TrialState.COMPLETE,
        "pruned": TrialState.PRUNED,
        "failed": TrialState.FAIL,
    }
    counted = ", ".join(f"{states.count(state)} {word}" for word, state in kinds.items())
    return f"{len(rows)} trials: {counted}."


def _leaderboard(ranked: Sequence[Ranked], experiment_id: str) -> str:
    """Trials by what ranks them; where the mean over seeds does, it is told how many."""
    if not ranked:
        return ""
    has_finalists = ranked[0].finalist is not None
    titles = [
        "trial",
        metric_title(ranked[0].trial.objective),
        *["seeds"] * has_finalists,
        "best epoch",
        "parameters",
        "run",
    ]
    lines = [titles, ["---"] * len(titles)]
    for one in ranked:
        trial, seeds = one.trial, [one.n_seeds] * has_finalists
        link = _link(trial.run_id, experiment_id) if trial.run_id else ""
        cells = trial.number, f"{one.value:.6g}", *seeds, trial.best_epoch, _params(trial.params)
        lines.append([str(cell) for cell in (*cells, link)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def metric_title(objective: Objective) -> str:
    """The metric's name; a user's is escaped where it is more than a word."""
    metric = objective.metric
    return metric if re.fullmatch(r"[A-Za-z0-9_]+", metric) else escape(metric, 60)


def _link(run_id: str, experiment_id: str) -> str:
    return f"[{run_id}]({views.page_of_run(experiment_id, run_id)})"


def _pages(experiment_id: str) -> str:
    """Links to the saved views."""
    links = (f"[{name}]({views.page_of(experiment_id, key)})" for key, name in views.TITLES.items())
    return f"See: {', '.join(links)}."


def _params(params: dict[str, Scalar]) -> str:
    shown = list(params.items())[:LARGEST_PARAMS]
    return ", ".join(f"{escape(name, 40)} {escape(_short(value), 40)}" for name, value in shown)


def _short(value: Scalar) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _best_line(best: Best | None) -> str:
    if best is None:
        return "No trial is complete yet."
    at_epoch, metric = f"at epoch {best.trial.best_epoch}", metric_title(best.objective)
    finalist, setting = best.ranked.finalist, f"It has {_params(best.params)}."
    if finalist is None:
        return f"Best: trial {best.number}, {metric} {best.value!r} {at_epoch}. {setting}"
    sentence = finalist.sentence.replace(best.objective.metric, metric)
    said = f"has the {best.objective.best_word}, {best.trial.value!r} {at_epoch}"
    return f"Best: {sentence}; trial {best.number} {said}. {setting}"


def _settled_line(settled: Settled | None) -> str:
    return f"The search {settled.sentence}." if settled else ""


def _answer_lines(summary: SearchSummary | None) -> str:
    """What each parameter wants and which two act together, as a list."""
    if summary is None:
        return ""
    alone = [effect.sentence for effect in summary.effects[:TOP]]
    both = [one.sentence for one in summary.interactions]
    return "\n".join(f"- {escape(sentence)}" for sentence in [*alone, *both])


def _summary_lines(summary: SearchSummary | None) -> str:
    if summary is None:
        return ""
    warning = [f"Warning: {summary.warning}."] if summary.warning else []
    said = map(as_sentence, summary.sentences)
    return "\n\n".join(escape(line) for line in [*warning, *said])


def _search(search: SearchConfig | None) -> str:
    """Sampler and stopping rule by their real names, with their settings."""
    if search is None:
        return ""
    settings = search.model_dump(exclude_none=True, exclude={"trials"})
    return "Search: " + ", ".join(f"{escape(key)} {escape(str(settings[key]))}" for key in settings)


def _commands(name: str) -> str:
    """What to do next, on a terminal."""
    words = ("show {}", "reproduce {} --trial best", "confirm {}", "report {}", "ui")
    return "\n".join(f"    pipeline {line.format(name)}" for line in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmedLine:
    """A candidate as the note shows it.

    Attributes:
        title: Its trial's number.
        scores: The cells beside it.
        is_tied: Whether it cannot be told apart from the winner.
    """

    title: str
    scores: Sequence[str]
    is_tied: bool


def confirmed_note(
    answer: Sequence[str],
    titles: Sequence[str],
    lines: Sequence[ConfirmedLine],
    *,
    test_openings: int,
) -> str:
    """Write the answer of a confirmation; lines are left out from the end where it is long.

    Args:
        answer: Sentences: who wins or who cannot be told apart, and what else there is to say.
        titles: Of the scores.
        lines: The best candidate first.
        test_openings: How often the test part was opened.
    """
    head = " | ".join(["| trial", *titles, "tied |"]) + "\n|" + "---|" * (len(titles) + 2)
    openings = f"The test part was opened {counted(test_openings, 'time')}."
    shown, said = list(lines), "\n\n".join(escape(f"{one[0].upper()}{one[1:]}") for one in answer)
    while True:
        table = "\n".join([head, *map(_confirmed_line, shown)])
        note = f"{CONFIRMED.strip()} {said}\n\n{table}\n\n{openings}"
        if len(note) <= LARGEST_CONFIRMED or not shown:
            return note
        shown = shown[:-1]


def _confirmed_line(line: ConfirmedLine) -> str:
    scores = [escape(score, 60) for score in line.scores]
    return " | ".join([f"| {escape(line.title, 60)}", *scores, f"{'yes' * line.is_tied} |"])


def with_confirmed(note: str, confirmed: str) -> str:
    """End a study's note with the answer of a confirmation, in place of an earlier one.

    Args:
        note: The study's.
        confirmed: From ``confirmed_note``, or empty.
    """
    rest = note.partition(CONFIRMED)[0]
    return f"{rest}\n\n{confirmed}" if confirmed else rest


def confirmed_in(note: str) -> str:
    """The part of a note that is about a confirmation; empty where there is none."""
    _, mark, text = note.partition(CONFIRMED)
    return f"{mark}{text}".strip()
