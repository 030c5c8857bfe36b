"""The answer, a line a parameter: which of its values are as good as the best, and in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.analysis.report.content import ReportContent, shown
from pipeline.config import Scalar
from pipeline.trial import Effect
from pipeline.trial.effects import shown as short

VERDICTS = {"wants": "told", "indifferent": "does not matter", "unknown": "not told"}
"""What a verdict is called on the page."""


@dataclass(frozen=True, kw_only=True)
class AnswerLine:
    """What the page says of a parameter.

    Attributes:
        parameter: Its name.
        best: Its value in the best trial; empty where that trial does not have it.
        cells: Of each value in turn, ``good``, ``worse`` or ``best``: the strip that is drawn.
        ends: The first and the last value.
        verdict: Whether something is told, as ``Effect`` has it.
        verdict_word: The same for people.
        sentence: What it comes to.
        share: The parameter's part of all differences, in percent.
    """

    parameter: str
    best: str
    cells: Sequence[str]
    ends: tuple[str, str]
    verdict: str
    verdict_word: str
    sentence: str
    share: float


def answer_lines(content: ReportContent) -> list[AnswerLine]:
    """One line a parameter, rates first; none where there are too few trials."""
    params = content.best.params if content.best else {}
    return [
        AnswerLine(
            parameter=effect.parameter,
            best=shown(params.get(effect.parameter)),
            cells=_cells(effect),
            ends=(shown(effect.values[0]), shown(effect.values[-1])),
            verdict=effect.verdict,
            verdict_word=VERDICTS[effect.verdict],
            sentence=effect.sentence,
            share=100 * effect.share,
        )
        for effect in content.effects
    ]


def _cells(effect: Effect) -> list[str]:
    best = effect.values.index(effect.best)
    return [
        "best" if index == best else "good" if is_it else "worse"
        for index, is_it in enumerate(effect.is_as_good)
    ]


def told(content: ReportContent) -> list[tuple[str, Sequence[str]]]:
    """The parameters by what is known of them, the answer in three lines; empty ones left out."""
    groups = (
        ("What matters", [_good(one) for one in _by_share(content) if one.verdict == "wants"]),
        ("Does not matter", [one.title for one in content.effects if one.verdict == "indifferent"]),
        (
            "These trials do not tell",
            [one.title for one in content.effects if one.verdict == "unknown"],
        ),
    )
    return [(title, names) for title, names in groups if names]


def _by_share(content: ReportContent) -> list[Effect]:
    return sorted(content.effects, key=lambda effect: -effect.share)


def _good(effect: Effect) -> str:
    """A parameter with the values that cannot be told from the best."""
    return f"{effect.title} {' or '.join(map(_range, effect.stretches))}"


def _range(good: Sequence[Scalar]) -> str:
    """Values from first to last; two, or words, are named each."""
    if len(good) <= 1 or shown(good[0]) == shown(good[-1]):
        return short(good[0])
    if isinstance(good[0], str | bool) or len(good) == 2:  # noqa: PLR2004 - both are named
        return " or ".join(map(short, good))
    return f"{short(good[0])} to {short(good[-1])}"


def headline(content: ReportContent) -> str:
    """The best trial in a sentence, or why there is none."""
    best = content.best
    if best is None:
        return "No trial is complete yet: there is no answer."
    metric = content.objective.metric
    finalist = best.ranked.finalist
    if finalist is None:
        return f"Trial {best.number} has the {content.objective.best_word} {metric} of one seed."
    low, high = min(finalist.values), max(finalist.values)
    seeds = f"{len(finalist.values)} new seeds"
    spread = f"({low:.4f} to {high:.4f})"
    return f"Mean {metric} over {seeds} {spread}, the best of them trial {best.number}."
