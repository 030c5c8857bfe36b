"""What a machine lacks to train a user's classes is named in a line."""

import re

import pytest

from pipeline.learning.custom.checks import faults_of_machine
from tests.learning.custom.trials import own_trial


@pytest.mark.parametrize(
    ("model", "data", "fault"),
    [
        pytest.param("Plain", "Blobs", None, id="nothing"),
        pytest.param("Absent", None, r"model\.class_path: .*Absent", id="a class"),
        pytest.param(
            "Plain", "Elsewhere", "reading .*Elsewhere raises FileNotFoundError.*rows", id="a file"
        ),
    ],
)
def test_what_a_machine_lacks_is_named(model: str, data: str | None, fault: str | None) -> None:
    found = faults_of_machine(own_trial(model, data=data))
    assert [bool(re.match(fault or "", one)) for one in found] == [True] * (fault is not None)
