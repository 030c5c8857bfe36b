"""The measure of a long study, on a short one."""

from pathlib import Path

import pytest

from benchmarks.endurance import measure
from tests.long_form import long_form


@long_form
@pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="reads /proc as Linux has it"
)
@pytest.mark.usefixtures("cold_python")  # the worker is found by its parent's name
def test_a_worker_keeps_its_memory_over_a_study() -> None:
    found = measure(50, sampler="random", workers=2)
    assert len(found["milliseconds_a_trial"]) == 10
    assert all(held > 1 for held in found["worker_mebibytes"])
    assert found["worker_growth_mebibytes"] < 50
