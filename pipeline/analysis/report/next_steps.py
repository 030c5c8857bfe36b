"""What to do next: rules that read the study's numbers, each with the command that does it."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.analysis.report.content import ReportContent
from pipeline.errors import as_sentence, counted
from pipeline.trial import TrialState


class NextStep(NamedTuple):
    """A thing to do.

    Attributes:
        why: What speaks for it.
        command: What to type; empty where the study file is to be changed.
    """

    why: str
    command: str = ""


def next_steps(content: ReportContent) -> list[NextStep]:
    """What to do next, the most urgent first."""
    return [
        *_unfinished(content),
        *_failed(content),
        *_warned(content),
        *_unsure(content),
        *_at_the_edge(content),
        *_use_it(content),
    ]


def _unfinished(content: ReportContent) -> Iterator[NextStep]:
    n_trials = content.settled.n_trials if content.settled else content.study.search.trials
    left = n_trials - sum(row.state.is_finished for row in content.rows)
    if left > 0:
        yield NextStep(
            f"{counted(left, 'trial')} of {n_trials} not trained yet.", "pipeline run FILE"
        )


def _failed(content: ReportContent) -> Iterator[NextStep]:
    causes = [row.cause or "unknown" for row in content.rows if row.state is TrialState.FAIL]
    if not causes:
        return
    [(cause, n)] = Counter(causes).most_common(1)
    line = " ".join(cause.split())
    shown = line if len(line) <= 200 else f"{line[:199]}…"  # noqa: PLR2004 - a line or two
    why = f"{counted(len(causes), 'trial')} failed, {n} with: {shown}. Once that is mended:"
    yield NextStep(why, "pipeline run FILE --retry-failed")


def _warned(content: ReportContent) -> Iterator[NextStep]:
    if content.summary and content.summary.warning:
        yield NextStep(as_sentence(content.summary.warning))


def _unsure(content: ReportContent) -> Iterator[NextStep]:
    """More trials where they would tell more, and new seeds where there are none."""
    unknown = [one.parameter for one in content.effects if one.verdict == "unknown"]
    if unknown:
        more = 2 * content.study.search.trials
        names = ", ".join(unknown)
        why = f"These trials do not tell what is best for {names}; more trials tell more."
        yield NextStep(why, f"pipeline run FILE --trials {more}")
    if content.best and not content.confirmation:
        why = (
            "One lucky seed is no winner: train the best trials again on new seeds, then open the "
        )
        yield NextStep(f"{why}test part.", f"pipeline confirm {content.study.name}")


def _at_the_edge(content: ReportContent) -> Iterator[NextStep]:
    for one in content.effects:
        if one.at_end:
            way = "below" if one.at_end == "low" else "above"
            yield NextStep(
                f"The best {one.parameter} is at an end of its range: widen it {way} {one.best} in "
                f"a new study file; with search.warm_start: {content.study.name} it begins with "
                "what this study found."
            )


def _use_it(content: ReportContent) -> Iterator[NextStep]:
    if content.best is None:
        return
    name = content.study.name
    smaller = content.summary.smaller if content.summary else None
    if smaller:
        size = f"{smaller.n_parameters:,} parameters instead of {smaller.instead_of:,}"
        why = f"A smaller network cannot be told from the best: trial {smaller.number}, {size}."
        yield NextStep(why, f"pipeline refit {name} --trial {smaller.number}")
    winner = (content.confirmation or {}).get("winner")
    number = winner if isinstance(winner, int) else content.best.number
    yield NextStep(
        "Train the setting on training and validation rows together, and keep the weights.",
        f"pipeline refit {name} --trial {number}",
    )
    yield NextStep("Look at every curve, in MLflow's page.", "pipeline ui")
