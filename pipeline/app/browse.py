"""Look at what is there: studies, their trials, MLflow's page, the schema."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipeline.app.result import StudyResult
from pipeline.app.workspace import Workspace
from pipeline.config import StudyConfig, check_study
from pipeline.errors import BadInputError, without_password
from pipeline.trial import SearchSummary

if TYPE_CHECKING:
    from pipeline.search.store import TrialStore


def list_studies(workspace: Workspace) -> list[dict[str, Any]]:
    """List the studies of a home: name, trials by state, best value."""
    from pipeline.search.storage import open_storage, study_names
    from pipeline.search.store import TrialStore

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
    return replace(result, search=_summary(store)) if with_answer else result


def open_study(workspace: Workspace, name: str) -> "TrialStore":
    """Open a study in Optuna's storage, to read it.

    Raises:
        BadInputError: There is no study of this name.
    """
    from pipeline.search.storage import open_storage
    from pipeline.search.store import TrialStore

    storage = open_storage(workspace.storage, workspace.journal, to_write=False)
    if storage is None:
        raise workspace.no_study(name)
    return TrialStore(storage, name)


def _summary(store: "TrialStore") -> SearchSummary | None:
    """What the search has come to so far; ``None`` also where this version refuses its file."""
    from pipeline.search.summary import summary_of

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
