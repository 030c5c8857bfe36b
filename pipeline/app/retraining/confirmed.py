"""What a confirmation has come to, and how MLflow shows it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.app.registration import Registered

if TYPE_CHECKING:
    from pipeline.analysis import Candidate, Confirmation


@dataclass(frozen=True, kw_only=True)
class ConfirmedStudy:
    """The answer of a confirmation, and where it was written.

    Attributes:
        n_seeds: How many new seeds the winner was trained on.
        run_id: The run ``confirm`` below the study's run.
        test_openings: How often the study's test part was opened, this time included.
        models: The registered networks, the winner's as ``champion``; ``None`` where nobody won or
            nothing was to be registered.
    """

    study: str
    answer: "Confirmation"
    n_seeds: int
    run_id: str
    test_openings: int
    models: Registered | None = None

    def as_json(self) -> dict[str, Any]:
        """The answer as ``confirm --json`` prints it."""
        return {
            "study": self.study,
            **self.answer.as_json(),
            "seeds": self.n_seeds,
            "run_id": self.run_id,
            "test_openings": self.test_openings,
            **({"models": self.models.as_json()} if self.models else {}),
        }

    @property
    def metrics(self) -> dict[str, float | None]:
        """The winner's intervals, and that of its gain on the baseline, by metric name."""
        answer = self.answer
        if answer.winner is None:
            return {}
        from pipeline.tracking.names import metric_on_test

        winner = answer.candidates[0]
        of_module = {metric_on_test(name): one for name, one in winner.test_metrics.items()}
        found = {answer.objective.metric: answer.value_of(winner), "test_loss": winner.test_loss}
        if winner.test_accuracy is not None:
            found["test_accuracy"] = winner.test_accuracy
        if answer.gain is not None:
            found["gain_on_baseline"] = answer.gain
        return {
            f"{name}_{part}": value
            for name, measured in (of_module | found).items()
            for part, value in measured.as_json().items()
        }

    @property
    def note(self) -> str:
        """The part of the study's note that is about the confirmation."""
        from pipeline.tracking.note import ConfirmedLine, confirmed_note, escape, metric_title

        answer = self.answer
        lines = [
            ConfirmedLine(
                title=one.title, scores=self._cells(one), is_tied=one.number in answer.tied
            )
            for one in answer.candidates
        ]
        measured = [
            *["test loss"] * answer.has_test_loss,
            *["test accuracy"] * answer.has_test_accuracy,
        ]
        titles = [metric_title(answer.objective), "seeds", *measured]
        return confirmed_note(
            [f"{sentence}." for sentence in answer.sentences],
            [*titles, *map(escape, answer.shown_metrics)],
            lines,
            test_openings=self.test_openings,
        )

    def _cells(self, candidate: "Candidate") -> list[str]:
        answer = self.answer
        return [
            str(answer.value_of(candidate)) or "failed",
            str(len(candidate.repeats)),
            *[str(candidate.test_loss)] * answer.has_test_loss,
            *[str(candidate.test_accuracy or "")] * answer.has_test_accuracy,
            *(str(candidate.test_metrics.get(name, "")) for name in answer.shown_metrics),
        ]
