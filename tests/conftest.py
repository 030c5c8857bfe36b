"""What several folders of tests share."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from tests.long_form import TORTURE
from tests.warm.python import PYTHON, warm_python

# No deadline: a busy machine is no fault of the code. Each run tries other examples.
settings.register_profile("short", deadline=None, max_examples=40)
settings.register_profile("long", deadline=None, max_examples=500)
settings.load_profile("long" if TORTURE else "short")


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """The command line sets handlers of signals; they end with the test that runs it here."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the small study run to its end by two workers."""
    from tests.app.studies import study_in  # imports MLflow, which many tests need not

    path = tmp_path_factory.mktemp("undisturbed")
    study_in(path).run(workers=2)
    return path


@pytest.fixture(autouse=True, scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of the user's own, in which nothing is trusted yet; child processes have it too."""
    path = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(path))
        yield path


@pytest.fixture(autouse=True, scope="session")
def no_models() -> Iterator[None]:
    """Register no network of the studies that are run: a second each. What tests that unsets it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPELINE_NO_MODELS", "1")
        yield


@pytest.fixture(autouse=True, scope="session")
def warm() -> Iterator[str]:
    """The ``python`` of all that the tests start: its imports are done once for all of them."""
    with (
        TemporaryDirectory(prefix="python") as folder,
        warm_python(Path(folder)) as command,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "executable", command)
        yield command


@pytest.fixture
def cold_python(monkeypatch: pytest.MonkeyPatch) -> str:
    """Python itself, where a process's start, parent or name is the subject."""
    monkeypatch.setattr(sys, "executable", PYTHON)
    return PYTHON
