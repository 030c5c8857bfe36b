"""From trained repeats to the answer, and the answer written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.config import TrialConfig
from pipeline.trial import TrialOutcome

if TYPE_CHECKING:
    from pipeline.analysis import Candidate, Confirmation
    from pipeline.app.inputs import Data
    from pipeline.tracking.confirmation import ConfirmRun, Repeated, TestScores

Trained = Sequence[tuple[TrialConfig, TrialOutcome]]


@dataclass(frozen=True, kw_only=True)
class ConfirmedStudy:
    """What confirming a study came to.

    Attributes:
        n_seeds: How many new seeds each candidate was trained on.
        run_id: The run ``confirm`` below the study's run.
        test_openings: How often the study's test part was opened, this time included.
    """

    study: str
    answer: "Confirmation"
    n_seeds: int
    run_id: str
    test_openings: int

    def as_json(self) -> dict[str, Any]:
        """The answer as ``confirm --json`` prints it."""
        return {
            "study": self.study,
            **self.answer.as_json(),
            "seeds": self.n_seeds,
            "run_id": self.run_id,
            "test_openings": self.test_openings,
        }


def judge_trained(trained: Trained, data: "Data", run: "ConfirmRun") -> ConfirmedStudy:
    """Find the winner, open the test part, and write down what came of it.

    The test part stays closed where no candidate was trained on all seeds.

    Args:
        trained: Every repeat of every candidate with its outcome.
        data: The study's.
        run: Where the answer is written.
    """
    from pipeline.analysis import judge

    answer = judge(_candidates(trained))
    if answer.winner is not None:
        scores = _scores_on_test(answer, trained, data, run)
        answer = judge([_with_test(candidate, scores) for candidate in answer.candidates])
    confirmed = ConfirmedStudy(
        study=trained[0][0].study,
        answer=answer,
        n_seeds=max(config.repeat for config, _ in trained),
        run_id=run.run_id,
        test_openings=run.count_openings(),
    )
    run.write_answer(confirmed.as_json(), metrics=_metrics(answer), note=_note(confirmed))
    return confirmed


def _candidates(trained: Trained) -> "list[Candidate]":
    from pipeline.analysis import Candidate, Repeat

    ordered = sorted(trained, key=lambda one: (one[0].number, one[0].repeat))
    repeats: dict[int, list[Repeat]] = {}
    for config, outcome in ordered:
        repeat = Repeat(repeat=config.repeat, val_loss=outcome.value, cause=outcome.cause)
        repeats.setdefault(config.number, []).append(repeat)
    params = {config.number: config.params for config, _ in ordered}
    return [
        Candidate(number=number, params=params[number], repeats=tuple(found))
        for number, found in repeats.items()
    ]


def _scores_on_test(
    answer: "Confirmation", trained: Trained, data: "Data", run: "ConfirmRun"
) -> "dict[Repeated, TestScores]":
    """Open the test part, which is written down first, and score the candidates that are whole."""
    from pipeline.learning.testing import score_on_test

    whole = {candidate.number for candidate in answer.candidates if candidate.is_whole}
    weighed = [
        (config, outcome.weights)
        for config, outcome in trained
        if config.number in whole and outcome.weights is not None
    ]
    run.note_opening()
    found = score_on_test(weighed, data)
    scores: dict[Repeated, TestScores] = {
        (config.number, config.repeat): (one.loss, one.accuracy)
        for (config, _), one in zip(weighed, found, strict=True)
    }
    run.write_test_scores(scores)
    return scores


def _with_test(candidate: "Candidate", scores: "Mapping[Repeated, TestScores]") -> "Candidate":
    own = {
        repeat: score for (number, repeat), score in scores.items() if number == candidate.number
    }
    return candidate.with_test(own)


def _metrics(answer: "Confirmation") -> dict[str, float | None]:
    """The winner's intervals, by metric name."""
    if answer.winner is None:
        return {}
    winner = answer.candidates[0]
    found = {"val_loss": winner.value, "test_loss": winner.test_loss}
    if winner.test_accuracy is not None:
        found["test_accuracy"] = winner.test_accuracy
    return {
        f"{name}_{part}": value
        for name, measured in found.items()
        for part, value in measured.as_json().items()
    }


def _note(confirmed: ConfirmedStudy) -> str:
    from pipeline.tracking.note import ConfirmedLine, confirmed_note

    answer = confirmed.answer
    lines = [
        ConfirmedLine(
            number=one.number,
            scores=[
                str(one.value) or "failed",
                str(one.test_loss),
                str(one.test_accuracy or ""),
            ],
            is_tied=one.number in answer.tied,
        )
        for one in answer.candidates
    ]
    titles = ["val_loss", "test loss", "test accuracy"]
    return confirmed_note(
        f"{answer.sentence}.", titles, lines, test_openings=confirmed.test_openings
    )
