"""Workspace: the folders and addresses that a command reads and writes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadInputError, without_password

if TYPE_CHECKING:
    from pipeline.search.storage.lease import Lease
    from pipeline.trial import Ledger, Tell

NO_MODELS = "PIPELINE_NO_MODELS"
"""The environment variable of ``run --no-models``."""
PATIENCE_SECONDS = 120.0
"""A server that restarts is back in less; waiting for longer wastes the workers."""


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The folders and addresses that a command reads and writes.

    Attributes:
        home: All state: MLflow's database and artifacts, Optuna's journal, decoded data.
        data_dir: Where data sets are, in torchvision's layout; never written to.
        tracking_uri: MLflow's address; ``None``: the home's own database.
        storage: Optuna's address, an SQLAlchemy URL; ``None``: the home's own journal.
        patience_seconds: How long an MLflow server, or Optuna's database, that does not answer is
            waited for.
        trusts_code: Whether code that is not the user's own may be imported (``--trust-code``).
        system_metrics: Whether a study's run gets what the machine does while it runs.
        registers_models: Whether a study's best network is registered in MLflow; by default unless
            the environment sets ``PIPELINE_NO_MODELS``.

    Raises:
        BadInputError: System metrics cannot be measured here.
    """

    home: Path = field(default_factory=lambda: Path(os.environ.get("PIPELINE_HOME") or "mlruns"))
    data_dir: Path | None = None
    tracking_uri: str | None = field(
        default_factory=lambda: os.environ.get("MLFLOW_TRACKING_URI") or None
    )
    storage: str | None = None
    patience_seconds: float = PATIENCE_SECONDS
    trusts_code: bool = False
    system_metrics: bool = False
    registers_models: bool = field(default_factory=lambda: not os.environ.get(NO_MODELS))

    def __post_init__(self) -> None:
        """Refuse to measure without the package that MLflow measures with."""
        if self.system_metrics and find_spec("psutil") is None:
            raise BadInputError(
                where="--system-metrics",
                got="no package psutil",
                expected="it to be installed (pip install psutil)",
            )

    @property
    def journal(self) -> Path:
        """Optuna's embedded store."""
        return self.home / "optuna.journal"

    @property
    def cache(self) -> Path:
        """Decoded and downloaded data."""
        return self.home / "cache"

    @property
    def checkpoints(self) -> Path:
        """Long trials while they are trained."""
        return self.home / "checkpoints"

    @property
    def ledger_uri(self) -> str:
        """Where MLflow's runs are."""
        from pipeline.tracking.store import tracking_uri

        return self.tracking_uri or tracking_uri(self.home)

    @property
    def artifacts(self) -> Path | None:
        """Where the embedded ledger keeps artifacts; a server decides for itself."""
        from pipeline.tracking.store import artifact_root

        return None if self.tracking_uri else artifact_root(self.home)

    def make_ledger(self, tell: "Tell") -> "Ledger":
        """Make the ledger of a study; nothing is opened yet.

        Args:
            tell: Called with one line where a server is waited for.
        """
        from pipeline.tracking.ledger import MlflowLedger
        from pipeline.tracking.patience import PatientLedger
        from pipeline.tracking.store import database_of

        monitor = None
        if self.system_metrics:
            from pipeline.tracking.system_metrics import SystemMetrics

            monitor = SystemMetrics(self.ledger_uri)
        connect = partial(MlflowLedger, self.ledger_uri, self.artifacts, system_metrics=monitor)
        if database_of(self.ledger_uri):
            return connect()
        return PatientLedger(
            connect,
            address=without_password(self.ledger_uri),
            tell=tell,
            patience_seconds=self.patience_seconds,
        )

    @contextmanager
    def hold(self, study: str) -> "Iterator[Lease | None]":
        """Hold a study in the home and, where other homes share it, in Optuna's storage.

        Raises:
            WorkFailedError: Another process runs the study; it is named.
        """
        from pipeline.locks import hold_study

        with hold_study(self.home, study):
            if self.storage is None:
                yield None
                return
            from pipeline.search.storage.lease import hold
            from pipeline.search.storage.opening import open_storage

            storage = open_storage(self.storage, self.journal, to_write=True)
            assert storage is not None, "a writer makes the storage"  # noqa: S101
            with hold(storage, study, self.home) as lease:
                yield lease

    def check_home(self, *, to_write: bool) -> None:
        """Refuse a home that cannot be used, before anything is written.

        Args:
            to_write: Whether the command writes to it.

        Raises:
            BadInputError: It is no folder, or it or the folder that would hold it is read-only.
        """
        nearest = self.home.absolute()
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir():
            raise BadInputError(where="--home", got=f"{nearest} (a file)", expected="a folder")
        if to_write and not os.access(nearest, os.W_OK):
            raise BadInputError(
                where="--home", got=f"{nearest} (read-only)", expected="a folder to write to"
            )

    def check_has_studies(self, target: str) -> None:
        """Refuse to look something up in an embedded ledger that is not there.

        Raises:
            BadInputError: The home has no study yet.
        """
        from pipeline.tracking.store import database_of

        self.check_home(to_write=False)
        self.confine_artifacts()
        database = database_of(self.ledger_uri)
        if self.tracking_uri is None and database is not None and not database.exists():
            raise self.no_study(target)

    def confine_artifacts(self) -> None:
        """Keep the artifacts of the home's own ledger inside the home.

        Raises:
            BadInputError: The ledger is damaged, or has a study of an impossible name.
        """
        if self.tracking_uri is None:
            from pipeline.tracking.store import confine_artifacts

            confine_artifacts(self.home)

    def no_study(self, target: str) -> BadInputError:
        """The error of a home without a study."""
        return BadInputError(
            where="study", problem=f"no study {target!r}: {self.home} has none yet"
        )
