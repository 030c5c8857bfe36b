"""Deliver what was kept while MLflow's server was away."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.app.workspace import Workspace
from pipeline.config import check_study
from pipeline.errors import BadInputError

if TYPE_CHECKING:
    from pipeline.tracking.outbox import Waiting


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What was delivered of a study.

    Attributes:
        trials: The numbers of the trials that are in MLflow now.
        left: What waits still, since the server went away again; ``None``: nothing.
    """

    study: str
    trials: tuple[int, ...]
    left: "Waiting | None" = None


def waiting(workspace: Workspace) -> "list[Waiting]":
    """List what waits in a home for an MLflow server that did not answer."""
    from pipeline.tracking.outbox import waiting_in

    return waiting_in(workspace.home)


def waiting_of(workspace: Workspace, study: str) -> "Waiting | None":
    """What waits of one study; ``None``: nothing."""
    from pipeline.tracking.outbox import Outbox

    return Outbox(workspace.home, study).waiting


def deliver(workspace: Workspace) -> Iterator[Delivery]:
    """Deliver what waits in a home, study by study, and leave nothing running.

    Repeated after a death at any moment, it delivers the rest; nothing is doubled.

    Raises:
        BadInputError: MLflow cannot be reached, or Optuna's storage does not hold the study.
        WorkFailedError: Another process runs the study, or what was kept is damaged.
    """
    for found in waiting(workspace):
        yield deliver_study(workspace, found)


def deliver_study(workspace: Workspace, found: "Waiting") -> Delivery:
    """Deliver what waits of one study.

    Raises:
        BadInputError: As ``deliver``.
        WorkFailedError: As ``deliver``.
    """
    from pipeline.search.driver import release_unfinished
    from pipeline.search.store import TrialStore, open_storage

    with workspace.hold(found.study) as lease:
        storage = open_storage(workspace.storage, workspace.journal, to_write=True)
        assert storage is not None, "a writer makes the storage"  # noqa: S101
        store = TrialStore(storage, found.study, lease)
        if store.document is None:
            got = f"{found.study!r}, which was never begun"
            raise BadInputError(where="study", got=got, expected="a study that was run")
        config = check_study(store.document, f"study {found.study!r}")
        ledger = workspace.open_ledger(found.study)
        ledger.open(config)
        release_unfinished(config, store, ledger)
    left = waiting_of(workspace, found.study)
    delivered = set(found.trials) - set(left.trials if left else ())
    return Delivery(study=found.study, trials=tuple(sorted(delivered)), left=left)
