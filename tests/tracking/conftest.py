"""A migrated store, copied for each test, since making one takes two seconds."""

import shutil
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline.tracking.client import connect
from pipeline.tracking.ledger import MlflowLedger
from pipeline.tracking.store import artifact_root, tracking_uri
from tests.tracking.builders import study


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an empty store."""
    home = tmp_path_factory.mktemp("template")
    connect(tracking_uri(home), artifact_root(home))
    return home


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    """A fresh home with an empty store."""
    shutil.copy(template / "mlflow.db", tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def client(home: Path) -> MlflowClient:
    """MLflow as a person sees it, without the ledger."""
    return connect(tracking_uri(home))


@pytest.fixture
def ledger(home: Path) -> MlflowLedger:
    """An open ledger of the study ``digits`` that writes at each flush."""
    opened = MlflowLedger(tracking_uri(home), artifact_root(home), seconds_buffered=0)
    opened.open(study())
    return opened
