"""A study on two hosts, as far as one machine has them, and a cable that is pulled."""

import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.app.studies import (
    ROOT,
    check_ledgers_agree,
    command,
    file_of,
    searched,
    table,
    with_store,
)
from tests.app.test_ray import N_TRIALS, read_until
from tests.engines.hosts import hosts
from tests.long_form import long_form

pytestmark = [pytest.mark.slow, long_form]
CUT_SECONDS = 30.0
THRESHOLD = "RAY_health_check_failure_threshold"


@pytest.mark.usefixtures("cold_python")
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("threshold", "is_given_up"),
    [
        pytest.param("2", True, id="ray-gives-the-node-up-and-its-supervisor-starts-it-again"),
        pytest.param("60", False, id="ray-waits-for-the-node"),
    ],
)
def test_cable_is_pulled_for_half_a_minute_and_the_table_is_that_of_one_machine(
    tmp_path: Path, threshold: str, *, is_given_up: bool
) -> None:
    home, other = with_store(tmp_path / "hosts"), tmp_path / "machine"
    with hosts(**{THRESHOLD: threshold}) as made, ExitStack() as stack:
        made.start_ray("head", cpus=0)
        node = made.start_ray("node", cpus=2)
        words = ("run", file_of(tmp_path), "--home", home, "--engine", "ray")
        driver = subprocess.Popen(
            made.within("head", *command(*words, "--ray-address", made.address)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=made.environment,
        )
        stack.enter_context(driver)
        stack.callback(driver.kill)
        read_until(driver, 2)
        made.cut()
        time.sleep(CUT_SECONDS)
        assert driver.poll() is None
        made.join()
        if is_given_up:
            node.wait(60)
            made.start_ray("node", cpus=2)
        _, said = driver.communicate(timeout=200)
        assert driver.returncode == 0, said
        assert (node.poll() is not None) == is_given_up
    check_ledgers_agree(home, N_TRIALS)
    searched(other).run(workers=1)
    assert table(home) == table(other)
