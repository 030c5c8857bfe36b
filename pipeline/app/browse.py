"""Look at what is there: studies, their trials, MLflow's page, the schema."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pipeline.app.result import StudyResult
from pipeline.app.workspace import Workspace
from pipeline.config import StudyConfig, check_study
from pipeline.errors import BadInputError, without_password
from pipeline.trial import SearchSummary, TrialRow, answer_json

if TYPE_CHECKING:
    from pipeline.search.storage.store import TrialStore


MOST_MODELLED: Final = 200
"""Trials to which a model is fitted unasked: 2,000 take ten seconds."""


def list_studies(workspace: Workspace) -> list[dict[str, Any]]:
    """List the studies of a home: name, trials by state, best value."""
    from pipeline.search.storage.opening import open_storage, study_names
    from pipeline.search.storage.store import TrialStore

    workspace.check_home(to_write=False)
    storage = open_storage(workspace.storage, workspace.journal, to_write=False)
    if storage is None:
        return []
    listed = []
    for name in study_names(storage):
        result = _result(TrialStore(storage, name), workspace)
        answer = result.as_json()
        listed.append({key: answer[key] for key in ("study", "trials", "best")})
    return listed


def show_study(workspace: Workspace, name: str, *, with_answer: bool = False) -> StudyResult:
    """Read a study's table.

    Args:
        workspace: Where it lives.
        name: The study's.
        with_answer: Whether the search is summarised, which takes scipy and fits a model.

    Raises:
        BadInputError: There is no study of this name.
    """
    workspace.check_home(to_write=False)
    store = open_study(workspace, name)
    result = _result(store, workspace)
    return replace(result, search=summarise(store)) if with_answer else result


@dataclass(frozen=True, kw_only=True)
class ShownStudy:
    """A study as ``show`` tells of it.

    Attributes:
        result: Its table.
        answer: What its trials say, as JSON holds it; ``None``: nothing yet, or not asked for.
        run_ids: The shortest form of each run id that no other run of the home has.
    """

    result: StudyResult
    answer: Mapping[str, Any] | None
    run_ids: Mapping[str, str]


def look_at(workspace: Workspace, name: str, *, with_answer: bool | None = None) -> ShownStudy:
    """Read a study's table, and its answer where that takes no time.

    Args:
        workspace: Where it lives.
        name: The study's.
        with_answer: Whether a model is fitted to the trials where no run has noted the answer;
            ``None``: of up to ``MOST_MODELLED`` trials.

    Raises:
        BadInputError: There is no study of this name.
    """
    from pipeline.app.run_ids import shortened

    workspace.check_home(to_write=False)
    store = open_study(workspace, name)
    result = _result(store, workspace)
    answer = None if with_answer is False else _noted_answer(store, result.trials)
    n_ended = sum(result.counts.values())
    if answer is None and (with_answer or (with_answer is None and n_ended <= MOST_MODELLED)):
        answer = _answer_of(summarise(store))
    run_ids = [row.run_id for row in result.trials if row.run_id]
    return ShownStudy(result=result, answer=answer, run_ids=shortened(run_ids, workspace))


def note_answer(store: "TrialStore", summary: SearchSummary | None) -> None:
    """Note in Optuna's storage what a study's trials say, and which trials those are."""
    if answer := _answer_of(summary):
        store.note_answer({"trials_sha256": _trials_sha256(store.rows()), "answer": answer})


def _noted_answer(store: "TrialStore", rows: Sequence[TrialRow]) -> Mapping[str, Any] | None:
    """The answer that was noted, if it is that of these trials."""
    noted = store.answer
    if noted is None or noted.get("trials_sha256") != _trials_sha256(rows):
        return None
    answer: Mapping[str, Any] = noted["answer"]
    return answer


def _answer_of(summary: SearchSummary | None) -> dict[str, Any] | None:
    return answer_json(summary.effects, summary.interactions) if summary else None


def _trials_sha256(rows: Sequence[TrialRow]) -> str:
    """A digest over what the trials that have ended came to."""
    ended = [[row.number, row.state, row.value] for row in rows if row.state.is_finished]
    return hashlib.sha256(json.dumps(ended).encode()).hexdigest()


def open_study(workspace: Workspace, name: str) -> "TrialStore":
    """Open a study in Optuna's storage, to read it.

    Raises:
        BadInputError: There is no study of this name.
    """
    from pipeline.search.storage.opening import open_storage
    from pipeline.search.storage.store import TrialStore

    storage = open_storage(workspace.storage, workspace.journal, to_write=False)
    if storage is None:
        raise workspace.no_study(name)
    return TrialStore(storage, name)


def summarise(store: "TrialStore") -> SearchSummary | None:
    """What the search has come to so far; ``None`` also where this version refuses its file."""
    from pipeline.search.answers.summary import summary_of

    try:
        study = check_study(store.document or {}, store.name)
    except BadInputError:
        return None
    return summary_of(study, store)


def _result(store: "TrialStore", workspace: Workspace) -> StudyResult:
    return StudyResult(
        study=store.name,
        trials=store.rows(),
        settled=store.settled,
        warm_start=store.warm_start,
        workspace=workspace,
    )


@dataclass(frozen=True, kw_only=True)
class Pages:
    """MLflow's pages while they are served.

    Attributes:
        address: The list of studies.
        studies: The pages of each study by its name, the latest first, each by what it shows.
    """

    address: str
    studies: Mapping[str, Mapping[str, str]]


@contextmanager
def serve_ui(workspace: Workspace, port: int) -> Iterator[Pages]:
    """Serve MLflow's pages on a home while the context lasts.

    Args:
        workspace: The home.
        port: 0 takes any free one.

    Raises:
        BadInputError: The ledger is a server, which has a page of its own, or the home is empty.
        WorkFailedError: The server does not start.
    """
    from pipeline.tracking.ui import serve, study_pages

    if workspace.tracking_uri is not None:
        raise BadInputError(
            where="MLFLOW_TRACKING_URI",
            problem=f"{without_password(workspace.tracking_uri)} has a page of its own: "
            "open that address in a browser",
        )
    workspace.check_home(to_write=False)
    with serve(workspace.home, port) as address:
        yield Pages(address=address, studies=study_pages(workspace.home, address))


def schema() -> dict[str, Any]:
    """The study file's JSON schema."""
    return StudyConfig.model_json_schema()
