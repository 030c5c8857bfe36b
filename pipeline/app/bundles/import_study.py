"""Take a study from a bundle into a home: both ledgers have it then, or neither does.

MLflow's runs are written first, Optuna's trials beside them under a name at which nobody looks, and
the last step lets that copy be the study. So a process that is killed leaves no study; the next
import of the same file takes up the runs that it left.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.app.bundles.archive import json_of, repeat_folder, trial_folder
from pipeline.app.bundles.bundle import study_members, training_members
from pipeline.app.bundles.content import Confirmed, Content, read_content
from pipeline.app.bundles.reader import open_archive
from pipeline.app.retraining.confirmed import ConfirmedStudy
from pipeline.app.workspace import Workspace
from pipeline.config import number_of
from pipeline.errors import BadInputError
from pipeline.trial import (
    BundledCandidate,
    BundledRun,
    KnownRuns,
    RecordedTrial,
    SealedScores,
    StudyState,
    Tell,
    TrialKey,
    ignore,
    sha256_of,
)

if TYPE_CHECKING:
    from pipeline.analysis import Candidate, Repeat
    from pipeline.search.storage.lease import Lease
    from pipeline.search.storage.store import TrialStore
    from pipeline.tracking.bundled import Training
    from pipeline.tracking.ledger import MlflowLedger


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A study that was imported.

    Attributes:
        counts: Its trials by state, and its confirmations.
        was_there: Whether the home had the same study before, and nothing was written.
        classes: Classes of the study's own, which need ``--trust-code`` to be trained again.
    """

    study: str
    counts: Mapping[str, int]
    was_there: bool
    classes: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """The answer as ``import --json`` prints it."""
        return {
            "study": self.study,
            "trials": dict(self.counts),
            "was_there": self.was_there,
            "classes": list(self.classes),
        }


def import_study(
    path: str | Path, *, workspace: Workspace | None = None, tell: Tell = ignore
) -> Imported:
    """Take a study from a bundle into a home.

    Args:
        path: A file that ``bundle`` wrote.
        workspace: The home; by default ``./mlruns`` and the embedded stores.
        tell: Called with what is being done.

    Raises:
        BadInputError: It is no sound bundle, or the home has another study of that name; nothing
            was written.
        WorkFailedError: Another process holds the study, or a ledger cannot be written.
    """
    workspace, path = workspace or Workspace(), Path(path)
    workspace.check_home(to_write=True)
    with open_archive(path) as archive:
        tell(f"{path.name}: checking")
        content = read_content(archive)
        workspace.confine_artifacts()
        was_there = _is_there(workspace, content)
        if not was_there:
            with workspace.hold(content.config.name) as lease:
                _Writer(workspace, content, lease, tell).write()
    states = Counter(trial.state.value.lower() for trial in content.study.trials)
    return Imported(
        study=content.config.name,
        counts={name: states[key] for name, key in _STATES.items()},
        was_there=was_there,
        classes=tuple(_classes(content)),
    )


_STATES = {"complete": "complete", "pruned": "pruned", "failed": "fail", "waiting": "waiting"}


def _classes(content: Content) -> Iterator[str]:
    for section in (content.config.model, content.config.data):
        if section.class_path is not None:
            yield section.class_path


def _is_there(workspace: Workspace, content: Content) -> bool:
    """Whether the home has this study already.

    Raises:
        BadInputError: It has another one of that name.
    """
    from pipeline.search.storage.opening import open_storage
    from pipeline.search.storage.store import TrialStore
    from pipeline.tracking.bundled import check_can_import

    name = content.config.name
    storage = open_storage(workspace.storage, workspace.journal, to_write=False)
    store = TrialStore.find(storage, name)
    if store is None:
        held = check_can_import(workspace.ledger_uri, name, content.archive.sha256)
        if held is not None:
            raise _taken(name, f"MLflow has {held}")
        return False
    if store.document is None or _digests(workspace, store) != _bundled_digests(content):
        raise _taken(name, "the home has another study of that name, or the same at another time")
    return True


def _taken(name: str, held: str) -> BadInputError:
    return BadInputError(where=f"study {name!r}", problem=f"{held}; import into another home")


def _bundled_digests(content: Content) -> dict[str, str | None]:
    names = (name for name in content.archive.names if name.endswith((".json", ".yaml")))
    return {name: content.archive.digest_of(name) for name in names if name != "bundle.json"}


def _digests(workspace: Workspace, store: "TrialStore") -> dict[str, str | None]:
    """The digests that the JSON members of a study of the home would have in a bundle."""
    from pipeline.tracking.bundled import read_study_run, read_training

    uri, found = workspace.ledger_uri, read_study_run(workspace.ledger_uri, store.name)
    members = dict(study_members(store, found))
    for row in store.rows():
        if row.state.is_finished and row.run_id:
            training = read_training(uri, row.run_id, with_weights=False)
            members |= dict(training_members(trial_folder(row.number), training))
    for index, one in enumerate(found.confirmations):
        members[f"confirmations/{index:03}/confirmation.json"] = json_of(one.answer)
        for key, run_id in one.repeats.items():
            metrics = one.test_metrics
            again = read_training(uri, run_id, with_weights=False, test_metrics=metrics)
            members |= dict(training_members(repeat_folder(index, key), again))
    return {name: sha256_of(one) for name, one in members.items() if not name.endswith(".png")}


class _Writer:
    """Writes a study into a home that this process holds."""

    def __init__(
        self, workspace: Workspace, content: Content, lease: "Lease | None", tell: Tell
    ) -> None:
        self._workspace = workspace
        self._content = content
        self._lease = lease
        self._tell = tell
        self._uri = workspace.ledger_uri
        self._name = content.config.name

    def write(self) -> None:
        """Write MLflow's runs, then Optuna's trials, and let everybody see them."""
        from pipeline.search.answers.summary import summary_of
        from pipeline.search.storage.bundled import frozen_trials, publish_copy, write_copy
        from pipeline.search.storage.opening import open_storage
        from pipeline.tracking.bundled import end_import

        content, study = self._content, self._content.study
        workspace = self._workspace
        storage = open_storage(workspace.storage, workspace.journal, to_write=True)
        assert storage is not None, "a writer makes the storage"  # noqa: S101
        with self._opened() as ledger:
            run_ids = self._write_trials(ledger)
            where = str(content.archive.path)
            frozen = frozen_trials(content.config, study.trials, run_ids, where=where)
            store = write_copy(storage, content.config, study, frozen, self._lease)
            ledger.close(store.state(summary_of(content.config, store)))
        for confirmed in content.confirmations:
            self._write_confirmation(confirmed, run_ids)
        end_import(self._uri, self._name, study.time, study.test_openings)
        publish_copy(storage, self._name, self._lease)

    @contextmanager
    def _opened(self) -> "Iterator[MlflowLedger]":
        """Open the study in MLflow; where the writing breaks off, nothing stays running there."""
        from pipeline.tracking.bundled import begin_import
        from pipeline.tracking.ledger import MlflowLedger

        content = self._content
        ledger = MlflowLedger(self._uri, self._workspace.artifacts)
        earlier = {one.number: [""] * len(one.earlier) for one in content.finished if one.earlier}
        ledger.open(content.config, KnownRuns(earlier=earlier), content.study.warm_start)
        try:
            begin_import(self._uri, self._name, content.archive.sha256)
            yield ledger
        except BaseException:
            ledger.close(StudyState(rows=(), is_done=False))
            raise

    def _write_trials(self, ledger: "MlflowLedger") -> dict[int, str]:
        run_ids: dict[int, str] = {}
        finished = self._content.finished
        for trial in finished:
            self._tell(f"{self._name}: writing trial {trial.number + 1} of {len(finished)}")
            training = self._content.training(trial_folder(trial.number))
            run_ids[trial.number] = ledger.start(training.record.trial)
            ledger.restore(training.record, training.outcome, trial.warning)
        return run_ids

    def _write_confirmation(self, confirmed: Confirmed, run_ids: Mapping[int, str]) -> None:
        """Write a confirmation; who wins follows from the repeats again."""
        from pipeline.analysis import judge
        from pipeline.tracking.confirmation import confirming

        self._tell(f"{self._name}: writing confirmation {confirmed.index + 1}")
        answer, objective = confirmed.answer, self._content.config.objective
        trainings = {
            key: self._content.training(repeat_folder(confirmed.index, key))
            for key in confirmed.keys
        }
        scores = {key: _sealed(one.run, answer.candidates) for key, one in trainings.items()}
        known = {key: one for key, one in scores.items() if one is not None}
        best = min(
            (number_of(one.number) for one in answer.candidates if one.is_search_best),
            default=min(run_ids),
        )
        originals = self._originals(trainings, run_ids, best)
        with confirming(originals, n_seeds=answer.seeds) as run:
            for training in trainings.values():
                run.restore_repeat(training.record, training.outcome)
            run.write_test_scores(known)
            if answer.test_opened is not None:
                run.note_earlier_opening(answer.test_opened)
            candidates = [_candidate(one, trainings, known) for one in answer.candidates]
            told = ConfirmedStudy(
                study=self._name,
                answer=judge(candidates, objective),
                n_seeds=answer.seeds,
                run_id=run.run_id,
                test_openings=answer.test_openings,
            )
            run.write_answer(
                told.as_json(), metrics=told.metrics, note=told.note, n_seeds=answer.seeds
            )

    def _originals(
        self, trainings: "Mapping[TrialKey, Training]", run_ids: Mapping[int, str], best: int
    ) -> list[RecordedTrial]:
        """What was trained again, as it is in the home now."""
        from pipeline.tracking.reader import read_run

        first = {key[0]: trainings[key] for key in sorted(trainings, reverse=True)}
        found = []
        for number, training in first.items():
            trial = training.record.trial.model_copy(update={"repeat": 0})
            # The baseline that no trial had is the best setting without its dropout.
            original = read_run(self._uri, run_ids.get(number) or run_ids[best])
            record = original.record.model_copy(update={"trial": trial})
            found.append(replace(original, record=record))
        return found


def _sealed(run: BundledRun, candidates: "tuple[BundledCandidate, ...]") -> SealedScores | None:
    """What a repeat scored on the test part; ``None``: it was not scored."""
    from pipeline.tracking import names

    if not run.test:
        return None
    own = {name: names.metric_on_test(name) for one in candidates for name in one.metrics}
    return SealedScores(
        loss=run.test.get(names.TEST_LOSS, float("nan")),
        accuracy=run.test.get(names.TEST_ACCURACY),
        metrics={name: run.test[one] for name, one in own.items() if one in run.test},
    )


def _candidate(
    said: BundledCandidate,
    trainings: "Mapping[TrialKey, Training]",
    scores: Mapping[TrialKey, SealedScores],
) -> "Candidate":
    """A candidate with its repeats."""
    from pipeline.analysis import Candidate
    from pipeline.analysis.candidates import Dropped

    number = number_of(said.number)
    mine = {key: one for key, one in trainings.items() if key[0] == number}
    drop = said.dropped
    return Candidate(
        number=said.number,
        params=next(iter(mine.values())).record.trial.params,
        repeats=tuple(_repeat(key, one, scores) for key, one in sorted(mine.items())),
        is_baseline=said.is_baseline,
        is_search_best=said.is_search_best,
        search_value=said.search_value,
        dropped=Dropped(after=drop.after, by=drop.by, difference=drop.difference) if drop else None,
    )


def _repeat(
    key: TrialKey, training: "Training", scores: Mapping[TrialKey, SealedScores]
) -> "Repeat":
    from pipeline.analysis import Repeat

    outcome = training.outcome
    return Repeat(repeat=key[1], value=outcome.value, cause=outcome.cause).with_test(
        scores.get(key)
    )
