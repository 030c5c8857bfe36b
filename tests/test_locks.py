import itertools
import os
import platform
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import BadInputError, WorkFailedError
from pipeline.locks import hold_study, lock_states, locked

LONG_AGO = "process 1 on elsewhere since long ago"

HOLD = """
import sys, time
from pathlib import Path
from pipeline.locks import hold_study, lock_states
with hold_study(Path(sys.argv[1]), "small"):
    print("held", flush=True)
    time.sleep(60)
"""


def _text(home: Path) -> str:
    return (home / "locks" / "small.holder").read_text()


def _leave_files_of_the_dead(home: Path) -> None:
    (home / "locks").mkdir()
    (home / "locks" / "small.lock").touch()
    (home / "locks" / "small.holder").write_text(LONG_AGO)


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
    words = (
        f"study 'small' is being run by process {holder.pid} on "
        + re.escape(platform.node())
        + r" since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"
    )
    with pytest.raises(WorkFailedError, match=words), hold_study(tmp_path, "small"):
        pass


def test_who_looks_at_the_lock_for_a_moment_refuses_nobody(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    file = tmp_path / "locks" / "small.lock"
    looks, has_looked = threading.Event(), threading.Event()

    def look() -> None:
        with locked(file):
            looks.set()
            has_looked.wait(0.05)

    looking = threading.Thread(target=look)
    looking.start()
    looks.wait()
    with hold_study(tmp_path, "small"):
        has_looked.set()
    looking.join()


def test_two_wait_for_one_lock_and_each_has_it_alone(tmp_path: Path) -> None:
    alone, n_held = threading.Lock(), itertools.count()

    def hold(path: Path) -> None:
        for _ in range(20):
            with locked(path):
                assert alone.acquire(blocking=False)
                next(n_held)
                alone.release()

    for path in (tmp_path, tmp_path / "file.lock"):  # a folder's lock leaves no file
        holders = [threading.Thread(target=hold, args=(path,)) for _ in range(3)]
        for one in holders:
            one.start()
        for one in holders:
            one.join()
    assert next(n_held) == 120
    assert [path.name for path in tmp_path.iterdir()] == ["file.lock"]


def test_other_study_is_held_beside_it(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    with hold_study(tmp_path, "large"):
        assert holder.poll() is None


def test_study_is_free_when_its_holder_is_killed(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with hold_study(tmp_path, "small"):
        assert _text(tmp_path).startswith(f"process {os.getpid()} on ")


def test_file_of_a_process_that_is_long_dead_does_not_block(tmp_path: Path) -> None:
    _leave_files_of_the_dead(tmp_path)
    with hold_study(tmp_path, "small"):
        assert _text(tmp_path).startswith(f"process {os.getpid()} on ")


def test_study_is_free_when_its_holder_is_done_and_nothing_is_left(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    for _ in range(2):
        with hold_study(home, "small"):
            assert (home / "locks" / "small.lock").exists()
        assert not any(tmp_path.iterdir())


def test_home_that_was_written_to_or_was_there_before_stays(tmp_path: Path) -> None:
    with hold_study(tmp_path, "small"):
        pass
    assert tmp_path.exists()
    with hold_study(tmp_path / "home", "small"):
        (tmp_path / "home" / "mlflow.db").touch()
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["mlflow.db"]


RACE = """
import sys
import threading
from pathlib import Path
from pipeline.errors import WorkFailedError
from pipeline.locks import hold_study
home, n_held = Path(sys.argv[1]) / "home", 0
while n_held < 40:
    try:
        with hold_study(home, "small"):
            (Path(sys.argv[1]) / "alone").mkdir()
            (Path(sys.argv[1]) / "alone").rmdir()
            n_held += 1
    except WorkFailedError:
        pass
"""


def test_processes_that_take_turns_never_hold_it_together(tmp_path: Path) -> None:
    words = [sys.executable, "-c", RACE, str(tmp_path)]
    racers = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [(racer.communicate()[1], racer.returncode) for racer in racers] == [("", 0)] * 3
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_home_that_can_hold_no_lock_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("a file where a folder belongs")
    words = r"locks/small.lock: .+; a lock must be made here"
    with pytest.raises(BadInputError, match=words), hold_study(tmp_path, "small"):
        pass
    words = r"small.lock: No such file or directory; a lock must be made here"
    with pytest.raises(BadInputError, match=words), hold_study(Path("/proc/none"), "small"):
        pass


def test_lock_is_looked_at_without_being_taken(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    before = lock_states(tmp_path)
    assert before.keys() == {"small"}
    assert (before["small"].holder or "").startswith(f"process {holder.pid} on ")
    assert lock_states(tmp_path) == before
    with hold_study(tmp_path, "large"):
        assert (lock_states(tmp_path)["large"].holder or "").startswith(
            f"process {os.getpid()} on "
        )
    assert lock_states(tmp_path) == before


def test_lock_file_of_a_dead_process_has_no_holder(tmp_path: Path) -> None:
    _leave_files_of_the_dead(tmp_path)
    assert lock_states(tmp_path)["small"].holder is None


def test_home_without_locks_is_not_changed_by_looking(tmp_path: Path) -> None:
    assert lock_states(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
