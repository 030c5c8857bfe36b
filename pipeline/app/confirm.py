"""Train a study's best few again on new seeds, and open the test part."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pipeline.app.inputs import Data, find_trial_classes, prepare_trial
from pipeline.app.training import WatchTraining, train
from pipeline.app.workspace import Workspace
from pipeline.config import TrialConfig
from pipeline.errors import BadInputError
from pipeline.trial import Assignment, Cohort, Event, SealedScores, TrialOutcome

if TYPE_CHECKING:
    from pipeline.analysis import Candidate, Confirmation
    from pipeline.tracking.confirmation import ConfirmRun, Repeated
    from pipeline.trial import RecordedTrial

Trained = Sequence[tuple[TrialConfig, TrialOutcome]]


@dataclass(frozen=True, kw_only=True)
class ConfirmedStudy:
    """The answer of a confirmation, and where it was written.

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


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The trials of a study that are trained again, as MLflow's records hold them.

    ``Candidates.read(workspace, "digits").confirm(seeds=5).answer.winner``
    """

    workspace: Workspace
    study: str
    trials: "Sequence[RecordedTrial]"

    @classmethod
    def read(cls, workspace: Workspace, study: str, *, top: int = 5) -> Self:
        """Choose the best complete trials, and those that the study file names.

        Args:
            workspace: Where the ledger and the data are.
            study: Its name.
            top: How many of the best.

        Raises:
            BadInputError: There is no such study, none of its trials is complete, or it has
                no test part.
            WorkFailedError: A record is damaged.
        """
        from pipeline.analysis import choose_candidates
        from pipeline.tracking.confirmation import read_n_fixed
        from pipeline.tracking.reader import read_rows, read_run

        workspace.check_has_studies(study)
        workspace.check_home(to_write=True)
        rows = read_rows(workspace.ledger_uri, study)
        run_ids = [row.run_id for row in rows if row.value is not None and row.run_id]
        if not run_ids:
            raise _none_complete(study, len(rows))
        n_fixed = read_n_fixed(workspace.ledger_uri, run_ids[0])
        chosen = choose_candidates(rows, top=top, n_fixed=n_fixed)
        trials = [read_run(workspace.ledger_uri, row.run_id) for row in chosen if row.run_id]
        _check_can_be_tested(workspace, trials[0].record.trial)
        return cls(workspace=workspace, study=study, trials=trials)

    def confirm(
        self, *, seeds: int = 5, workers: int | None = None, watch: WatchTraining | None = None
    ) -> ConfirmedStudy:
        """Train each candidate on new seeds, then score what was trained on the test part.

        No stopping rule ends a training but the study's own early stopping. The test part is
        opened when all are trained, and that is written down first.

        Args:
            seeds: How many new seeds.
            workers: Worker processes; by default one a core.
            watch: Called with each epoch's scores and each outcome.

        Raises:
            BadInputError: The data is not there, or not what the study was searched on.
            WorkFailedError: Another process runs or confirms the study, or no worker starts.
        """
        from pipeline.tracking.confirmation import confirming

        n_workers = workers or len(os.sched_getaffinity(0))
        with self.workspace.hold(self.study):
            data = self._data()
            with confirming(self.trials, n_seeds=seeds) as run:

                def write_and_watch(config: TrialConfig, event: Event) -> None:
                    if isinstance(event, TrialOutcome):
                        run.write_repeat(config, event)
                    if watch:
                        watch(config, event)

                cohorts = self._cohorts(seeds, n_workers)
                trained = train(cohorts, data, n_workers=n_workers, watch=write_and_watch)
                return judge_trained(trained, data, run)

    def _data(self) -> Data:
        """Decode the study's data, and refuse other data than the trials were trained on."""
        from pipeline.learning.data import PreparedData

        record = self.trials[0].record
        data = prepare_trial(record.trial, self.workspace, where=f"study {self.study!r}")
        if not isinstance(data, PreparedData):
            return data  # the user's own: its batches are digested by each worker
        if record.facts and record.facts.data_sha256 != data.sha256:
            raise BadInputError(
                where=f"data set {data.name}",
                got=f"content of SHA-256 {data.sha256}",
                expected=f"{record.facts.data_sha256}, which study {self.study!r} was searched on",
            )
        return data

    def _cohorts(self, n_seeds: int, n_workers: int) -> list[Cohort]:
        """Fuse trials of one shape; only those of one repeat have the same order of batches."""
        from pipeline.search.cohorts import form_cohorts

        configs = [trial.record.trial for trial in self.trials]
        repeats = [
            [_assignment(config, repeat) for config in configs] for repeat in range(1, n_seeds + 1)
        ]
        return [
            cohort
            for assignments in repeats
            for cohort in form_cohorts(assignments, n_workers=n_workers)
        ]


def _none_complete(study: str, n_trials: int) -> BadInputError:
    problem = f"none of its {n_trials} trials is complete, so there is nothing to confirm"
    return BadInputError(where=f"study {study!r}", problem=problem)


def _check_can_be_tested(workspace: Workspace, config: TrialConfig) -> None:
    where = f"study {config.study!r}"
    if config.data.test == 0:
        problem = "0: the study has no test part for `confirm` to open"
        raise BadInputError(where=where, key="data.test", problem=problem)
    if config.data.class_path is not None:
        find_trial_classes(config, workspace, where=where)
        from pipeline.learning.custom.checks import check_has_test

        check_has_test(config.data.class_path, where)


def _assignment(config: TrialConfig, repeat: int) -> Assignment:
    """Train as the study would without a stopping rule; the record holds its patience."""
    stopping = config.training.early_stopping
    return Assignment(
        config=config.model_copy(update={"repeat": repeat}),
        epochs=config.training.epochs,
        patience=stopping.patience if stopping else None,
    )


def judge_trained(trained: Trained, data: "Data", run: "ConfirmRun") -> ConfirmedStudy:
    """Find the winner, open the test part, and write the answer down.

    The test part stays closed where no candidate was trained on all seeds.

    Args:
        trained: Every repeat of every candidate with its outcome.
        data: The study's.
        run: Where the answer is written.
    """
    from pipeline.analysis import judge

    objective = trained[0][0].objective
    answer = judge(_candidates(trained), objective)
    if answer.winner is not None:
        scores = _scores_on_test(answer, trained, data, run)
        tested = [_with_test(candidate, scores) for candidate in answer.candidates]
        answer = judge(tested, objective)
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
        repeat = Repeat(repeat=config.repeat, value=outcome.value, cause=outcome.cause)
        repeats.setdefault(config.number, []).append(repeat)
    params = {config.number: config.params for config, _ in ordered}
    return [
        Candidate(number=number, params=params[number], repeats=tuple(found))
        for number, found in repeats.items()
    ]


def _scores_on_test(
    answer: "Confirmation", trained: Trained, data: "Data", run: "ConfirmRun"
) -> "dict[Repeated, SealedScores]":
    """Open the test part, which is written down first, and score the candidates that are whole."""
    from pipeline.learning.sealed_scores import score_on_test

    whole = {candidate.number for candidate in answer.candidates if candidate.is_whole}
    weighed = [
        (config, outcome.weights)
        for config, outcome in trained
        if config.number in whole and outcome.weights is not None
    ]
    run.note_opening()
    found = score_on_test(weighed, data)
    scores: dict[Repeated, SealedScores] = {
        (config.number, config.repeat): one for (config, _), one in zip(weighed, found, strict=True)
    }
    run.write_test_scores(scores)
    return scores


def _with_test(candidate: "Candidate", scores: "Mapping[Repeated, SealedScores]") -> "Candidate":
    of_candidate = {
        repeat: score for (number, repeat), score in scores.items() if number == candidate.number
    }
    return candidate.with_test(of_candidate)


def _metrics(answer: "Confirmation") -> dict[str, float | None]:
    """The winner's intervals, by metric name."""
    if answer.winner is None:
        return {}
    from pipeline.tracking.names import metric_on_test

    winner = answer.candidates[0]
    of_module = {metric_on_test(name): one for name, one in winner.test_metrics.items()}
    found = {answer.objective.metric: winner.value, "test_loss": winner.test_loss}
    if winner.test_accuracy is not None:
        found["test_accuracy"] = winner.test_accuracy
    return {
        f"{name}_{part}": value
        for name, measured in (of_module | found).items()
        for part, value in measured.as_json().items()
    }


def _note(confirmed: ConfirmedStudy) -> str:
    from pipeline.tracking.note import ConfirmedLine, confirmed_note, escape, metric_title

    answer = confirmed.answer
    more = answer.shown_metrics
    lines = [
        ConfirmedLine(
            number=one.number,
            scores=[
                str(one.value) or "failed",
                *[str(one.test_loss)] * answer.has_test_loss,
                *[str(one.test_accuracy or "")] * answer.has_test_accuracy,
                *(str(one.test_metrics.get(name, "")) for name in more),
            ],
            is_tied=one.number in answer.tied,
        )
        for one in answer.candidates
    ]
    measured = ["test loss"] * answer.has_test_loss + ["test accuracy"] * answer.has_test_accuracy
    titles = [metric_title(answer.objective), *measured, *map(escape, more)]
    return confirmed_note(
        f"{answer.sentence}.", titles, lines, test_openings=confirmed.test_openings
    )
