"""Audit a home's two ledgers, say what is off, and repair it."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.analysis.findings import Finding
from pipeline.app.workspace import Workspace
from pipeline.errors import BadInputError, WorkFailedError
from pipeline.trial import Tell, ignore

if TYPE_CHECKING:
    from pipeline.app.repair import Key, StudySnapshot
    from pipeline.locks import LockState
    from pipeline.search.storage.store import TrialStore

ROUNDS = 4
"""A repair may bring another fault to light: a restored run may have lost a file."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What is off in a home.

    Attributes:
        studies: The names of the studies that were looked at.
        running: Those that are being run: of them only finished trials were looked at.
        findings: What is or was off.
    """

    studies: Sequence[str] = ()
    running: Sequence[str] = ()
    findings: Sequence[Finding] = ()

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is off any more."""
        return all(finding.is_fixed for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """The diagnosis as ``doctor --json`` prints it."""
        return {
            "healthy": self.is_healthy,
            "studies": list(self.studies),
            "running": list(self.running),
            "findings": [finding.as_json() for finding in self.findings],
        }


def examine(workspace: Workspace, *, fix: bool = False, tell: Tell = ignore) -> Diagnosis:
    """Compare both ledgers of every study.

    Args:
        workspace: The home, and where its ledgers are.
        fix: Repair what is off; without it nothing at all is written.
        tell: Called with what is being done.

    Raises:
        BadInputError: There is no such home, or a store is damaged or out of reach.
        WorkFailedError: A store is written to all the time, or breaks while it is read.
    """
    _check_workspace(workspace)
    seen = look_at_studies(workspace, tell)
    if not fix:
        return seen
    findings: list[Finding] = []
    for name in seen.studies:
        found = [finding for finding in seen.findings if finding.study == name]
        findings += _repair_study(workspace, name, found, tell) if found else []
    return replace(seen, findings=findings)


def _check_workspace(workspace: Workspace) -> None:
    workspace.check_home(to_write=False)
    is_elsewhere = workspace.tracking_uri is not None and workspace.storage is not None
    if not workspace.home.is_dir() and not is_elsewhere:
        raise BadInputError(
            where="--home",
            got=f"{workspace.home} (no such folder)",
            expected="a folder with studies",
        )


def look_at_studies(workspace: Workspace, tell: Tell) -> Diagnosis:
    """Audit every study and change nothing, also beside a driver that is at work."""
    from pipeline.locks import lock_states
    from pipeline.search.storage.lease import holder_of
    from pipeline.search.storage.opening import open_storage, study_names
    from pipeline.search.storage.store import TrialStore
    from pipeline.tracking.audit import study_names as names_in_mlflow

    before = lock_states(workspace.home)
    with read_only_copy(workspace) as copied:
        storage = open_storage(copied.storage, copied.journal, to_write=False)
        stored = [] if storage is None else study_names(storage)
        names = sorted({*stored, *names_in_mlflow(copied.ledger_uri)})
        stores = {name: TrialStore.find(storage, name) for name in names}
        snapshots = [
            look_at_study(copied, name, stores[name], workspace.artifacts, tell) for name in names
        ]
    held = _held_since(before, workspace.home)
    held |= {name for name in names if holder_of(storage, name)}
    running = [name for name in names if name in held]
    findings = [
        finding
        for snapshot in snapshots
        for finding in snapshot.findings(is_running=snapshot.study in running)
    ]
    return Diagnosis(studies=names, running=running, findings=findings)


def _held_since(before: "Mapping[str, LockState]", home: Path) -> set[str]:
    """The studies that some process holds, or has held since their locks were seen."""
    from pipeline.locks import lock_states

    after = lock_states(home)
    names = {*before, *after}
    return {
        name
        for name in names
        if before.get(name) != after.get(name) or (name in after and after[name].holder)
    }


def look_at_study(
    workspace: Workspace, name: str, store: "TrialStore | None", artifacts: Path | None, tell: Tell
) -> "StudySnapshot":
    """Read a study from both ledgers, Optuna's first."""
    from pipeline.app.repair import StudySnapshot, read_overview
    from pipeline.tracking.audit import read_study

    return StudySnapshot(
        study=name,
        workspace=workspace,
        store=store,
        trials=store.rows() if store else None,
        overview=read_overview(name, store),
        runs=read_study(
            workspace.ledger_uri,
            name,
            artifact_root=artifacts,
            tell=lambda n, n_all: tell(f"{name}: reading run {n + 1} of {n_all}"),
        ),
    )


def _repair_study(
    workspace: Workspace, name: str, found: Sequence[Finding], tell: Tell
) -> list[Finding]:
    """Hold a study while it is repaired; one that is being run is left alone."""
    try:
        with workspace.hold(name):
            return list(_repair_held(workspace, name, tell))
    except WorkFailedError as error:
        return [replace(finding, how=str(error)) for finding in found]


def _repair_held(workspace: Workspace, name: str, tell: Tell) -> Iterator[Finding]:
    """Repair and look again, until nothing is off or nothing changes any more."""
    from pipeline.app.repair import repair
    from pipeline.search.storage.opening import open_storage
    from pipeline.search.storage.store import TrialStore

    is_there = workspace.storage is not None or workspace.journal.exists()
    seen: dict[Key, Finding] = {}
    done: dict[Key, str] = {}
    now: dict[Key, Finding] = {}
    for _ in range(ROUNDS):
        before = now
        # Opened to write, the journal loses a line that a killed process left half written.
        storage = open_storage(workspace.storage, workspace.journal, to_write=is_there)
        snapshot = look_at_study(
            workspace, name, TrialStore.find(storage, name), workspace.artifacts, tell
        )
        now = {finding.key: finding for finding in snapshot.findings()}
        if not now or now.keys() == before.keys():
            break
        seen = now | seen
        done |= repair(snapshot, list(now.values()), tell)
    for key, finding in seen.items():
        yield replace(finding, how=done.get(key, finding.how), is_fixed=key not in now)


STORES = ("optuna.journal", "mlflow.db", "mlflow.db-wal", "mlflow.db-journal")
"""Optuna's first: a trial that is finished there is whole in MLflow, too."""
ATTEMPTS = 50


@contextmanager
def read_only_copy(workspace: Workspace) -> Iterator[Workspace]:
    """Copy a home's stores while nobody writes them, and yield a workspace on the copies.

    Opening a database that a killed process has left brings its last writes into the file, and so
    changes it. Servers and other databases are read where they are.

    Raises:
        WorkFailedError: The stores are written to all the time.
    """
    with tempfile.TemporaryDirectory(prefix="pipeline-doctor-") as folder:
        if not any(_is_copied(workspace.home, Path(folder)) for _ in range(ATTEMPTS)):
            message = f"{workspace.home}: the stores are written to all the time; try again later"
            raise WorkFailedError(message)
        try:
            yield replace(workspace, home=Path(folder))
        except BadInputError as error:
            raise _of_home(error, folder, workspace.home) from None


def _of_home(error: BadInputError, folder: str, home: Path) -> BadInputError:
    """Let an error name the home's file in place of its copy."""
    where = error.where.replace(folder, str(home))
    return BadInputError(where=where, key=error.key, problem=error.problem)


def _is_copied(home: Path, to: Path) -> bool:
    """Copy the stores, and say whether nobody wrote them meanwhile."""
    for path in to.iterdir():
        path.unlink()
    with suppress(FileNotFoundError):
        before = _stamps(home)
        for name in before:
            shutil.copyfile(home / name, to / name)
        return _stamps(home) == before
    return False


def _stamps(home: Path) -> dict[str, tuple[int, int]]:
    """What changes when a store is written, by its name."""
    found = {name: (home / name).stat() for name in STORES if (home / name).exists()}
    return {name: (stat.st_mtime_ns, stat.st_size) for name, stat in found.items()}
