import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import WorkFailedError
from pipeline.search.lock import hold_study, lock_states

HOLD = """
import sys, time
from pathlib import Path
from pipeline.search.lock import hold_study, lock_states
with hold_study(Path(sys.argv[1]), "small"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that runs the study."""
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_second_holder_is_refused_and_told_who_is_first(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    words = f"study 'small': got a second run, expected one: process {holder.pid} runs it"
    with pytest.raises(WorkFailedError, match=words), hold_study(tmp_path, "small"):
        pass


def test_other_study_is_held_beside_it(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    with hold_study(tmp_path, "large"):
        assert holder.poll() is None


def test_study_is_free_when_its_holder_is_killed(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with hold_study(tmp_path, "small"):
        assert (tmp_path / "locks" / "small.lock").read_text() == str(os.getpid())


def test_study_is_free_when_its_holder_is_done(tmp_path: Path) -> None:
    with hold_study(tmp_path, "small"):
        pass
    with hold_study(tmp_path, "small"):
        pass


def test_lock_is_looked_at_without_being_taken(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    with hold_study(tmp_path, "large"):
        pass
    before = lock_states(tmp_path)
    assert before["small"].process == str(holder.pid)
    assert before["large"].process is None
    assert lock_states(tmp_path) == before
    with hold_study(tmp_path, "large"):
        assert lock_states(tmp_path)["large"].process == str(os.getpid())
    assert lock_states(tmp_path)["large"].taken_ns > before["large"].taken_ns


def test_home_without_locks_is_not_changed_by_looking(tmp_path: Path) -> None:
    assert lock_states(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
