import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.engines import LocalEngine
from pipeline.engines.worker import resolve_fit
from pipeline.errors import EndOfEngineError
from pipeline.trial import EpochScores, TrialState
from tests.engines.fits import Unpicklable, cohort_of
from tests.engines.processes import are_gone, is_alive
from tests.engines.test_contract import news_until, outcomes

FIT = "tests.engines.fits:fit"
ROOT = Path(__file__).parents[2]
Start = Callable[..., LocalEngine]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts engines; their processes end with the test, also when it fails."""
    engines: list[LocalEngine] = []

    def start_engine(fit: str, n_workers: int, **more: Any) -> LocalEngine:
        engines.append(LocalEngine(fit, n_workers=n_workers, **more))
        return engines[-1]

    yield start_engine
    for engine in engines:
        left = [*engine.worker_pids, engine.fork_server_pid]
        engine.close()
        assert are_gone(left, within_seconds=20)


def wait_until(condition: Callable[[], bool], engine: LocalEngine) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "nothing came of waiting"
        assert not any(hasattr(news, "state") for news in engine.events(0.05))


@pytest.mark.parametrize("number", [71, 72], ids=["twice", "once"])
def test_trial_whose_worker_is_killed_is_trained_again(
    start: Start, tmp_path: Path, number: int
) -> None:
    engine = start(FIT, 2)
    engine.open(tmp_path)
    engine.submit(cohort_of(number))
    engine.submit(cohort_of(1))
    ended = outcomes(news_until(engine, 2))
    assert ended[number].state is TrialState.COMPLETE
    assert len(ended[number].curve) == 3
    wait_until(lambda: len(engine.worker_pids) == 2, engine)


def test_trial_whose_worker_dies_each_time_fails_after_three_restarts(
    start: Start, tmp_path: Path
) -> None:
    engine = start(FIT, 1)
    engine.open(tmp_path)
    engine.submit(cohort_of(70))
    engine.submit(cohort_of(1))
    news = news_until(engine, 2)
    lost = outcomes(news)[70]
    assert lost.state is TrialState.FAIL
    assert lost.cause == "worker lost: it died 4 times while it trained this trial"
    assert [scores.epoch for scores in lost.curve] == [1]
    assert (tmp_path / "deaths-70").read_text() == "xxxx"
    assert sum(isinstance(one, EpochScores) and one.number == 70 for one in news) == 4
    assert outcomes(news)[1].state is TrialState.COMPLETE


def test_rest_of_a_cohort_is_trained_again_with_the_trial_that_died(
    start: Start, tmp_path: Path
) -> None:
    engine = start(FIT, 1)
    engine.open(tmp_path)
    engine.submit(cohort_of(72, 5))
    ended = outcomes(news_until(engine, 2))
    assert {number: ended[number].state.name for number in ended} == {72: "COMPLETE", 5: "COMPLETE"}


def test_cohort_whose_workers_die_is_taken_apart_and_only_the_culprit_fails(
    start: Start, tmp_path: Path
) -> None:
    engine = start(FIT, 2)
    engine.open(tmp_path)
    engine.submit(cohort_of(1, 70, 2))
    engine.submit(cohort_of(3, 4))
    ended = outcomes(news_until(engine, 5))
    assert {n for n, one in ended.items() if one.state is TrialState.COMPLETE} == {1, 2, 3, 4}
    assert ended[70].state is TrialState.FAIL
    assert ended[70].cause == "worker lost: it died 4 times while it trained this trial"
    together, alone = "(1, 70, 2)", "(70,)"
    begun = (tmp_path / "cohorts").read_text().splitlines()
    assert begun == [together, together, alone, alone]
    assert engine.wants_work


def test_cohort_whose_worker_dies_once_is_trained_together_again(
    start: Start, tmp_path: Path
) -> None:
    engine = start(FIT, 1)
    engine.open(tmp_path)
    engine.submit(cohort_of(1, 72))
    engine.submit(cohort_of(2))
    ended = outcomes(news_until(engine, 3))
    assert {one.state for one in ended.values()} == {TrialState.COMPLETE}
    assert list(ended) == [1, 72, 2]
    assert (tmp_path / "cohorts").read_text().splitlines() == ["(1, 72)", "(1, 72)"]


def test_outcome_sent_just_before_a_worker_died_counts(start: Start) -> None:
    engine = start(FIT, 1)
    engine.open(None)
    wait_until(lambda: bool(engine.worker_pids), engine)
    (pid,) = engine.worker_pids
    engine.submit(cohort_of(91))
    time.sleep(0.5)  # the outcome lies unread in the socket
    os.kill(pid, signal.SIGKILL)
    assert are_gone([pid], within_seconds=20)
    assert outcomes(news_until(engine, 1))[91].cause == str(pid)
    engine.submit(cohort_of(1))
    assert outcomes(news_until(engine, 1))[1].state is TrialState.COMPLETE


def test_idle_worker_that_is_killed_is_replaced(start: Start) -> None:
    engine = start(FIT, 1)
    engine.open(None)
    wait_until(lambda: bool(engine.worker_pids), engine)
    (pid,) = engine.worker_pids
    os.kill(pid, signal.SIGKILL)
    assert are_gone([pid], within_seconds=20)
    engine.submit(cohort_of(1))
    assert outcomes(news_until(engine, 1))[1].state is TrialState.COMPLETE
    assert engine.worker_pids != [pid]


def seen_by_each(engine: LocalEngine) -> dict[int, str]:
    """The GPUs that each of three idle workers sees, by its process id."""
    for number in (92, 192, 292):
        engine.submit(cohort_of(number))
    told = [(one.cause or "").split() for one in outcomes(news_until(engine, 3)).values()]
    return {int(pid): gpu for gpu, pid in told}


def test_each_worker_sees_its_gpu_alone_and_so_does_what_replaces_it(start: Start) -> None:
    engine = start(FIT, 3, gpus=["0", "GPU-5f2", "0"])
    engine.open(None)
    wait_until(lambda: len(engine.worker_pids) == 3, engine)
    first = seen_by_each(engine)
    assert sorted(first.values()) == ["0", "0", "GPU-5f2"]
    os.kill(lost := next(pid for pid, gpu in first.items() if gpu == "GPU-5f2"), signal.SIGKILL)
    wait_until(lambda: lost not in engine.worker_pids and len(engine.worker_pids) == 3, engine)
    again = seen_by_each(engine)
    assert sorted(again.values()) == ["0", "0", "GPU-5f2"]
    assert lost not in again


def test_fork_server_that_is_killed_is_started_again_when_it_is_needed(start: Start) -> None:
    engine = start(FIT, 1)
    engine.open(None)
    engine.submit(cohort_of(80))
    wait_until(lambda: engine.n_busy == 1, engine)
    fork_server, (worker,) = engine.fork_server_pid, engine.worker_pids
    os.kill(fork_server, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    assert are_gone([worker], within_seconds=20)
    wait_until(lambda: engine.n_busy == 1 and engine.worker_pids != [worker], engine)
    assert engine.fork_server_pid != fork_server


def test_fork_server_killed_with_many_workers_asked_of_it_is_one_failed_start(start: Start) -> None:
    engine = start(FIT, 8)
    os.kill(engine.fork_server_pid, signal.SIGSTOP)
    engine.open(None)
    os.kill(engine.fork_server_pid, signal.SIGKILL)
    engine.submit(cohort_of(1))
    assert outcomes(news_until(engine, 1))[1].state is TrialState.COMPLETE


def test_worker_goes_on_when_the_fork_server_alone_is_killed_and_ends_with_the_engine(
    start: Start,
) -> None:
    engine = start(FIT, 1)
    engine.open(None)
    engine.submit(cohort_of(1))
    news_until(engine, 1)
    os.kill(engine.fork_server_pid, signal.SIGKILL)
    engine.submit(cohort_of(2))
    assert outcomes(news_until(engine, 1))[2].state is TrialState.COMPLETE


@pytest.mark.parametrize(
    ("fit", "reason"),
    [
        pytest.param("tests.engines.absent:fit", "No module named 'tests.engines.absent'", id="m"),
        pytest.param("tests.engines.fits:absent", "has no attribute 'absent'", id="function"),
    ],
)
def test_fit_that_cannot_be_imported_ends_the_engine_with_the_reason(
    start: Start, fit: str, reason: str
) -> None:
    engine = start(fit, 2)
    engine.open(None)
    with pytest.raises(EndOfEngineError, match=f"no worker starts: .*{reason}"):
        news_until(engine, 1)


def test_context_that_cannot_be_received_ends_the_engine_with_the_reason(start: Start) -> None:
    engine = start(FIT, 2)
    engine.open(Unpicklable())
    with pytest.raises(EndOfEngineError, match="no worker starts: ValueError: invalid literal"):
        news_until(engine, 1)


def test_closing_in_mid_cohort_leaves_no_process(start: Start) -> None:
    engine = start(FIT, 2)
    engine.open(None)
    engine.submit(cohort_of(80))
    engine.submit(cohort_of(80))
    wait_until(lambda: engine.n_busy == 2, engine)
    pids = [*engine.worker_pids, engine.fork_server_pid]
    assert all(map(is_alive, pids))
    engine.close()
    assert are_gone(pids, within_seconds=20)  # their fits would last for 60


def test_closing_does_not_wait_for_imports(start: Start) -> None:
    engine = start("tests.engines.slow_import:fit", 1)
    began = time.monotonic()
    engine.close()
    assert time.monotonic() - began < 30, "it waits for an import of a minute"


SCRIPT = """
import sys
from pipeline.engines import LocalEngine
from pipeline.trial import TrialOutcome
from tests.engines.fits import cohort_of

engine = LocalEngine("tests.engines.fits:fit", n_workers=2)
engine.open(None)
numbers = [int(word) for word in sys.argv[1:]]
for number in numbers:
    engine.submit(cohort_of(number))
n_left = len(numbers)
while n_left:
    for news in engine.events(0.2):
        n_left -= isinstance(news, TrialOutcome)
    if engine.n_busy == 2 and numbers == [80, 80]:
        print(engine.fork_server_pid, *engine.worker_pids, flush=True)
        numbers = []
engine.close()
print("done")
"""


def run_script(tmp_path: Path, *numbers: int) -> subprocess.Popen[str]:
    """Run a script without a ``__main__`` guard from a folder of its own."""
    script = tmp_path / "my_search.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, numbers)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def test_engine_runs_from_a_script_without_a_main_guard(tmp_path: Path) -> None:
    with run_script(tmp_path, 1, 2, 3) as process:
        try:
            told, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (told, process.returncode) == ("done\n", 0)


def test_workers_end_when_their_driver_is_killed(tmp_path: Path) -> None:
    with run_script(tmp_path, 80, 80) as process:
        try:
            assert process.stdout is not None
            pids = [int(word) for word in process.stdout.readline().split()]
            assert len(pids) == 3
            assert all(map(is_alive, pids))
        finally:
            process.kill()
    assert are_gone(pids, within_seconds=20)


def test_fork_server_that_imports_ends_when_its_driver_is_killed() -> None:
    words = (
        "import time; from pipeline.engines import LocalEngine; "
        "engine = LocalEngine('tests.engines.slow_import:fit', n_workers=1); engine.open(None); "
        "print(engine.fork_server_pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", words], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None
            fork_server = int(process.stdout.readline())
            time.sleep(1.0)  # it imports now, for 20 seconds
            assert is_alive(fork_server)
        finally:
            process.kill()
    assert are_gone([fork_server], within_seconds=20)


def test_fit_is_resolved_by_module_and_name() -> None:
    assert resolve_fit("tests.fakes:fake_fit").__name__ == "fake_fit"
