"""Train a study's best few again on new seeds, and open the test part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from pipeline.app.inputs import Data, find_trial_classes, prepare_trial
from pipeline.app.placement.engine import start_engine
from pipeline.app.placement.placement import HERE, Job, Placement
from pipeline.app.registration import Registered, register_winner
from pipeline.app.repair import read_stored_study
from pipeline.app.retraining.confirmed import ConfirmedStudy
from pipeline.app.retraining.repeats import Plan, Repeats
from pipeline.app.training import WatchTraining, Workers
from pipeline.app.workspace import Workspace
from pipeline.config import NO_DROPOUT, NO_TRIAL, ShownNumber, TrialConfig, number_of
from pipeline.errors import BadInputError
from pipeline.trial import (
    RecordedTrial,
    SealedScores,
    TrialKey,
    ignore,
    rank,
)

if TYPE_CHECKING:
    from pipeline.analysis import Candidate, Confirmation


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The settings of a study that are trained again, as MLflow's records hold them.

    ``Candidates.read(workspace, "digits").confirm(seeds=5).answer.winner``

    Attributes:
        trials: The search's best first. A baseline that no trial had is the last: the record of
            the best one, with another number and every rate 0.
        baseline: What the others are compared with; ``None``: nothing is.
        search_values: What the search had measured of each trial, by number.
    """

    workspace: Workspace
    study: str
    trials: Sequence[RecordedTrial]
    baseline: ShownNumber | None = None
    search_values: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def read(cls, workspace: Workspace, study: str, *, top: int = 5) -> Self:
        """Choose the best complete trials, those that the study file names, and a baseline.

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
        choice = choose_candidates(
            rows,
            top=top,
            n_fixed=read_n_fixed(workspace.ledger_uri, run_ids[0]),
            predicted=_rank_by_prediction(workspace, study),
        )
        trials = [read_run(workspace.ledger_uri, row.run_id) for row in choice.trials if row.run_id]
        _check_can_be_tested(workspace, trials[0].record.trial)
        if choice.baseline == NO_DROPOUT:
            trials.append(_without_dropout(trials[0]))
        return cls(
            workspace=workspace,
            study=study,
            trials=trials,
            baseline=choice.baseline,
            search_values={one.trial.number: one.value for one in rank(rows)},
        )

    def confirm(
        self,
        *,
        seeds: int = 5,
        placement: Placement = HERE,
        watch: WatchTraining = ignore,
        plan: Plan = ignore,
    ) -> ConfirmedStudy:
        """Train each candidate on new seeds, then score what was trained on the test part.

        Candidates that have lost are dropped on the way (``analysis.race``); no stopping rule ends
        a training but the study's own early stopping. The test part is opened when all are trained,
        and that is written down first. A confirmation that was broken off goes on: what it had
        trained is read back from MLflow.

        Args:
            seeds: How many new seeds.
            placement: Where they are trained.
            watch: Called with each epoch's scores and each outcome.
            plan: Called at the start, and when candidates were dropped.

        Raises:
            BadInputError: The data is not there, or not what the study was searched on.
            WorkFailedError: Another process runs or confirms the study, or no worker starts.
        """
        from pipeline.analysis import judge, race
        from pipeline.tracking.confirmation import confirming

        objective = self.trials[0].record.trial.objective
        with self.workspace.hold(self.study):
            data = self._data()
            job = Job.of_trial(self.trials[0], self.workspace, where=f"study {self.study!r}")
            with (
                start_engine(placement, job, at_most=seeds * len(self.trials)) as engine,
                confirming(self.trials, n_seeds=seeds) as run,
            ):
                configs = [trial.record.trial for trial in self.trials]
                training = Repeats(
                    configs={config.shown_number: config for config in configs},
                    n_seeds=seeds,
                    run=run,
                    workers=Workers(engine, data),
                    watch=watch,
                    plan=plan,
                )
                raced = race(self._candidates(), training.train, n_seeds=seeds, objective=objective)
                confirmed = _finish(judge(raced, objective), training, data, self.study)
        return replace(confirmed, models=self._register(confirmed.answer, training, data))

    def _candidates(self) -> "list[Candidate]":
        from pipeline.analysis import Candidate

        configs = [trial.record.trial for trial in self.trials]
        return [
            Candidate(
                number=config.shown_number,
                params=config.params,
                is_baseline=config.shown_number == self.baseline,
                is_search_best=index == 0,
                search_value=self.search_values.get(config.number),
            )
            for index, config in enumerate(configs)
        ]

    def _register(self, answer: "Confirmation", training: Repeats, data: Data) -> Registered | None:
        """Make the winner's network the champion; of a setting that no trial had, a repeat's."""
        if answer.winner is None or not self.workspace.registers_models:
            return None
        from pipeline.learning.export import export_program, open_network
        from pipeline.tracking.reader import read_run

        number = number_of(answer.winner)
        winner = next(one for one in self.trials if one.record.trial.number == number)
        if answer.winner == NO_DROPOUT:
            repeats = answer.candidates[0].repeats
            best = min(repeats, key=lambda repeat: answer.objective.loss(repeat.value or 0.0))
            winner = read_run(self.workspace.ledger_uri, training.run.run_of(number, best.repeat))
        return register_winner(
            self.workspace, winner, lambda network: export_program(open_network(network, data))
        )

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


def _rank_by_prediction(workspace: Workspace, study: str) -> list[int]:
    """Rank a study's complete trials by their predicted means, if Optuna's storage has them."""
    from pipeline.search.finalists import rank_settings
    from pipeline.search.storage.opening import open_storage
    from pipeline.search.storage.store import TrialStore

    storage = open_storage(workspace.storage, workspace.journal, to_write=False)
    store = TrialStore.find(storage, study)
    if store is None or store.document is None:
        return []
    config = read_stored_study(store, study)
    ended = [row for row in store.rows() if row.state.is_finished]
    return rank_settings(config, store.suggested(), ended)


def _without_dropout(best: RecordedTrial) -> RecordedTrial:
    """The best trial as a setting that no trial had: its own, with every rate 0."""
    from pipeline.analysis import without_dropout

    changed = {"number": NO_TRIAL, "params": without_dropout(best.record.trial.params)}
    trial = best.record.trial.model_copy(update=changed | {"finalist": None})
    return replace(best, record=best.record.model_copy(update={"trial": trial}))


def _finish(answer: "Confirmation", training: Repeats, data: Data, study: str) -> ConfirmedStudy:
    """Open the test part, and write the answer down.

    The test part stays closed where no candidate was trained on all seeds.
    """
    from pipeline.analysis import judge

    if answer.winner is not None:
        scores = _score_on_test(answer, training, data)
        tested = [_with_test(candidate, scores) for candidate in answer.candidates]
        answer = judge(tested, answer.objective)
    confirmed = ConfirmedStudy(
        study=study,
        answer=answer,
        n_seeds=training.n_seeds,
        run_id=training.run.run_id,
        test_openings=training.run.count_openings(),
    )
    training.run.write_answer(
        confirmed.as_json(),
        metrics=confirmed.metrics,
        note=confirmed.note,
        n_seeds=training.n_seeds,
    )
    return confirmed


def _score_on_test(
    answer: "Confirmation", training: Repeats, data: Data
) -> dict[TrialKey, SealedScores]:
    """Open the test part, which is written down first, and score the candidates that are whole."""
    from pipeline.learning.sealed_scores import score_on_test

    whole = {candidate.number for candidate in answer.candidates if candidate.is_whole}
    weighed = [
        (config, outcome.weights)
        for config, outcome in training.trained.values()
        if config.shown_number in whole and outcome.weights is not None
    ]
    training.run.note_opening()
    found = score_on_test(weighed, data)
    scores = {
        (config.number, config.repeat): one for (config, _), one in zip(weighed, found, strict=True)
    }
    training.run.write_test_scores(scores)
    return scores


def _with_test(candidate: "Candidate", scores: Mapping[TrialKey, SealedScores]) -> "Candidate":
    number = number_of(candidate.number)
    return candidate.with_test(
        {repeat: score for (of, repeat), score in scores.items() if of == number}
    )
