"""The trials of a study in Optuna's storage, where Optuna's own tools find them."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState as OptunaState

from pipeline.config import Finalist, Objective, Params, StudyConfig, digest
from pipeline.errors import (
    BadInputError,
    WorkFailedError,
)
from pipeline.search.storage.journal import written_together
from pipeline.search.storage.lease import Lease
from pipeline.search.storage.opening import (
    explained,
    finish_replacement,
    replace_trials,
    stored_name,
    study_names,
)
from pipeline.search.storage.stored_trial import (
    EARLIER,
    all_params,
    new_attempt,
    row_of,
    waiting_trial,
)
from pipeline.trial import (
    KnownRuns,
    RunTime,
    SearchSummary,
    Settled,
    StudyState,
    TrialOutcome,
    TrialRow,
    TrialState,
    WarmStart,
)

optuna.logging.set_verbosity(optuna.logging.ERROR)


SETTLED = "settled"
"""The study's attribute: why its search ended before all its trials were done."""
ANSWER = "answer"
"""The study's attribute: what its trials say, as a run that ended found it."""
WARM_START = "warm_start"
"""The study's attribute: what it has taken over from another study."""

P = ParamSpec("P")
R = TypeVar("R")


def writes(
    work: "Callable[Concatenate[TrialStore, P], R]",
) -> "Callable[Concatenate[TrialStore, P], R]":
    """Make sure that the study is still held before a method writes, and explain its errors."""
    explained_work = explained(work)

    @wraps(work)
    def attempt(store: "TrialStore", /, *args: P.args, **kwargs: P.kwargs) -> R:
        store.keep()
        return explained_work(store, *args, **kwargs)

    return attempt


class TrialStore:
    """One study's trials in Optuna's storage.

    Args:
        storage: From ``open_storage``.
        name: The study's name; it must be there.
        lease: By which the study is held in a storage that several homes share.

    Raises:
        BadInputError: The storage has no study of this name.
    """

    @explained
    def __init__(self, storage: BaseStorage, name: str, lease: Lease | None = None) -> None:
        stored = stored_name(storage, name)
        if stored is None:
            known = ", ".join(study_names(storage)) or "none yet"
            raise BadInputError(where="study", got=repr(name), expected=f"one of: {known}")
        self._storage = storage
        self._name = name
        self._lease = lease
        self._load(stored)

    def _load(self, stored: str) -> None:
        self._study = optuna.load_study(study_name=stored, storage=self._storage)
        self._study_id = self._storage.get_study_id_from_name(stored)

    @classmethod
    def find(cls, storage: BaseStorage | None, name: str) -> "TrialStore | None":
        """Load the study; ``None`` where there is no storage, or no such study in it."""
        if storage is None or stored_name(storage, name) is None:
            return None
        return cls(storage, name)

    @classmethod
    @explained
    def create(
        cls,
        storage: BaseStorage,
        study: StudyConfig,
        lease: Lease | None = None,
        warm_start: WarmStart | None = None,
    ) -> "TrialStore":
        """Make the study in the storage, or load it where it is there already.

        Args:
            storage: From ``open_storage``.
            study: The study file.
            lease: By which the study is held in a storage that several homes share.
            warm_start: From ``find_warm_start``; what the study has already stays.
        """
        finish_replacement(storage, study.name, lease.keep if lease else _nothing)
        if study.name not in study_names(storage):
            direction = StudyDirection[study.objective.direction.upper()]
            storage.create_new_study([direction], study.name)
        store = cls(storage, study.name, lease)
        store.describe(study, warm_start)
        return store

    def describe(self, study: StudyConfig, warm_start: WarmStart | None) -> None:
        """Write down the study file, and what the study began with where that is not known yet."""
        if self._study.metric_names is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                self._study.set_metric_names([study.objective.metric])
        if warm_start is not None and self.warm_start is None:
            self._study.set_user_attr(WARM_START, warm_start.model_dump())
        self._study.set_user_attr("digest", digest(study))
        self._study.set_user_attr("document", study.document)

    def keep(self) -> None:
        """Make sure that the study is still this process's to write.

        Raises:
            LeaseLostError: Another process has taken it over.
        """
        if self._lease is not None:
            self._lease.keep()

    @property
    def name(self) -> str:
        """The study's name."""
        return self._name

    @property
    def storage(self) -> BaseStorage:
        """Where the study lies."""
        return self._storage

    @property
    def document(self) -> dict[str, Any] | None:
        """The study file that the trials belong to; ``None`` if it was not written yet."""
        document: dict[str, Any] | None = self._study.user_attrs.get("document")
        return document

    @property
    def objective(self) -> Objective:
        """Which score the values are, and which way is better."""
        return Objective.model_validate((self.document or {}).get("objective", {}))

    @property
    def digest(self) -> str | None:
        """The digest of the study file."""
        digest_: str | None = self._study.user_attrs.get("digest")
        return digest_

    @property
    def n_acknowledged(self) -> int:
        """How many trials there were when the study last stopped for their failures."""
        n_acknowledged: int = self._study.user_attrs.get("n_acknowledged", 0)
        return n_acknowledged

    @property
    def settled(self) -> Settled | None:
        """Why the search ended before all its trials were done; ``None``: it did not."""
        found = self._study.user_attrs.get(SETTLED)
        return Settled.model_validate(found) if found else None

    @property
    def warm_start(self) -> WarmStart | None:
        """What the study has taken over from another one; ``None``: nothing."""
        found = self._study.user_attrs.get(WARM_START)
        return WarmStart.model_validate(found) if found else None

    @writes
    def note_settled(self, settled: Settled) -> None:
        """Note that the search has ended, before the finalists are added."""
        self._study.set_user_attr(SETTLED, settled.model_dump())

    @property
    def answer(self) -> dict[str, Any] | None:
        """What ``note_answer`` noted last."""
        found: dict[str, Any] | None = self._study.user_attrs.get(ANSWER)
        return found

    @writes
    def note_answer(self, answer: Mapping[str, Any]) -> None:
        """Note what the trials say, for whoever asks later: finding it takes seconds."""
        self._study.set_user_attr(ANSWER, dict(answer))

    @writes
    def acknowledge_failures(self) -> None:
        """Note that the failures so far were reported: they stop no later run."""
        self._study.set_user_attr("n_acknowledged", len(self._study.get_trials(deepcopy=False)))

    @writes
    def retry_failed(self) -> None:
        """Let every failed trial wait to be trained again, as a new attempt with its old number.

        Its cause and its run stay with it as those of an earlier attempt. Trials that were
        suggested after it keep their parameters.
        """
        failed = {row.number: row for row in self.rows() if row.state is TrialState.FAIL}
        if not failed:
            return
        late = {number: id_ for number, id_ in self._late_runs.items() if int(number) not in failed}
        replace_trials(
            self._storage,
            self._name,
            lambda trial: new_attempt(trial, failed.get(trial.number)),
            attributes={"late_runs": late, "n_acknowledged": 0},
            keep=self.keep,
        )
        self._load(self._name)

    @explained
    def rows(self) -> list[TrialRow]:
        """All trials by number."""
        late, objective = self._late_runs, self.objective
        return [
            row_of(trial, objective, late_run=late.get(str(trial.number)))
            for trial in self._study.get_trials(deepcopy=False)
        ]

    def finalists(self) -> dict[int, Finalist]:
        """What makes trials finalists, by number."""
        return {row.number: row.finalist for row in self.rows() if row.finalist}

    @property
    def is_done(self) -> bool:
        """Whether the study has all its trials, and all of them have ended."""
        if self.document is None:
            return False
        settled = self.settled
        n_trials = settled.n_trials if settled else self.document["search"]["trials"]
        return len(self.finished()) >= n_trials

    def state(
        self, summary: SearchSummary | None = None, spent: RunTime | None = None
    ) -> StudyState:
        """What the study has come to, as a ledger is told when it is closed.

        Args:
            summary: Of the search.
            spent: Where the seconds of this run went.
        """
        return StudyState(
            rows=self.rows(),
            is_done=self.is_done,
            settled=self.settled,
            summary=summary,
            spent=spent,
        )

    def finished(self) -> list[TrialRow]:
        """The trials that have ended, by number."""
        return [row for row in self.rows() if row.state.is_finished]

    @property
    @explained
    def known_runs(self) -> KnownRuns:
        """The MLflow runs of each trial that are known, by the trial's number."""
        attempts = {
            trial.number: trial.user_attrs.get(EARLIER, ())
            for trial in self._study.get_trials(deepcopy=False)
        }
        return KnownRuns(
            current={row.number: row.run_id for row in self.rows() if row.run_id},
            earlier={
                number: [attempt["run_id"] for attempt in earlier if attempt["run_id"]]
                for number, earlier in attempts.items()
                if earlier
            },
        )

    @explained
    def suggested(self) -> list[Params]:
        """Each trial's parameters by number, those of inactive layers included."""
        return [all_params(trial) for trial in self._study.get_trials(deepcopy=False)]

    @writes
    def add(
        self,
        study: StudyConfig,
        first: int,
        suggested: Sequence[Params],
        finalists: Mapping[int, Finalist] | None = None,
    ) -> None:
        """Write new trials as waiting, each in one step.

        Args:
            study: The study that they belong to.
            first: The number that the first of them is to have.
            suggested: Each trial's parameters, those that it does not have included.
            finalists: What makes some of them finalists, by number.
        """
        for number, params in enumerate(suggested, start=first):
            waiting = waiting_trial(study, params, (finalists or {}).get(number))
            trial_id = self._storage.create_new_trial(self._study_id, waiting)
            written = self._storage.get_trial_number_from_id(trial_id)
            if written != number:
                reason = f"its trial {number} became trial {written}"
                message = f"another process writes study {study.name!r}: {reason}"
                raise WorkFailedError(message)

    @writes
    def begin(self, numbers: Sequence[int]) -> None:
        """Note that waiting trials are trained now, be it for the first time or again."""
        with written_together(self._storage):
            for number in numbers:
                self._storage.set_trial_state_values(self._trial_id(number), OptunaState.RUNNING)

    @writes
    def note_runs(self, run_ids: Mapping[int, str]) -> None:
        """Write down which MLflow run shows a trial, by the trial's number."""
        with written_together(self._storage):
            for number, run_id in run_ids.items():
                self._annotate(number, {"run_id": run_id})

    @writes
    def note_late_runs(self, run_ids: Mapping[int, str]) -> None:
        """Write down runs that were made after their trials ended.

        They are attributes of the study, since Optuna does not change a finished trial.
        """
        if run_ids:
            late = {str(number): run_id for number, run_id in run_ids.items()}
            self._study.set_user_attr("late_runs", self._late_runs | late)

    @property
    def _late_runs(self) -> dict[str, str]:
        return dict(self._study.user_attrs.get("late_runs", {}))

    @writes
    def release(self, number: int) -> None:
        """Note that a trial was interrupted and waits to be trained again."""
        self._storage.set_trial_state_values(self._trial_id(number), OptunaState.WAITING)

    @writes
    def finish(self, outcome: TrialOutcome) -> None:
        """Write a trial's outcome; the state comes last and makes it final."""
        trial_id = self._trial_id(outcome.number)
        attributes = {
            "best_epoch": outcome.best.epoch if outcome.best else None,
            "weights_sha256": outcome.weights_sha256,
            "cause": outcome.cause,
            "warning": outcome.warning,
            "n_parameters": outcome.n_parameters or None,
        }
        with written_together(self._storage):
            for epoch, score in enumerate(outcome.scores, start=1):
                self._storage.set_trial_intermediate_value(trial_id, epoch, score)
            self._annotate(outcome.number, attributes)
        state = OptunaState[outcome.state.name]
        self._study.tell(outcome.number, values=outcome.value, state=state)

    def _annotate(self, number: int, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            self._storage.set_trial_user_attr(self._trial_id(number), key, value)

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)


def _nothing() -> None:
    """The home's lock guards a storage that only this home uses."""
